"""What a model takes and gives, as MLflow describes it."""

import numpy as np
import onnxruntime
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from convert import TABLE, is_text
from refused import Refused

ORT_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.str_,
}


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


def mlflow_type(kind):
    return {
        "float32": DataType.float,
        "float64": DataType.double,
        "int64": DataType.long,
        "int32": DataType.integer,
        "bool": DataType.boolean,
    }.get(kind.name, DataType.string)
