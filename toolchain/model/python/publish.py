"""Makes a checked ONNX version of a model and registers it."""

from pathlib import Path

import joblib
import mlflow
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import sklearn
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from sklearn.base import is_classifier

import sample as rows
from artifacts import Artifacts, digest_of
from convert import TABLE, convert, is_text
from refused import Refused
from registry import DIGEST_TAG, EXPERIMENT, SOURCE_TAG

ORT_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.str_,
}


def publish(request, folder, registry, say):
    """Carries out `publish` as main.py describes it; returns what was registered."""
    source = request["source"]
    metadata = {}
    if request.get("classNames"):
        metadata["class_names"] = request["classNames"]
    path = onnx_file(folder / "model")
    if path is not None:
        say("reading the ONNX model")
        model, signature, example = as_it_is(path, request, metadata)
        agreement = None
    else:
        say("reading the original")
        original, example = load(source, folder / "model", say)
        table = sample_rows(request, folder, original, example)
        say(f"converting {type(original).__name__}, checked on {len(table)} rows")
        converted = convert(original, table)
        model, agreement = converted.model, converted.agreement
        signature = signature_of(model, table, converted)
        example = table[:1] if isinstance(table, np.ndarray) else table.head(1)
        close = "" if agreement.difference is None else f", within {agreement.difference:.1e}"
        kind = np.dtype(converted.dtype).name
        say(f"{agreement.agreed} of {agreement.rows} rows agree{close}, computed in {kind}")
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name=f"publish {registry.name}") as run:
        say("logging the ONNX version")
        logged = mlflow.onnx.log_model(
            model,
            name="model",
            signature=signature,
            input_example=example,
            metadata=metadata or None,
            onnx_execution_providers=["CPUExecutionProvider"],
            pip_requirements=[f"onnx=={onnx.__version__}", f"onnxruntime=={onnxruntime.__version__}"],
        )
        if agreement:
            mlflow.log_dict(report(agreement), "agreement.json")
            mlflow.log_metric("agreement", agreement.share)
    digest = digest_of(Artifacts.of_logged(registry.client, logged.model_id).sums())
    tags = {DIGEST_TAG: digest, SOURCE_TAG: source}
    version = registry.register(logged.model_id, run.info.run_id, tags)
    result = {"name": registry.name, "version": str(version.version), "digest": digest}
    if agreement:
        result["agreement"] = report(agreement)
    if request.get("alias"):
        moved = registry.promote(request["alias"], version.version)
        result |= {"alias": request["alias"], "before": moved["before"]}
    return result


def report(agreement):
    return {
        "rows": agreement.rows,
        "agreed": agreement.agreed,
        "difference": agreement.difference,
        "disagreements": agreement.disagreements,
    }


def onnx_file(folder):
    """The ONNX model under `folder`, which is one or holds one; None when there is none."""
    found = sorted(folder.rglob("*.onnx")) if folder.exists() else []
    if len(found) > 1:
        names = ", ".join(str(each.relative_to(folder)) for each in found)
        raise Refused(f"there is more than one ONNX model: {names}")
    return found[0] if found else None


