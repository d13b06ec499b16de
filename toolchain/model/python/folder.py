"""The folder that is served, made of a folder with somebody's model; needs no registry."""

import mlflow
import numpy as np
import onnx
import onnxruntime

import onnx_model
import source
from convert import convert
from signature import signature_of


def convert_folder(given, out, options=None, say=lambda line: None):
    """Makes of the model in the folder `given` one that is served, checks it and writes it to `out`.

    `given` holds an MLflow model with the sklearn or the onnx flavor (MLmodel and what belongs to
    it), one pickled scikit-learn model, or one ONNX model. `out` is a folder that is not there yet
    or empty; afterwards it is an MLflow model with the onnx flavor: MLmodel, model.onnx,
    sample_rows.json, what MLflow has beside them, and external data where the ONNX model has any.

    `options`, all optional: `sample`, the path of a file with rows; `rows`, how many rows to check
    at least; `features`, names of the columns of an ONNX model with one table as input;
    `classNames`, names of the classes in the order of their labels; `nullable`, names of columns
    that may be null. `say` is told what is going on, a line at a time.

    Returns {"agreement": {"rows", "agreed", "difference", "disagreements"}, or None for a model
    that was ONNX already}. Raises Refused with one sentence (a disagreement: with the rows that
    disagree) when there is nothing to serve; `out` then holds nothing complete.

    Runs what a pickle says: call it where that does no harm.
    """
    options = options or {}
    metadata = {}
    if options.get("classNames"):
        metadata["class_names"] = options["classNames"]
    path = source.onnx_file(given)
    if path is not None:
        say("reading the ONNX model")
        model, signature, example = onnx_model.read(path, options, metadata)
        agreement = table = None
    else:
        say("reading the original")
        original, example = source.load(given, say)
        table = source.sample_rows(options, original, example)
        say(f"converting {type(original).__name__}, checked on {len(table)} rows")
        converted = convert(original, table)
        model, agreement = converted.model, converted.agreement
        signature = signature_of(model, table, converted)
        example = table[:1] if isinstance(table, np.ndarray) else table.head(1)
        close = "" if agreement.difference is None else f", within {agreement.difference:.1e}"
        kind = np.dtype(converted.dtype).name
        say(f"{agreement.agreed} of {agreement.rows} rows agree{close}, computed in {kind}")
    mlflow.onnx.save_model(
        model,
        str(out),
        signature=signature,
        input_example=example,
        metadata=metadata or None,
        onnx_execution_providers=["CPUExecutionProvider"],
        pip_requirements=[f"onnx=={onnx.__version__}", f"onnxruntime=={onnxruntime.__version__}"],
    )
    return {"agreement": agreement and agreement.report()}
