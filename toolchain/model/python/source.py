"""Reads what somebody has of a model: a file, or a folder as MLflow writes it."""

import bz2
import dataclasses
import gzip
import lzma
import re
import warnings
import zlib

import joblib
import mlflow
import sklearn
from mlflow.models import Model
from sklearn.exceptions import InconsistentVersionWarning

from refused import Refused


@dataclasses.dataclass
class Original:
    model: object
    # Rows that came with it, if some did.
    example: object
    # The version of scikit-learn that made it, where it is recorded.
    made_with: str | None


def onnx_file(folder):
    """The ONNX model under `folder`, which is one or holds one; None when there is none."""
    found = sorted(folder.rglob("*.onnx")) if folder.exists() else []
    if len(found) > 1:
        names = ", ".join(str(each.relative_to(folder)) for each in found)
        raise Refused(f"there is more than one ONNX model: {names}")
    return found[0] if found else None


def is_onnx(folder):
    """Whether the model in `folder` may be an ONNX one: not where MLflow says that it is another, though
    there may be ONNX files among its artifacts."""
    said = described(folder)
    return said is None or "onnx" in said.flavors or "sklearn" not in said.flavors


def described(folder):
    """What MLflow says of the model in `folder`; None where it says nothing."""
    try:
        return Model.load(str(folder)) if (folder / "MLmodel").exists() else None
    except Exception as error:
        raise Refused(f"its MLmodel cannot be read: {type(error).__name__}: {error}") from error


def load(folder):
    """The fitted model in `folder`. Raises Refused when it has none, or it cannot be read here."""
    said = described(folder)
    files = [each for each in folder.rglob("*") if each.is_file()]
    if said is not None:
        flavor = said.flavors.get("sklearn")
        if flavor is None:
            raise Refused(
                f"the model has the flavors {', '.join(said.flavors)}; served are sklearn and onnx"
            )
        version, file = flavor.get("sklearn_version"), folder / (flavor.get("pickled_model") or "model.pkl")
        read = lambda: mlflow.sklearn.load_model(str(folder))  # noqa: E731
    elif len(files) == 1:
        version, file = made_with(files[0]), files[0]
        read = lambda: joblib.load(file)  # noqa: E731
    else:
        raise Refused("give one pickled model, one ONNX model, or a folder with either in it")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InconsistentVersionWarning)
            model = read()
    except Exception as error:
        # Unpickling runs what the file says, which may fail in any way.
        raise Refused(
            f"{file.name} cannot be unpickled with scikit-learn {sklearn.__version__}: "
            f"{type(error).__name__}: {error}{other_version(version)}"
        ) from error
    for each in caught:
        version = version or getattr(each.message, "original_sklearn_version", None)
    if not hasattr(model, "predict"):
        raise Refused(f"{file.name} holds a {type(model).__name__}, which predicts nothing")
    example = said.load_input_example(str(folder)) if said else None
    return Original(model, example, version)


def is_other(version):
    """Whether that version of scikit-learn may mean something else by its attributes than this one."""
    return bool(version) and version.split(".")[:2] != sklearn.__version__.split(".")[:2]


def other_version(version):
    """To be added to what went wrong with a model that another version made."""
    if not is_other(version):
        return ""
    return f" (it was made with scikit-learn {version} and is read by {sklearn.__version__})"


# The name and its value stand beside one another where an estimator is pickled for the first time.
RECORDED = re.compile(rb"_sklearn_version.{1,12}?(\d+\.\d+(?:\.\w+)*)", re.DOTALL)
OPENERS = (gzip.open, bz2.open, lzma.open)


def made_with(file):
    """The version of scikit-learn in a pickle, without unpickling it; None where it is not found."""
    for content in contents(file):
        found = RECORDED.search(content)
        if found:
            return found.group(1).decode()
    return None


def contents(file):
    """The bytes of a pickle as they are, and as one of joblib's compressions has them."""
    plain = file.read_bytes()
    yield plain
    try:
        yield zlib.decompressobj().decompress(plain, 2**24)
    except zlib.error:
        pass
    for opener in OPENERS:
        try:
            with opener(file) as stream:
                yield stream.read(2**24)
        except (OSError, EOFError, lzma.LZMAError):
            continue
