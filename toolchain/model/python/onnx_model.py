"""An ONNX model that somebody made, as it is."""

import mlflow
import numpy as np
import onnx
import onnxruntime
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from refused import Refused
from signature import ORT_TYPES, mlflow_type, output_schema, tensor_spec


def read(path, options, metadata):
    """An ONNX model with the signature and example that came with it, or those it implies."""
    try:
        model = onnx.load(str(path), load_external_data=True)
        onnx.checker.check_model(model)
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Refused(f"{path.name} is not an ONNX model that runs: {error}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    features = options.get("features") or described_features(path.parent, metadata)
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


def zeros(each):
    shape = [size if isinstance(size, int) else 1 for size in each.shape]
    kind = ORT_TYPES[each.type]
    return np.full(shape, "") if kind is np.str_ else np.zeros(shape, dtype=kind)
