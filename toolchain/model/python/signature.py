"""What a model takes and gives, as MLflow describes it."""

import numpy as np
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

# The inputs that are served, by ONNX Runtime's names for their types.
ORT_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.str_,
}


def column_schema(columns, dtype):
    """The columns as callers send them; numbers go into a tensor of `dtype`."""
    return Schema(
        [ColSpec(data_type(each.kind, np.dtype(dtype)), each.name, required=not each.nullable) for each in columns]
    )


def data_type(kind, dtype):
    narrow = dtype in (np.float32, np.int32)
    return {
        "boolean": DataType.boolean,
        "integer": DataType.integer if dtype == np.int32 else DataType.long,
        "number": DataType.float if narrow else DataType.double,
        "datetime": DataType.datetime,
        "string": DataType.string,
    }[kind]


def output_schema(outputs):
    """None where MLflow has no type for one of them."""
    if any(each.type not in ORT_TYPES for each in outputs):
        return None
    return Schema([tensor_spec(each) for each in outputs])


def tensor_spec(each):
    shape = tuple(size if isinstance(size, int) else -1 for size in each.shape)
    return TensorSpec(np.dtype(ORT_TYPES[each.type]), shape, name=each.name)
