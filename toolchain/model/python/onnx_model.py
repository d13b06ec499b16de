"""An ONNX model that somebody made, as it is."""

import json

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

import sample
from columns import Column, kind_of, values_for
from refused import Refused
from served import ROWS_FILE, Served, rows_of
from signature import ORT_TYPES, column_schema, output_schema, tensor_spec
from source import described

# Every tensor that the service answers with, by ONNX Runtime's names.
ANSWERED = {
    f"tensor({name})"
    for name in "float uint8 int8 uint16 int16 int32 int64 string bool float16 double uint32 uint64".split()
}
KINDS = {np.float32: "number", np.float64: "number", np.bool_: "boolean", np.str_: "string"}
# What columns a signature may declare for a tensor, as the service has it.
FITS = {
    "number": {"number", "integer", "boolean", "datetime"},
    "integer": {"integer", "boolean", "datetime"},
    "boolean": {"boolean"},
    "string": {"string", "datetime"},
}
MLFLOW_KINDS = {
    "boolean": "boolean",
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "string": "string",
    "datetime": "datetime",
}


def read(path, options):
    """An ONNX model with what came with it: its signature, names and rows, or those it implies.

    Raises Refused when the service would not serve it, with the reason.
    """
    try:
        model = onnx.load(str(path), load_external_data=True)
        onnx.checker.check_model(model)
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Refused(f"{path.name} is not an ONNX model that runs: {error}") from error
    inputs = session.get_inputs()
    reason = unserved(model, inputs, session.get_outputs())
    if reason:
        raise Refused(f"{path.name} cannot be served: {reason}")
    said = described(path.parent)
    block = ((said and said.metadata) or {}).get("inference_stack") or {}
    names = column_names(inputs, options, said)
    schema = said.signature.inputs if said and said.signature else None
    declared = {} if schema is None or schema.is_tensor_spec() else schema.input_dict()
    given = rows_given(path, options, said, names)
    columns = [
        column(name, ORT_TYPES[inputs[min(k, len(inputs) - 1)].type], declared, block, given)
        for k, name in enumerate(names)
    ]
    mark_nullable(columns, inputs, options)
    if given is not None:
        given = run(session, inputs, columns, given)
    rows = [] if options.get("sample") else kept_rows(path)
    if not rows and given is not None:
        rows = rows_of(given, columns)
    singles = all(is_single(each) for each in inputs)
    # A table whose columns nobody named is described as the tensor it is.
    named = singles or (is_table(inputs) and bool(options.get("features") or declared))
    return Served(
        model,
        columns,
        ModelSignature(
            column_schema(columns, ORT_TYPES[inputs[0].type]) if named else tensors(inputs),
            output_schema(session.get_outputs()),
        ),
        example_of(inputs, columns, given, named),
        rows,
        class_labels=block.get("class_labels"),
        class_names=options.get("classNames") or ((said and said.metadata) or {}).get("class_names"),
        feature_names=((said and said.metadata) or {}).get("feature_names"),
    )


def unserved(model, inputs, outputs):
    """Why the service would not serve it, by the rules of its contract; None when it would."""
    if not inputs:
        return "it has no inputs, so there is nothing to send it"
    for each in inputs:
        if each.type not in ORT_TYPES:
            return f"the input {each.name} is a {each.type}; served are {', '.join(ORT_TYPES)}"
        if len(each.shape) == 0:
            return f"the input {each.name} is a scalar; every input needs a first dimension that counts rows"
    sizes = {each.shape[0] for each in inputs if isinstance(each.shape[0], int)}
    if len(sizes) > 1:
        shapes = ", ".join(f"{each.name} {each.shape}" for each in inputs)
        return f"the inputs take different numbers of rows: {shapes}"
    # The service takes the table of probabilities that such a node makes a list of maps of.
    maps = {name for node in model.graph.node if node.op_type == "ZipMap" for name in node.output}
    for each in outputs:
        if each.type not in ANSWERED and each.name not in maps:
            return f"the output {each.name} is a {each.type}; answered are tensors of numbers, booleans and texts"
    return None


def is_single(each):
    """Whether an input has one value a row."""
    return len(each.shape) == 1 or (len(each.shape) == 2 and each.shape[1] == 1)


def is_table(inputs):
    """Whether there is one input, with a column for every feature."""
    return len(inputs) == 1 and len(inputs[0].shape) == 2 and isinstance(inputs[0].shape[1], int)


