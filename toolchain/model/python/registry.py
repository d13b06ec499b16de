"""The versions of one registered model, and which of them an alias serves."""

import json

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from artifacts import Artifacts, digest_of
from refused import Refused

EXPERIMENT = "inference-stack"
DIGEST_TAG = "inference-stack.sha256"
# What a version was made of, as it was named.
SOURCE_TAG = "inference-stack.source"
# What an alias pointed at before, newest last: what a rollback goes back through.
BEFORE_TAG = "inference-stack.before."
REMEMBERED = 20
# What a run calls the model that it logs.
LOGGED_AS = "model"


class Registry:
    def __init__(self, name):
        self.name = name
        self.client = MlflowClient()

    def model(self):
        try:
            return self.client.get_registered_model(self.name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                raise Refused(
                    f"there is no registered model {self.name}; publish one with "
                    f"npm run model -- publish PATH --name {self.name}"
                ) from None
            raise

    def list(self):
        model = self.model()
        aliases = {}
        for alias, version in model.aliases.items():
            aliases.setdefault(str(version), []).append(alias)
        found = self.client.search_model_versions(f"name='{self.name}'", max_results=1000)
        return {
            "name": self.name,
            "versions": [
                {
                    "version": str(each.version),
                    "aliases": sorted(aliases.get(str(each.version), [])),
                    "stage": each.current_stage,
                    "created": each.creation_timestamp,
                    "digest": each.tags.get(DIGEST_TAG),
                    "onnx": DIGEST_TAG in each.tags,
                    "source": each.tags.get(SOURCE_TAG),
                }
                for each in sorted(found, key=lambda each: int(each.version), reverse=True)
            ],
        }

    def register(self, folder, facts, tags):
        """The files of `folder` as a new version, logged by a run of its own with what was found out."""
        mlflow.set_experiment(EXPERIMENT)
        with mlflow.start_run(run_name=f"publish {self.name}") as run:
            logged = self.log(folder, run.info)
            if agreement := facts["agreement"]:
                mlflow.log_dict(agreement, "agreement.json")
                mlflow.log_metric("agreement", agreement["agreed"] / agreement["rows"])
        uri = logged.artifact_location if logged else f"{run.info.artifact_uri}/{LOGGED_AS}"
        digest = digest_of(Artifacts(uri).sums())
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self.client.create_model_version(
            self.name,
            f"models:/{logged.model_id}" if logged else uri,
            run_id=run.info.run_id,
            tags=tags | {DIGEST_TAG: digest},
            model_id=logged.model_id if logged else None,
        )
        return str(version.version), digest

    def log(self, folder, run):
        """The logged model that has the files of `folder` now; None where MLflow is of version 2, which
        has no such thing: the run has them then."""
        try:
            logged = self.client.create_logged_model(
                run.experiment_id, name=LOGGED_AS, source_run_id=run.run_id
            )
        except MlflowException as error:
            if error.error_code != "ENDPOINT_NOT_FOUND":
                raise
            self.client.log_artifacts(run.run_id, str(folder), LOGGED_AS)
            return None
        described = Model.load(str(folder))
        described.run_id, described.model_id = run.run_id, logged.model_id
        described.artifact_path = logged.artifact_location
        described.save(str(folder / "MLmodel"))
        self.client.log_model_artifacts(logged.model_id, str(folder))
        return self.client.finalize_logged_model(logged.model_id, "READY")

    def promote(self, alias, version):
        self.get(version)
        before = self.pointed(alias)
        if before != str(version):
            past = self.past(alias)
            self.remember(alias, [*past, before] if before else past)
        self.client.set_registered_model_alias(self.name, alias, str(version))
        return {"name": self.name, "alias": alias, "version": str(version), "before": before}

    def rollback(self, alias):
        before, past = self.pointed(alias), self.past(alias)
        if not past:
            raise Refused(f"{alias} of {self.name} has pointed at nothing before version {before}")
        known = {each["version"] for each in self.list()["versions"]}
        # One that was deleted since is no way back.
        past = [each for each in past if each in known]
        if not past:
            raise Refused(f"what {alias} of {self.name} pointed at before version {before} is there no more")
        self.client.set_registered_model_alias(self.name, alias, past[-1])
        self.remember(alias, past[:-1])
        return {"name": self.name, "alias": alias, "version": past[-1], "before": before}

    def get(self, version):
        try:
            return self.client.get_model_version(self.name, str(version))
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            known = ", ".join(each["version"] for each in self.list()["versions"])
            raise Refused(f"{self.name} has no version {version}; it has {known}") from None

    def pointed(self, alias):
        version = self.model().aliases.get(alias)
        return None if version is None else str(version)

    def past(self, alias):
        try:
            return [str(each) for each in json.loads(self.model().tags[BEFORE_TAG + alias])]
        except (KeyError, ValueError):
            return []

    def remember(self, alias, versions):
        kept = json.dumps(versions[-REMEMBERED:])
        self.client.set_registered_model_tag(self.name, BEFORE_TAG + alias, kept)
