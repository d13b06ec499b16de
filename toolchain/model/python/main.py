"""Runs one request about registered models; alone in a container, as unpickling runs foreign code.

A job is a folder: `request.json`, for `publish` and `check` (which does the same, but registers
nothing) also the model under `model/` and perhaps sample rows under `sample/`; for `import` a backup is read beside it, twice. Progress goes to standard
error, the result as JSON to standard output, which `export` writes its backup to: its result is the
last line of progress, after `result: `. Ends with 1, and one message, when the request cannot be
carried out.
"""

import json
import os
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path


def say(line):
    print(line, file=sys.stderr, flush=True)


def connect(given):
    """MLflow's client reads its connection from the environment; nobody else sees this one's."""
    settings = {
        "MLFLOW_TRACKING_URI": given["mlflowUrl"],
        "MLFLOW_TRACKING_USERNAME": given.get("mlflowUser"),
        "MLFLOW_TRACKING_PASSWORD": given.get("mlflowPassword"),
        "MLFLOW_TRACKING_TOKEN": given.get("mlflowToken"),
        "HTTP_PROXY": given.get("proxy"),
        "HTTPS_PROXY": given.get("proxy"),
        "MLFLOW_S3_ENDPOINT_URL": given.get("s3Url"),
        "AWS_ACCESS_KEY_ID": given.get("s3AccessKey"),
        "AWS_SECRET_ACCESS_KEY": given.get("s3SecretKey"),
        "AWS_DEFAULT_REGION": given.get("s3Region", "us-east-1"),
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
        # Through MLflow alone: the addresses it signs may lead nowhere from here.
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        # The environment of a conversion is this image; nobody installs it from the model again.
        "MLFLOW_REQUIREMENTS_INFERENCE_RAISE_ERRORS": "false",
    }
    if given.get("ca"):
        bundle = Path(tempfile.mkdtemp()) / "ca.pem"
        import certifi

        bundle.write_text(Path(certifi.where()).read_text() + given["ca"])
        settings |= {"REQUESTS_CA_BUNDLE": str(bundle), "AWS_CA_BUNDLE": str(bundle)}
    os.environ.update({key: value for key, value in settings.items() if value})


def main(folder, passes):
    warnings.filterwarnings("ignore")
    request = json.loads((folder / "request.json").read_text())
    if "connection" in request:
        connect(request["connection"])
    # Standard output is the result's or the backup's alone, whatever a library prints.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from registry import Registry

    registry = Registry(request.get("name"))
    command = request["command"]
    if command == "check":
        from publish import check

        result = check(request, folder, say)
    elif command == "publish":
        from publish import publish

        result = publish(request, folder, registry, say)
    elif command == "list":
        result = registry.list()
    elif command == "promote":
        result = registry.promote(request["alias"], request["version"])
    elif command == "rollback":
        result = registry.rollback(request["alias"])
    elif command == "export":
        from backup import export

        if request.get("name"):
            registry.model()
        result = export(registry.client, request.get("name"), out, say)
        out.flush()
        say(f"result: {json.dumps(result)}")
        return
    elif command == "import":
        from restore import restore

        result = restore(registry.client, request.get("name"), passes, say)
    else:
        raise ValueError(f"unknown command {command}")
    out.write(json.dumps(result).encode() + b"\n")
    out.flush()


def run(folder, passes=iter(())):
    """Carries out the job in `folder`; `passes` gives a backup's bytes, once for each time it is read."""
    try:
        main(Path(folder), passes)
    except Exception as error:
        from refused import Refused
        from mlflow.exceptions import MlflowException

        if not isinstance(error, (Refused, MlflowException, OSError, tarfile.TarError)):
            raise
        say(f"error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    run(sys.argv[1])
