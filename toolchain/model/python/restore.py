"""Puts a backup back: what is missing is added, what is there already stays as it is."""

import hashlib
from collections import namedtuple

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from artifacts import Artifacts, digest_of
from backup import carried, check, members, versions_of
from refused import Refused
from registry import EXPERIMENT, SOURCE_TAG

# On runs and logged models that an import made, so that one that was cut off finds them again.
IMPORTED_TAG = "inference-stack.imported"
# On versions that only use up the number of one that was deleted, until they are deleted too.
PLACEHOLDER_TAG = "inference-stack.placeholder"

# What `up` publishes as iris where there is none yet.
DEMONSTRATION = "service/models/iris"

# What is to be done for a version: the files that are to be stored, and whether there is a version.
Step = namedtuple("Step", "version missing exists")
# For a model: its steps, and whether it is made anew.
Plan = namedtuple("Plan", "steps anew")


def restore(client, name, passes, say):
    """
    Imports the models of a backup, or the one called `name`. `passes` gives the backup's bytes twice:
    nothing is changed before all of them were compared with its sums, and with what is there.
    """
    records = check(next(passes))
    say("every byte is as its sums say")
    models = [each for each in records["models"] if name in (None, each["name"])]
    if name is not None and not models:
        known = ", ".join(each["name"] for each in records["models"]) or "none"
        raise Refused(f"the backup has no model {name}; it has {known}")
    plans = {each["name"]: plan(each, *present(client, each, say)) for each in models}
    incoming = members(next(passes))
    runs = Runs(client, records["runs"])
    results = []
    for model in records["models"]:
        if model["name"] not in plans:
            for version in model["versions"]:
                for _ in version["files"]:
                    next(incoming)
            continue
        steps, anew = plans[model["name"]]
        made = Model(client, model, runs, anew)
        for step in steps:
            say(f"{model['name']} version {step.version['version']}")
            made.take(step, incoming)
        results.append(made.finish(steps))
    return {"models": results}


def present(client, model, say):
    """
    {version: {path: SHA-256}} of what a registry has of a model, without placeholders, and whether it
    is the demonstration and nothing else.
    """
    try:
        client.get_registered_model(model["name"])
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}, False
    wanted = {each["version"] for each in model["versions"]}
    found = {}
    versions = [
        each for each in versions_of(client, model["name"]) if PLACEHOLDER_TAG not in each.tags
    ]
    for version in versions:
        number = str(version.version)
        if number in wanted:
            say(f"comparing {model['name']} version {number}")
            found[number] = Artifacts.of_version(client, model["name"], number).sums()
        else:
            found[number] = {}
    return found, [each.tags.get(SOURCE_TAG) for each in versions] == [DEMONSTRATION]


def plan(model, there, demonstration=False):
    """
    How a model is brought back beside what is there, {version: {path: SHA-256}}: the demonstration
    makes room. Raises Refused where a version cannot have its number or is another one.
    """
    try:
        return Plan(steps_beside(model, there), False)
    except Refused:
        if not demonstration:
            raise
        return Plan(steps_beside(model, {}), True)


def steps_beside(model, there):
    highest = max(map(int, there), default=0)
    steps = []
    for version in model["versions"]:
        number, sums = version["version"], {each["path"]: each["sha256"] for each in version["files"]}
        named = f"{model['name']} version {number}"
        held = there.get(number)
        if held is None and int(number) < highest:
            raise Refused(
                f"{named} was deleted there, and MLflow gives no number twice; nothing was changed: "
                f"import into a registry without {model['name']}"
            )
        if held is not None and not held.items() <= sums.items():
            raise Refused(
                f"{named} is there already with other content (digest {digest_of(held)[:12]}, in the "
                f"backup {version['digest'][:12]}); nothing was changed: import into a registry "
                f"without {model['name']}"
            )
        steps.append(Step(version, sums.keys() - (held or {}).keys(), held is not None))
    return steps