def as_it_is(path, request, metadata):
    """An ONNX model with the signature and example that came with it, or those it implies."""
    try:
        model = onnx.load(str(path), load_external_data=True)
        onnx.checker.check_model(model)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Refused(f"{path.name} is not an ONNX model that runs: {error}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    features = request.get("features") or described_features(path.parent, metadata)
    shape = inputs[0].shape
    one_table = len(inputs) == 1 and len(shape) == 2 and isinstance(shape[1], int)
    if features and not (one_table and shape[1] == len(features)):
        raise Refused(f"{len(features)} feature names do not fit inputs {[i.shape for i in inputs]}")
    if features:
        kind = np.dtype(ORT_TYPES[inputs[0].type])
        columns = [ColSpec(mlflow_type(kind), name) for name in features]
        example = pd.DataFrame(np.zeros((1, len(features)), dtype=kind), columns=features)
        given = Schema(columns)
    else:
        given = Schema([tensor_spec(each) for each in inputs])
        example = {each.name: zeros(each) for each in inputs}
        example = example[inputs[0].name] if len(inputs) == 1 else example
        if len(inputs) == 1:
            given = Schema([TensorSpec(given.inputs[0].type, given.inputs[0].shape)])
    return model, ModelSignature(given, output_schema(outputs)), example


def described_features(folder, metadata):
    """Feature and class names from an MLmodel that stands beside the model."""
    try:
        described = mlflow.models.Model.load(str(folder))
    except Exception:
        return None
    classes = (described.metadata or {}).get("class_names")
    if classes:
        metadata.setdefault("class_names", classes)
    schema = described.signature.inputs if described.signature else None
    if schema is None or schema.is_tensor_spec():
        return None
    return schema.input_names()


def load(source, folder, say):
    """The fitted model, and an example of its input if it came with one."""
    if source.startswith("models:/"):
        try:
            local = Path(mlflow.artifacts.download_artifacts(source))
            described = mlflow.models.Model.load(str(local))
            flavor = described.flavors.get("sklearn")
            if flavor is None:
                raise Refused(f"{source} has the flavors {', '.join(described.flavors)}, not sklearn")
            made_with(flavor.get("sklearn_version"), say)
            example = described.load_input_example(str(local))
            return mlflow.sklearn.load_model(str(local)), example
        except mlflow.exceptions.MlflowException as error:
            raise Refused(f"{source} cannot be read: {error.message}") from error
    files = [each for each in folder.rglob("*") if each.is_file()]
    if (folder / "MLmodel").exists():
        described = mlflow.models.Model.load(str(folder))
        made_with(described.flavors.get("sklearn", {}).get("sklearn_version"), say)
        return mlflow.sklearn.load_model(str(folder)), described.load_input_example(str(folder))
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


def sample_rows(request, folder, model, example):
    given = sorted((folder / "sample").glob("*")) if (folder / "sample").exists() else []
    if given:
        table = rows.match(rows.read(given[0]), model)
    elif example is not None:
        table = rows.match(example, model)
    else:
        table = rows.invent(model)
    if len(table) == 0:
        raise Refused("there are no sample rows")
    return rows.widen(table, request.get("rows") or rows.ROWS)


def signature_of(model, table, converted):
    if isinstance(table, pd.DataFrame):
        kept = {each.name for each in model.graph.input}
        dtype = mlflow_type(np.dtype(converted.dtype))
        columns = [
            ColSpec(
                DataType.string if is_text(table[name]) else dtype,
                str(name),
                required=not table[name].isna().any(),
            )
            for name in table.columns
            if kept == {TABLE} or str(name) in kept
        ]
        given = Schema(columns)
    else:
        given = Schema([TensorSpec(np.dtype(converted.dtype), (-1, table.shape[1]))])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return ModelSignature(given, output_schema(session.get_outputs()))


def output_schema(outputs):
    if any(each.type not in ORT_TYPES for each in outputs):
        return None
    return Schema([tensor_spec(each) for each in outputs])


def tensor_spec(each):
    if each.type not in ORT_TYPES:
        allowed = ", ".join(ORT_TYPES)
        raise Refused(f"input {each.name} is a {each.type}; allowed are {allowed}")
    shape = tuple(size if isinstance(size, int) else -1 for size in each.shape)
    return TensorSpec(np.dtype(ORT_TYPES[each.type]), shape, name=each.name)


def zeros(each):
    shape = [size if isinstance(size, int) else 1 for size in each.shape]
    kind = ORT_TYPES[each.type]
    return np.full(shape, "") if kind is np.str_ else np.zeros(shape, dtype=kind)


def mlflow_type(kind):
    return {
        "float32": DataType.float,
        "float64": DataType.double,
        "int64": DataType.long,
        "int32": DataType.integer,
        "bool": DataType.boolean,
    }.get(kind.name, DataType.string)
