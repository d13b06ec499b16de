"""Reads what somebody has of a model: a file, or a folder as MLflow writes it."""

import joblib
import mlflow
import sklearn

import sample as rows
from refused import Refused


def onnx_file(folder):
    """The ONNX model under `folder`, which is one or holds one; None when there is none."""
    found = sorted(folder.rglob("*.onnx")) if folder.exists() else []
    if len(found) > 1:
        names = ", ".join(str(each.relative_to(folder)) for each in found)
        raise Refused(f"there is more than one ONNX model: {names}")
    return found[0] if found else None


def load(folder, say):
    """The fitted model, and an example of its input if it came with one."""
    if (folder / "MLmodel").exists():
        described = mlflow.models.Model.load(str(folder))
        flavor = described.flavors.get("sklearn")
        if flavor is None:
            raise Refused(f"the model has the flavors {', '.join(described.flavors)}, not sklearn")
        made_with(flavor.get("sklearn_version"), say)
        return mlflow.sklearn.load_model(str(folder)), described.load_input_example(str(folder))
    files = [each for each in folder.rglob("*") if each.is_file()]
    if len(files) != 1:
        raise Refused("give one pickled model, one ONNX model, or a folder with either in it")
    try:
        model = joblib.load(files[0])
    except Exception as error:
        # Unpickling runs what the file says, which may fail in any way.
        said = f"{type(error).__name__}: {error}"
        raise Refused(
            f"{files[0].name} cannot be unpickled with scikit-learn {sklearn.__version__}: {said}"
        ) from error
    if not hasattr(model, "predict"):
        raise Refused(f"{files[0].name} holds a {type(model).__name__}, which predicts nothing")
    return model, None


def made_with(version, say):
    if version and version.split(".")[:2] != sklearn.__version__.split(".")[:2]:
        say(f"note: it was made with scikit-learn {version} and is read by {sklearn.__version__}")


def sample_rows(options, model, example):
    if options.get("sample"):
        table = rows.match(rows.read(options["sample"]), model)
    elif example is not None:
        table = rows.match(example, model)
    else:
        table = rows.invent(model)
    if len(table) == 0:
        raise Refused("there are no sample rows")
    return rows.widen(table, options.get("rows") or rows.ROWS)
