"""The files of a registered version, in whatever store MLflow has them; one at a time in memory."""

import contextlib
import hashlib
import tempfile
from pathlib import Path, PurePosixPath

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from refused import Refused

# The memory that a job may write on holds one such file and what its transport needs.
MAX_BYTES = 900 * 1024**2
PIECE = 1024**2


def digest_of(sums):
    """SHA-256 over the `sha256sum` lines of files, given as {path: SHA-256}."""
    lines = (f"{sums[path]}  {path}\n".encode() for path in sorted(sums, key=str.encode))
    return hashlib.sha256(b"".join(lines)).hexdigest()


def sha256_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_safe(path):
    """Whether `path` names a file under a folder, in its one plain form."""
    parts = path.split("/")
    return path == str(PurePosixPath(path)) and not {"", ".", ".."} & set(parts)


class Artifacts:
    def __init__(self, uri):
        self.store = get_artifact_repository(uri)

    @classmethod
    def of_version(cls, client, name, version):
        uri = client.get_model_version_download_uri(name, version)
        logged = uri.removeprefix("models:/")
        return cls.of_logged(client, logged) if logged.startswith("m-") else cls(uri)

    @classmethod
    def of_logged(cls, client, model_id):
        return cls(client.get_logged_model(model_id).artifact_location)

    def paths(self, folder=None):
        """Every file, in the order of its path."""
        found = []
        for each in self.store.list_artifacts(folder):
            if each.is_dir:
                found += self.paths(each.path)
                continue
            if (each.file_size or 0) > MAX_BYTES:
                raise Refused(f"{each.path} has {each.file_size} bytes; allowed are {MAX_BYTES}")
            found.append(each.path)
        return sorted(found, key=str.encode)

    @contextlib.contextmanager
    def file(self, path):
        """A copy of one file, for as long as it is needed."""
        with tempfile.TemporaryDirectory() as folder:
            yield Path(self.store.download_artifacts(path, dst_path=folder))

    def sums(self):
        """{path: SHA-256} of every file, as the store hands it out."""
        found = {}
        for path in self.paths():
            with self.file(path) as copy:
                found[path] = sha256_of(copy)
        return found

    def put(self, path, stream, expected):
        """Stores what is read from `stream` as `path`, once it is known to have the SHA-256 expected."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / PurePosixPath(path).name
            with open(copy, "wb") as file:
                while piece := stream.read(PIECE):
                    file.write(piece)
            if sha256_of(copy) != expected:
                raise Refused(f"{path} changed while it was read; the import can be run again")
            parent = str(PurePosixPath(path).parent)
            self.store.log_artifact(str(copy), None if parent == "." else parent)