def column_names(inputs, options, said):
    """What callers call the columns: as they are told, described, or named in the model."""
    schema = said.signature.inputs if said and said.signature else None
    declared = None if schema is None or schema.is_tensor_spec() else schema.input_names()
    features = options.get("features") or declared or ((said and said.metadata) or {}).get("feature_names")
    if not is_table(inputs):
        names = [each.name for each in inputs]
        if features and sorted(features) != sorted(names):
            raise Refused(f"the columns {', '.join(features)} are not the inputs {', '.join(names)}")
        return names
    width = inputs[0].shape[1]
    if features:
        if len(features) != width:
            raise Refused(f"{len(features)} feature names do not fit the {width} columns of {inputs[0].name}")
        return list(features)
    return [inputs[0].name] if width == 1 else [f"feature_{k}" for k in range(width)]


def column(name, dtype, declared, block, given):
    """A column as it is declared, or has values, or else as its tensor is."""
    kind = KINDS.get(dtype, "integer")
    known = block.get("columns", {}).get(name)
    if known and known.get("kind") in FITS[kind]:
        return Column(name, known["kind"], bool(known.get("nullable")))
    spec = declared.get(name)
    if spec is not None:
        said = MLFLOW_KINDS.get(getattr(spec.type, "name", ""))
        if said not in FITS[kind]:
            raise Refused(f"the signature has {name} as {spec.type}, which does not fit a tensor of {dtype.__name__}")
        return Column(name, said, not spec.required and takes_gaps(dtype))
    gaps = given is not None and bool(given[name].isna().any()) and takes_gaps(dtype)
    if given is not None and kind_of(given[name]) == "boolean":
        kind = "boolean"
    return Column(name, kind, gaps)


def takes_gaps(dtype):
    """Whether a tensor has something for null: NaN, or the empty text."""
    return dtype in (np.float32, np.float64, np.str_)


def mark_nullable(columns, inputs, options):
    for name in options.get("nullable") or []:
        k = next((k for k, each in enumerate(columns) if each.name == name), None)
        if k is None:
            known = ", ".join(each.name for each in columns)
            raise Refused(f"there is no column {name} to be nullable; there are {known}")
        dtype = ORT_TYPES[inputs[min(k, len(inputs) - 1)].type]
        if not takes_gaps(dtype):
            raise Refused(f"the column {name} cannot be null: a tensor of {dtype.__name__} has nothing for it")
        columns[k].nullable = True


def rows_given(path, options, said, names):
    """Rows handed in, or that came with the model, as a table of its columns; None where there are none."""
    if options.get("sample"):
        table = sample.read(options["sample"])
        missing = [name for name in names if name not in table.columns]
        if missing:
            raise Refused(f"the sample rows have no column {', '.join(map(repr, missing))}")
        if len(table) == 0:
            raise Refused("there are no sample rows")
    else:
        example = said.load_input_example(str(path.parent)) if said else None
        if isinstance(example, np.ndarray) and example.ndim == 2 and example.shape[1] == len(names):
            example = pd.DataFrame(example, columns=names)
        table = example
        if not isinstance(table, pd.DataFrame) or not set(names) <= set(table.columns):
            return None
    return sample.plain(table[names])


def run(session, inputs, columns, table):
    """`table`, once the model has answered it. Raises Refused when it does not."""
    try:
        held = [
            values_for(each, table[each.name], ORT_TYPES[inputs[min(k, len(inputs) - 1)].type])
            for k, each in enumerate(columns)
        ]
        if is_table(inputs):
            session.run(None, {inputs[0].name: np.column_stack(held)})
        else:
            feeds = {
                each.name: values.reshape([-1, 1][: len(each.shape)])
                for each, values in zip(inputs, held, strict=True)
            }
            session.run(None, feeds)
    except Exception as error:
        raise Refused(f"the model does not run on the sample rows: {error}") from error
    return table


def tensors(inputs):
    specs = [tensor_spec(each) for each in inputs]
    return Schema([TensorSpec(specs[0].type, specs[0].shape)] if len(specs) == 1 else specs)


def example_of(inputs, columns, given, named):
    """One row for MLflow: of those given, or of zeros."""
    if given is not None and named:
        return given.head(1)
    if named:
        return pd.DataFrame({each.name: zero(each.kind) for each in columns}, index=[0])
    example = {each.name: zeros(each) for each in inputs}
    return example[inputs[0].name] if len(inputs) == 1 else example


def zero(kind):
    return {"boolean": False, "integer": 0, "string": "", "datetime": pd.Timestamp(0)}.get(kind, 0.0)


def zeros(each):
    shape = [size if isinstance(size, int) else 1 for size in each.shape]
    kind = ORT_TYPES[each.type]
    return np.full(shape, "") if kind is np.str_ else np.zeros(shape, dtype=kind)


def kept_rows(path):
    """The rows that another publication kept beside the model."""
    file = path.parent / ROWS_FILE
    try:
        rows = json.loads(file.read_text()) if file.exists() else []
    except ValueError:
        return []
    return rows if isinstance(rows, list) and all(isinstance(each, dict) for each in rows) else []