class Model:
    """One registered model on its way back."""

    def __init__(self, client, records, runs, anew):
        self.client, self.records, self.runs, self.name = client, records, runs, records["name"]
        if anew:
            # With its versions: their numbers are free again.
            client.delete_registered_model(self.name)
        try:
            client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        for each in versions_of(client, self.name):
            if PLACEHOLDER_TAG in each.tags:
                client.delete_model_version(self.name, each.version)

    def take(self, step, incoming):
        version, number = step.version, step.version["version"]
        logged = None if step.exists else self.logged_model(version)
        store = (
            Artifacts.of_version(self.client, self.name, number)
            if logged is None
            else Artifacts(logged.artifact_location)
        )
        for file in version["files"]:
            _, _, stream = next(incoming)
            if file["path"] in step.missing:
                store.put(file["path"], stream, file["sha256"])
        if logged is not None:
            self.register(version, logged)
        self.complete(version)

    def logged_model(self, version):
        """The logged model that an import which was cut off had begun, or a new one."""
        run_id, experiment = self.runs.restored(version["run"])
        key = [self.name, version["version"], version["digest"], run_id or ""]
        mark = hashlib.sha256("\n".join(key).encode()).hexdigest()
        begun = self.client.search_logged_models(
            [experiment], filter_string=f"tags.`{IMPORTED_TAG}` = '{mark}'"
        )
        if begun:
            return begun[0]
        model = version["model"]
        return self.client.create_logged_model(
            experiment,
            name=model["name"],
            source_run_id=run_id,
            tags=carried(model["tags"]) | {IMPORTED_TAG: mark},
            params=model["params"],
            model_type=model["type"],
        )

    def register(self, version, logged):
        """A version of its own number: those below that the backup lacks were deleted, and are again."""
        self.client.finalize_logged_model(logged.model_id, "READY")
        number = int(version["version"])
        last = max((int(each.version) for each in versions_of(self.client, self.name)), default=0)
        while last < number - 1:
            last = self.version_of(logged, tags={PLACEHOLDER_TAG: "true"})
            self.client.delete_model_version(self.name, str(last))
        got = last if last >= number else self.version_of(logged, tags=version["tags"], records=version)
        if got != number:
            if last < number:
                self.client.delete_model_version(self.name, str(got))
            raise Refused(
                f"{self.name} version {number} cannot have its number: MLflow has given it to a version "
                f"that was deleted since, and gives none twice. Import into a registry without {self.name}"
            )

    def version_of(self, logged, tags, records=None):
        made = self.client.create_model_version(
            self.name,
            f"models:/{logged.model_id}",
            run_id=logged.source_run_id or None,
            tags=tags,
            run_link=(records or {}).get("runLink") or None,
            description=(records or {}).get("description") or None,
            model_id=logged.model_id,
        )
        return int(made.version)

    def complete(self, version):
        """What a version lacks of its records."""
        number = version["version"]
        held = self.client.get_model_version(self.name, number)
        for key in version["tags"].keys() - held.tags.keys():
            self.client.set_model_version_tag(self.name, number, key, version["tags"][key])
        if version["description"] and not held.description:
            self.client.update_model_version(self.name, number, version["description"])
        if version["stage"] != "None" and held.current_stage in (None, "None"):
            self.client.transition_model_version_stage(self.name, number, version["stage"])

    def finish(self, steps):
        """What the model lacks of its records; aliases that point somewhere stay there."""
        held = self.client.get_registered_model(self.name)
        for key in self.records["tags"].keys() - held.tags.keys():
            self.client.set_registered_model_tag(self.name, key, self.records["tags"][key])
        if self.records["description"] and not held.description:
            self.client.update_registered_model(self.name, self.records["description"])
        for alias in self.records["aliases"].keys() - held.aliases.keys():
            self.client.set_registered_model_alias(self.name, alias, self.records["aliases"][alias])
        aliases = self.client.get_registered_model(self.name).aliases
        return {
            "name": self.name,
            "aliases": {alias: str(version) for alias, version in aliases.items()},
            "versions": [
                {
                    "version": step.version["version"],
                    "digest": step.version["digest"],
                    "done": "mended" if step.exists and step.missing else "kept" if step.exists else "made",
                }
                for step in steps
            ],
        }


class Runs:
    """The runs that made versions, each brought back once, with what was last known of its metrics."""

    def __init__(self, client, records):
        self.client, self.records = client, records

    def restored(self, run_id):
        """(id, experiment's id) of the run that was `run_id`; no run's where it is not known."""
        records = self.records.get(run_id)
        if records is None:
            return None, self.experiment(EXPERIMENT)
        experiment = self.experiment(records["experiment"])
        mark = hashlib.sha256(run_id.encode()).hexdigest()
        begun = self.client.search_runs([experiment], f"tags.`{IMPORTED_TAG}` = '{mark}'")
        if begun and begun[0].info.status == records["status"]:
            return begun[0].info.run_id, experiment
        tags = {IMPORTED_TAG: mark}
        run = begun[0] if begun else self.client.create_run(experiment, records["started"], tags, records["name"])
        ended = records["ended"] or records["started"]
        metrics = [Metric(key, value, ended, 0) for key, value in records["metrics"].items()]
        params = [Param(key, value) for key, value in records["params"].items()]
        tags = [RunTag(key, value) for key, value in carried(records["tags"]).items()]
        for kind, values in {"metrics": metrics, "params": params, "tags": tags}.items():
            # As many as MLflow takes at once.
            for start in range(0, len(values), 100):
                self.client.log_batch(run.info.run_id, **{kind: values[start : start + 100]})
        self.client.set_terminated(run.info.run_id, records["status"], records["ended"])
        return run.info.run_id, experiment

    def experiment(self, name):
        found = self.client.get_experiment_by_name(name)
        return found.experiment_id if found else self.client.create_experiment(name)
