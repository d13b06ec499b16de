"""A fitted scikit-learn model as an ONNX model with the same columns, in doubles where possible."""

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer

import double_operators
from refused import Refused

# Both known to the ONNX Runtime that serves; nothing here needs a newer one.
OPSETS = {"": 19, "ai.onnx.ml": 3}
LABELS_AGREE = 0.999
TOLERANCE = 1e-5
# The name of the one input of a model that takes all features as one table.
TABLE = "input"


@dataclasses.dataclass
class Agreement:
    """How far converted predictions are from the original's on the same rows."""

    rows: int
    agreed: int
    # Largest difference on rows that agree: of probabilities, or relative, of a regression.
    difference: float | None
    disagreements: list

    @property
    def share(self):
        return self.agreed / self.rows

    def report(self):
        return dataclasses.asdict(self)


@dataclasses.dataclass
class Converted:
    model: onnx.ModelProto
    # float64 or float32: what the inputs are.
    dtype: type
    agreement: Agreement
    # Predictions of the converted model on the first rows, for the signature: name -> array.
    outputs: dict


def wants_columns(model):
    """Whether some step picks its columns by name."""
    found, queue = False, [model]
    while queue:
        each = queue.pop()
        if isinstance(each, ColumnTransformer):
            found = True
        if hasattr(each, "steps"):
            queue += [step for _, step in each.steps]
        for name in ("estimator", "best_estimator_", "regressor_", "base_estimator"):
            if hasattr(each, name):
                queue.append(getattr(each, name))
    return found


def is_text(column):
    return not (
        pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype)
    )


def by_columns(model, sample):
    """Whether the ONNX model gets one input a column, rather than one table of numbers."""
    if not isinstance(sample, pd.DataFrame):
        return False
    return wants_columns(model) or any(is_text(sample[name]) for name in sample.columns)


def feeds(sample, names, dtype):
    """`sample` as inputs of ONNX Runtime: {name: [N, 1]}, or {TABLE: [N, F]}.

    A tensor has no null: a missing number is NaN, a missing text is empty.
    """
    if names == [TABLE]:
        return {TABLE: np.asarray(sample, dtype=dtype)}
    result = {}
    for name in names:
        column = sample[name]
        if is_text(column):
            values = column.astype(object).where(column.notna(), "").astype(str).astype(object)
        else:
            values = column.astype(dtype)
        result[name] = values.to_numpy().reshape(-1, 1)
    return result


def run(model, sample, dtype):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_inputs()]
    values = session.run(None, feeds(sample, names, dtype))
    return dict(zip([each.name for each in session.get_outputs()], values, strict=True))


def convert_once(model, sample, dtype):
    tensor = DoubleTensorType if dtype is np.float64 else FloatTensorType
    columns = by_columns(model, sample)
    if columns:
        names = [str(name) for name in sample.columns]
        types = [
            (name, (StringTensorType if is_text(sample[name]) else tensor)([None, 1]))
            for name in names
        ]
    else:
        names, types = [TABLE], [(TABLE, tensor([None, sample.shape[1]]))]
    options = {id(model): {"zipmap": False}} if is_classifier(model) else None
    converted = to_onnx(model, initial_types=types, options=options, target_opset=OPSETS)
    rename_inputs(converted.graph, names)
    if not is_classifier(model) and len(converted.graph.output) == 1:
        rename(converted.graph, converted.graph.output[0].name, "prediction")
    declare_domains_once(converted)
    onnx.checker.check_model(converted)
    return converted


def rename_inputs(graph, names):
    """The converter writes `debt_ratio` for a column `debt ratio`; callers know the column."""
    given = [each.name for each in graph.input]
    if len(given) != len(names):
        raise NotImplementedError(f"{len(names)} columns became {len(given)} inputs")
    used = {name for node in graph.node for name in node.input}
    # Through names nobody has, so that two columns never meet halfway.
    for k, old in enumerate(given):
        rename(graph, old, f"\0{k}")
    for k, new in enumerate(names):
        rename(graph, f"\0{k}", new)
    # A column that no step reads would only be one more thing to send.
    for old, new in zip(given, names, strict=True):
        if old not in used:
            graph.input.remove(next(each for each in graph.input if each.name == new))


def rename(graph, old, new):
    for each in [*graph.input, *graph.output]:
        if each.name == old:
            each.name = new
    for node in graph.node:
        for names in (node.input, node.output):
            for k, name in enumerate(names):
                if name == old:
                    names[k] = new


def declare_domains_once(model):
    domains = {each.domain: each.version for each in model.opset_import}
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*each) for each in domains.items())


def compare(model, sample, outputs):
    """The original's predictions on `sample` against the converted model's."""
    expected = np.asarray(model.predict(sample))
    values = list(outputs.values())
    given = np.asarray(values[0]).reshape(expected.shape)
    if is_classifier(model):
        agree = given.astype(str) == expected.astype(str)
        difference = None
        if hasattr(model, "predict_proba") and len(values) > 1:
            wanted = np.asarray(model.predict_proba(sample))
            if wanted.shape == values[1].shape and agree.any():
                difference = float(np.abs(wanted - values[1])[agree].max())
    else:
        scale = np.maximum(1.0, np.abs(expected))
        relative = np.abs(given.astype(np.float64) - expected) / scale
        relative = relative.reshape(len(expected), -1).max(axis=1)
        agree = relative <= TOLERANCE
        difference = float(relative[agree].max()) if agree.any() else None
    disagreements = [
        {"row": int(k), "original": plain(expected[k]), "converted": plain(given[k])}
        for k in np.flatnonzero(~agree)
    ]
    return Agreement(len(expected), int(agree.sum()), difference, disagreements)


def plain(value):
    """A label or prediction as JSON has it; texts are such already."""
    return value.tolist() if hasattr(value, "tolist") else value


def convert(model, sample):
    """The best conversion of `model` that agrees with it on the rows of `sample`.

    Doubles are tried first. Raises Refused, saying what went wrong each time, when the labels of
    none agree on LABELS_AGREE of the rows.
    """
    double_operators.register()
    tried, best = [], None
    for dtype in (np.float64, np.float32):
        name = np.dtype(dtype).name
        try:
            candidate = convert_once(model, sample, dtype)
            outputs = run(candidate, sample, dtype)
            agreement = compare(model, sample, outputs)
        except Exception as error:  # noqa: BLE001 -- whatever the converter raises, the next is tried
            tried.append(f"in {name}: {type(error).__name__}: {' '.join(str(error).split())[:400]}")
            continue
        if best is None or agreement.share > best.agreement.share:
            best = Converted(candidate, dtype, agreement, outputs)
        if agreement.share >= LABELS_AGREE and (agreement.difference or 0) <= TOLERANCE:
            break
        tried.append(f"in {name}: {agreement.agreed} of {agreement.rows} rows agree")
    if best is None:
        raise Refused("the model cannot be converted to ONNX:\n  " + "\n  ".join(tried))
    if best.agreement.share < LABELS_AGREE:
        listed = "\n".join(
            f"  row {each['row']}: {each['original']} became {each['converted']}"
            for each in best.agreement.disagreements
        )
        raise Refused(
            f"the converted model agrees on {best.agreement.agreed} of {best.agreement.rows} rows; "
            f"at least {LABELS_AGREE:.1%} are needed:\n{listed}"
        )
    return best
