"""Makes a checked ONNX version of a model and registers it."""

import contextlib
import tempfile
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from folder import convert_folder
from refused import Refused
from registry import SOURCE_TAG


def check(request, job, say):
    """Carries out `check` as main.py describes it: all of `publish` but registering."""
    with converted(request, job, say) as (_, facts):
        return facts


def publish(request, job, registry, say):
    """Carries out `publish` as main.py describes it; returns what was registered."""
    with converted(request, job, say) as (folder, facts):
        say("registering the ONNX version")
        version, digest = registry.register(folder, facts, {SOURCE_TAG: request["source"]})
    result = {"name": registry.name, "version": version, "digest": digest} | facts
    if request.get("alias"):
        moved = registry.promote(request["alias"], version)
        result |= {"alias": request["alias"], "before": moved["before"]}
    return result


@contextlib.contextmanager
def converted(request, job, say):
    """The folder made of what was handed in or is to be fetched, and what is known about it."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "served"
        options = request | {"sample": handed_in(job / "sample")}
        yield folder, convert_folder(given(request["source"], job, work, say), folder, options, say)


def given(address, job, work, say):
    """The folder with the model: fetched from MLflow, or what was handed in."""
    if not address.startswith(("models:/", "runs:/")):
        found = handed_in(job / "model")
        return found if found is not None and found.is_dir() else job / "model"
    say(f"fetching {address}")
    try:
        return Path(mlflow.artifacts.download_artifacts(address, dst_path=f"{work}/given"))
    except MlflowException as error:
        raise Refused(f"{address} cannot be read: {error.message}") from error


def handed_in(folder):
    """The one file or folder that somebody handed in as `folder`, if they did."""
    return next(iter(sorted(folder.glob("*"))), None)
