"""The folder that is served, made of a folder with somebody's model; needs no registry."""

import numpy as np
import onnxruntime
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from sklearn.base import is_classifier

import gaps
import onnx_model
import sample
import source
from columns import as_table
from convert import convert, plain_value
from refused import Refused
from served import Served, rows_of
from signature import column_schema, output_schema


def convert_folder(given, out, options=None, say=lambda line: None):
    """Makes of the model in the folder `given` one that is served, checks it and writes it to `out`.

    `given` holds an MLflow model with the sklearn or the onnx flavor (MLmodel and what belongs to
    it), one pickled scikit-learn model, or one ONNX model. `out` is a folder that is not there yet
    or empty; afterwards it is an MLflow model with the onnx flavor: MLmodel, model.onnx,
    sample_rows.json (not for an ONNX model that came without rows), what MLflow has beside them, and
    external data where the ONNX model has any.

    `options`, all optional: `sample`, the path of a file with rows; `rows`, how many rows to check
    at least; `features`, names of the columns of an ONNX model with one table as input;
    `classNames`, names of the classes in the order of their labels; `nullable`, names of columns
    that have to take null. `say` is told what is going on, a line at a time.

    Returns {"agreement": {"rows", "agreed", "difference", "disagreements"}, or None for a model that
    was ONNX already, "columns": {name: {"kind", "nullable"}}, "class_labels": [...] or None,
    "sample_rows": how many, "made_with": a version of scikit-learn or None}. Raises Refused with one
    sentence (a disagreement: with the first rows that disagree) when there is nothing to serve.

    Runs what a pickle says: call it where that does no harm.
    """
    options = options or {}
    path = source.onnx_file(given) if source.is_onnx(given) else None
    if path is not None:
        say("reading the ONNX model")
        served, agreement, version = onnx_model.read(path, options), None, None
    else:
        say("reading the original")
        original = source.load(given)
        version = original.made_with
        try:
            served, agreement = from_original(original, options, say)
        except Refused as error:
            raise Refused(f"{error}{source.other_version(version)}") from error
    say("writing the model and its description")
    served.write(out)
    return {"agreement": agreement and agreement.report(), "made_with": version} | served.facts()


def from_original(original, options, say):
    """(what is served, how far it agrees) of a scikit-learn model."""
    model = original.model
    if source.is_other(original.made_with):
        say(f"note:{source.other_version(original.made_with)}")
    given = sample_of(original, options, say)
    table = sample.widen(given, model, options.get("rows") or sample.ROWS)
    if len(table) > len(given):
        table, _, _ = sample.accepted(model, table)
    say(f"converting {type(model).__name__}")
    converted = convert(model, table, say)
    agreement = converted.agreement
    close = "" if agreement.difference is None else f", within {agreement.difference:.1e}"
    kind = np.dtype(converted.dtype).name
    say(f"{agreement.agreed} of {agreement.rows} rows agree{close}, computed in {kind}")
    gaps.find(model, converted, given, options.get("nullable") or [], say)
    labels = class_labels(model)
    names = options.get("classNames")
    if names and labels is not None and len(names) != len(labels):
        raise Refused(f"{len(names)} class names do not fit the {len(labels)} classes {labels}")
    columns, named = converted.layout.columns, isinstance(given, pd.DataFrame)
    inputs = {each.name for each in converted.model.graph.input}
    if not converted.layout.is_table:
        columns = [each for each in columns if each.name in inputs]
    if named:
        takes = column_schema(columns, converted.dtype)
    else:
        takes = Schema([TensorSpec(np.dtype(converted.dtype), (-1, len(columns)))])
    session = onnxruntime.InferenceSession(converted.model.SerializeToString())
    served = Served(
        converted.model,
        columns,
        ModelSignature(takes, output_schema(session.get_outputs())),
        given.head(1) if named else given[:1],
        rows_of(given, columns),
        class_labels=labels,
        class_names=names,
        feature_names=None if named else list(as_table(given).columns),
    )
    return served, agreement


def sample_of(original, options, say):
    """Rows that the original predicts: those given, those that came with it, or made-up ones."""
    model = original.model
    if options.get("sample"):
        table, whose = sample.match(sample.read(options["sample"]), model), "sample rows"
    elif original.example is not None:
        table, whose = sample.match(original.example, model), "rows that came with the model"
    else:
        table, whose = sample.invent(model, options.get("rows") or sample.ROWS), "made-up rows"
    if len(table) == 0:
        raise Refused(f"there are no {whose}")
    kept, refused, why = sample.accepted(model, table)
    if len(kept) == 0:
        raise Refused(f"the original predicts none of the {len(refused)} {whose}: {why}")
    if refused:
        count = len(kept) + len(refused)
        say(f"note: the original refuses {len(refused)} of {count} {whose}, row {refused[0]} first: {why}")
    return kept


def class_labels(model):
    """The classes in the order of the probabilities, as JSON has them; None without one such list."""
    classes = getattr(model, "classes_", None) if is_classifier(model) else None
    if classes is None or np.ndim(classes) != 1:
        return None
    return [plain_value(each) for each in classes]
