"""A backup of registered models: a tar that `tar xf` and `sha256sum -c SHA256SUMS` understand.

    models/NAME/VERSION/…   the files of each version, as they are
    manifest.json           the records: models, aliases, versions, and the runs that made them
    SHA256SUMS              of all of the above, in their order

It is written and read as a stream, one file after another.
"""

import hashlib
import io
import json
import re
import tarfile
import time
from itertools import zip_longest

import mlflow
from mlflow.exceptions import MlflowException

import artifacts
from artifacts import Artifacts, digest_of, is_safe, sha256_of
from refused import Refused

FORMAT = {"format": "inference-stack backup", "version": 1}
MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
MAX_FILES = 100_000
MAX_RECORDS = 64 * 1024**2
MAX_VERSION = 10_000
# Of this registry alone: another one writes its own.
NOT_CARRIED = ("mlflow.modelVersions", "mlflow.parentRunId", "inference-stack.imported")


def escape(segment):
    """`segment` as one name in a path, and in a line of sums."""
    plain = re.sub(r"[%\\/\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", segment)
    return plain.replace(".", "%2E") if plain.strip(".") == "" else plain


def member_of(name, version, path):
    return "/".join(["models", *map(escape, [name, version, *path.split("/")])])


def carried(tags):
    return {key: value for key, value in tags.items() if key not in NOT_CARRIED}


# Writing


class Writer:
    def __init__(self, stream):
        self.tar = tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)
        self.sums = []

    def add(self, member, size, stream, sha256):
        info = tarfile.TarInfo(member)
        info.size, info.mtime, info.mode = size, int(time.time()), 0o644
        self.tar.addfile(info, stream)
        self.sums.append((member, sha256))

    def text(self, member, text):
        data = text.encode()
        self.add(member, len(data), io.BytesIO(data), hashlib.sha256(data).hexdigest())

    def close(self, manifest):
        self.text(MANIFEST, json.dumps(manifest, indent=1) + "\n")
        self.text(SUMS, lines_of(self.sums))
        self.tar.close()


def lines_of(sums):
    return "".join(f"{sha256}  {member}\n" for member, sha256 in sums)


def export(client, name, stream, say):
    """Writes the registered models, or the one called `name`, to `stream`; returns what it wrote."""
    writer = Writer(stream)
    runs, models = {}, []
    for model in [name] if name else [each.name for each in every(client.search_registered_models)]:
        models.append(exported(client, model, writer, runs, say))
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    writer.close({**FORMAT, "made": made, "mlflow": mlflow.__version__, "models": models, "runs": runs})
    return {
        "models": [
            {
                "name": model["name"],
                "aliases": model["aliases"],
                "versions": [
                    {"version": each["version"], "digest": each["digest"]} for each in model["versions"]
                ],
            }
            for model in models
        ]
    }


def exported(client, name, writer, runs, say):
    model = client.get_registered_model(name)
    versions = []
    for version in versions_of(client, name):
        say(f"{name} version {version.version}")
        versions.append(exported_version(client, version, writer))
        if version.run_id and version.run_id not in runs and (run := run_record(client, version.run_id)):
            runs[version.run_id] = run
    return {
        "name": name,
        "description": model.description or "",
        "tags": model.tags,
        "aliases": {alias: str(version) for alias, version in model.aliases.items()},
        "versions": versions,
    }


def exported_version(client, version, writer):
    store = Artifacts.of_version(client, version.name, version.version)
    sums = {}
    for path in store.paths():
        if not is_safe(path):
            raise Refused(f"{version.name} version {version.version} has a file named {path!r}")
        with store.file(path) as copy, open(copy, "rb") as file:
            sums[path] = sha256_of(copy)
            member = member_of(version.name, str(version.version), path)
            writer.add(member, copy.stat().st_size, file, sums[path])
    return {
        "version": str(version.version),
        "description": version.description or "",
        "tags": version.tags,
        "stage": version.current_stage or "None",
        "created": version.creation_timestamp,
        "source": version.source,
        "runLink": version.run_link or "",
        "run": version.run_id or None,
        "model": logged_record(client, version),
        "digest": digest_of(sums),
        "files": [{"path": path, "sha256": sums[path]} for path in sums],
    }


