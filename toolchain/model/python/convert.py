"""A fitted scikit-learn model as an ONNX model with the same columns, in doubles where possible."""

import dataclasses
import os
import signal

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.base import is_classifier

import double_operators
import names
from columns import Layout, columns_of, is_text
from refused import Refused
from steps import as_tensors_have_it, categories_in, wants_columns

# Both known to the ONNX Runtime that serves; nothing here needs a newer one.
OPSETS = {"": 19, "ai.onnx.ml": 3}
LABELS_AGREE = 0.999
TOLERANCE = 1e-5
# How many rows that disagree are told one by one.
LISTED = 10


@dataclasses.dataclass
class Agreement:
    """How far converted predictions are from the original's on the same rows."""

    rows: int
    agreed: int
    # Largest difference on rows that agree: of probabilities, or relative, of a regression.
    difference: float | None
    # The first LISTED of the rows that disagree.
    disagreements: list

    @property
    def share(self):
        return self.agreed / self.rows

    def report(self):
        return dataclasses.asdict(self)


@dataclasses.dataclass
class Converted:
    model: onnx.ModelProto
    # float64 or float32: what inputs of numbers are.
    dtype: type
    layout: Layout
    agreement: Agreement


class Runner:
    """Runs an ONNX model on rows as the original gets them."""

    def __init__(self, model, layout, dtype):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.names = [each.name for each in self.session.get_inputs()]
        self.layout, self.dtype = layout, dtype

    def __call__(self, sample):
        """Its outputs, in their order."""
        return self.session.run(None, self.layout.feeds(sample, self.names, self.dtype))


def crash_of(call):
    """The signal that ends a process which makes this call; None where it comes back, or raises.

    Some graphs end ONNX Runtime with whoever runs it, and would end what serves.
    """
    child = os.fork()
    if child == 0:
        try:
            call()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else None


def layout_of(model, sample):
    """Whether the ONNX model gets one input a column, rather than one table of numbers."""
    named = isinstance(sample, pd.DataFrame)
    columns = columns_of(sample, categories_in(model, list(sample.columns)) if named else {})
    by_columns = named and (wants_columns(model) or any(is_text(each) for each in columns))
    return Layout(columns, is_table=not by_columns)


def convert_once(model, layout, dtype):
    number = DoubleTensorType if dtype is np.float64 else FloatTensorType
    inputs = layout.inputs(StringTensorType, number)
    settings = {"initial_types": inputs, "target_opset": OPSETS}
    with as_tensors_have_it(model):
        try:
            options = {id(model): {"zipmap": False}} if is_classifier(model) else None
            converted = to_onnx(model, options=options, **settings)
        except NameError as error:
            # Some classifiers never give a list of maps, and do not know of it.
            if "zipmap" not in str(error):
                raise
            converted = to_onnx(model, **settings)
    names.give(converted.graph, [name for name, _ in inputs], is_classifier(model))
    declare_domains_once(converted)
    declare_outputs(converted)
    onnx.checker.check_model(converted)
    return converted


def declare_domains_once(model):
    domains = {each.domain: each.version for each in model.opset_import}
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*each) for each in domains.items())


def declare_outputs(model):
    """The converter guesses what type its outputs have before it knows what its steps give."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.output[:]
    inferred = {each.name: each.type for each in onnx.shape_inference.infer_shapes(bare).graph.value_info}
    for each in model.graph.output:
        element = inferred[each.name].tensor_type.elem_type if each.name in inferred else 0
        if element:
            each.type.tensor_type.elem_type = element


def by_value(labels):
    """Labels as they are compared: booleans and numbers by value, whatever a tensor makes of them."""
    plain = [plain_value(each) for each in np.ravel(labels)]
    return [float(each) if isinstance(each, (bool, int, float)) else str(each) for each in plain]


def plain_value(value):
    """A label or prediction as JSON has it; texts are such already."""
    return value.tolist() if hasattr(value, "tolist") else value


def compare(model, sample, outputs):
    """The original's predictions on `sample` against the converted model's."""
    expected = np.asarray(model.predict(sample))
    given = np.asarray(outputs[0]).reshape(expected.shape)
    rows = len(expected)
    if is_classifier(model):
        same = [a == b for a, b in zip(by_value(expected), by_value(given), strict=True)]
        agree = np.asarray(same, dtype=bool).reshape(rows, -1).all(axis=1)
        difference = None
        if hasattr(model, "predict_proba") and len(outputs) > 1:
            wanted = np.asarray(model.predict_proba(sample))
            if wanted.shape == np.shape(outputs[1]) and agree.any():
                difference = float(np.abs(wanted - outputs[1])[agree].max())
    else:
        scale = np.maximum(1.0, np.abs(expected))
        relative = np.abs(given.astype(np.float64) - expected) / scale
        relative = relative.reshape(rows, -1).max(axis=1)
        agree = relative <= TOLERANCE
        difference = float(relative[agree].max()) if agree.any() else None
    disagreements = [
        {"row": int(k), "original": plain_value(expected[k]), "converted": plain_value(given[k])}
        for k in np.flatnonzero(~agree)[:LISTED]
    ]
    return Agreement(rows, int(agree.sum()), difference, disagreements)


def convert(model, sample, say=lambda line: None):
    """The best conversion of `model` that agrees with it on the rows of `sample`.

    Doubles are tried first. Raises Refused, saying what went wrong each time, when the labels of
    none agree on LABELS_AGREE of the rows.
    """
    double_operators.register()
    layout = layout_of(model, sample)
    tried, best = [], None
    for dtype in (np.float64, np.float32):
        name = np.dtype(dtype).name
        try:
            candidate = convert_once(model, layout, dtype)
            say(f"comparing {len(sample)} rows, computed in {name}")
            if crash := crash_of(lambda: Runner(candidate, layout, dtype)(sample)):  # noqa: B023
                raise NotImplementedError(f"ONNX Runtime ends with {crash} when it runs the result")
            agreement = compare(model, sample, Runner(candidate, layout, dtype)(sample))
        except Exception as error:  # noqa: BLE001 -- whatever the converter raises, the next is tried
            tried.append(f"in {name}: {type(error).__name__}: {' '.join(str(error).split())[:400]}")
            continue
        if best is None or agreement.share > best.agreement.share:
            best = Converted(candidate, dtype, layout, agreement)
        if agreement.share >= LABELS_AGREE and (agreement.difference or 0) <= TOLERANCE:
            break
        tried.append(f"in {name}: {agreement.agreed} of {agreement.rows} rows agree")
    if best is None:
        raise Refused("the model cannot be converted to ONNX:\n  " + "\n  ".join(tried))
    if best.agreement.share < LABELS_AGREE:
        raise Refused(disagreement(best.agreement))
    return best


def disagreement(found):
    listed = [
        f"  row {each['row']}: {each['original']} became {each['converted']}"
        for each in found.disagreements
    ]
    more = found.rows - found.agreed - len(listed)
    return "\n".join(
        [
            f"the converted model agrees on {found.agreed} of {found.rows} rows; "
            f"at least {LABELS_AGREE:.1%} are needed:",
            *listed,
            *([f"  and {more} more"] if more else []),
        ]
    )