def logged_record(client, version):
    """The logged model of a version; versions of MLflow 2 have none."""
    if not version.source.startswith("models:/m-"):
        return {"name": "model", "type": None, "params": {}, "tags": {}}
    found = client.get_logged_model(version.source.removeprefix("models:/"))
    return {
        "name": found.name,
        "type": found.model_type or None,
        "params": found.params or {},
        "tags": carried(found.tags or {}),
    }


def run_record(client, run_id):
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return {
        "name": run.info.run_name,
        "experiment": client.get_experiment(run.info.experiment_id).name,
        "status": run.info.status,
        "started": run.info.start_time,
        "ended": run.info.end_time,
        "params": run.data.params,
        "metrics": run.data.metrics,
        "tags": carried(run.data.tags),
    }


def every(search, **arguments):
    """Each result of a search that answers in pages."""
    token = None
    while True:
        page = search(**arguments, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def versions_of(client, name):
    """The versions of a model by their number, without those that were deleted."""
    quote = '"' if "'" in name else "'"
    found = every(client.search_model_versions, filter_string=f"name={quote}{name}{quote}")
    return sorted(found, key=lambda each: int(each.version))


# Reading


def damaged(what):
    return Refused(f"the backup is damaged or not one of ours: {what}; nothing was changed")


def members(stream):
    """(name, size, stream) of each member, which has to be a plain file."""
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        while (member := tar.next()) is not None:
            # A stream of any length, and each member is seen once.
            tar.members.clear()
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse:
                raise damaged(f"{member.name} is not a plain file")
            yield member.name, member.size, tar.extractfile(member)


def check(stream):
    """The records of a backup, once every byte of it was compared with its sums."""
    try:
        sums, texts = read(stream)
        if MANIFEST not in texts or SUMS not in texts:
            raise damaged("it ends before its records do")
        return understood(sums, texts[MANIFEST], texts[SUMS].decode())
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(str(error) or repr(error)) from None


def read(stream):
    """[(member, SHA-256)] of all but the sums themselves, and the text of the records and sums."""
    sums, texts = [], {}
    for member, size, file in members(stream):
        if SUMS in texts or len(sums) == MAX_FILES:
            raise damaged(f"it has more files than it may, such as {member}")
        if member in (MANIFEST, SUMS):
            if size > MAX_RECORDS:
                raise damaged(f"{member} has {size} bytes, allowed are {MAX_RECORDS}")
            texts[member] = file.read()
            sha256 = hashlib.sha256(texts[member]).hexdigest()
        else:
            if size > artifacts.MAX_BYTES:
                raise damaged(f"{member} has {size} bytes, allowed are {artifacts.MAX_BYTES}")
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if member != SUMS:
            sums.append((member, sha256))
    return sums, texts


def understood(sums, manifest, told):
    """The records, which tell of all the files there are, as the sums do."""
    for line, expected in zip_longest(lines_of(sums).splitlines(), told.splitlines(), fillvalue=""):
        if line != expected:
            raise damaged(f"{(line or expected)[66:]} is not what {SUMS} says")
    records = json.loads(manifest)
    if described_members(records) != sums[:-1]:
        raise damaged(f"its {MANIFEST} tells of other files than it has")
    return records


def described_members(manifest):
    """(member, SHA-256) of each file that the records tell of, in the order they have in the tar."""
    if {key: manifest.get(key) for key in FORMAT} != FORMAT:
        raise damaged(f"it is {manifest.get('format')!r} of version {manifest.get('version')!r}")
    described = []
    for model in manifest["models"]:
        numbers = [int(version["version"]) for version in model["versions"]]
        if numbers != sorted(set(numbers)) or not all(0 < each < MAX_VERSION for each in numbers):
            raise damaged(f"the versions of {model['name']} are {numbers}")
        for version in model["versions"]:
            for file in version["files"]:
                if not is_safe(file["path"]):
                    raise damaged(f"a file is to be stored as {file['path']!r}")
                member = member_of(model["name"], version["version"], file["path"])
                described.append((member, file["sha256"]))
            if version["digest"] != digest_of({each["path"]: each["sha256"] for each in version["files"]}):
                raise damaged(f"{model['name']} version {version['version']} has another digest")
    return described
