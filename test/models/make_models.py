"""Write one small model for each kind that the service serves, as <name>/model.onnx beside this file.

Needs only PyPI (pinned in requirements.txt). Run: python test/models/make_models.py
The files are committed, so that the unit tests need no Python; the same versions write the same bytes.
"""

import json
import os
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

HERE = pathlib.Path(__file__).parent
IRIS = load_iris()
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
FLOATS = [("input", FloatTensorType([None, 4]))]
MAX_BYTES = 50_000


def write(name: str, model: onnx.ModelProto, mlmodel: dict | None = None) -> None:
    onnx.checker.check_model(model)
    content = model.SerializeToString(deterministic=True)
    assert len(content) < MAX_BYTES, f"{name} has {len(content)} bytes"
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    if mlmodel is not None:
        lines = ["flavors:", "  onnx:", "    data: model.onnx"]
        if "metadata" in mlmodel:
            lines.append(f"metadata: {json.dumps(mlmodel['metadata'])}")
        lines.append("signature:")
        lines += [f"  {side}: '{json.dumps(mlmodel[side])}'" for side in ("inputs", "outputs") if side in mlmodel]
        (folder / "MLmodel").write_text("\n".join(lines) + "\n")
    print(f"{name}: {len(content)} bytes")


def columns(kind: str, names: list[str], required: bool = True) -> list[dict]:
    return [{"type": kind, "name": name, "required": required} for name in names]


def sklearn_models() -> None:
    names = IRIS.target_names[IRIS.target].astype(str)
    forest = RandomForestClassifier(n_estimators=5, max_depth=3, random_state=0).fit(IRIS.data, IRIS.target)
    write("forest_maps", to_onnx(forest, initial_types=FLOATS, target_opset=21), {"inputs": columns("double", FEATURES)})
    text = LogisticRegression(random_state=0).fit(IRIS.data, names)
    write("text_labels_maps", to_onnx(text, initial_types=FLOATS, target_opset=21))
    write("text_labels", to_onnx(text, initial_types=FLOATS, options={"zipmap": False}, target_opset=21))
    mlp = MLPClassifier((8,), max_iter=300, random_state=0).fit(IRIS.data, IRIS.target)
    write("mlp", to_onnx(mlp, initial_types=FLOATS, options={"zipmap": False}, target_opset=21))
    one = LinearRegression().fit(IRIS.data[:, :3], IRIS.data[:, 3])
    write("regression", to_onnx(one, initial_types=[("X", FloatTensorType([None, 3]))], target_opset=21))
    two = LinearRegression().fit(IRIS.data[:, :2], IRIS.data[:, 2:])
    write("two_targets", to_onnx(two, initial_types=[("X", FloatTensorType([None, 2]))], target_opset=21))

    table = np.array([["red", 1, 0.5], ["blue", 2, 1.5], ["green", 3, 0.1], ["red", 4, 2.0]] * 5, dtype=object)
    encode = ColumnTransformer([("color", OneHotEncoder(handle_unknown="ignore"), [0])], remainder="passthrough")
    mixed = make_pipeline(encode, LogisticRegression(random_state=0)).fit(table, np.array(["no", "yes", "no", "yes"] * 5))
    write(
        "named_inputs",
        to_onnx(
            mixed,
            initial_types=[
                ("color", StringTensorType([None, 1])),
                ("count", Int64TensorType([None, 1])),
                ("weight", FloatTensorType([None, 1])),
            ],
            options={"zipmap": False},
            target_opset=21,
        ),
        {"inputs": columns("string", ["color"]) + columns("long", ["count"]) + columns("double", ["weight"])},
    )


def tensor(name: str, kind: int, shape: list) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def graph(name: str, nodes: list, inputs: list, outputs: list, initializers: list = (), mlmodel: dict | None = None) -> None:
    domains = {node.domain for node in nodes} - {""}
    model = helper.make_model(
        helper.make_graph(nodes, name, inputs, outputs, initializers),
        opset_imports=[helper.make_opsetid("", 21), *(helper.make_opsetid(each, 3) for each in domains)],
        ir_version=10,
    )
    write(name, model, mlmodel)


def handmade_models() -> None:
    kinds = {
        "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int32": TensorProto.INT32,
        "int64": TensorProto.INT64, "bool": TensorProto.BOOL, "string": TensorProto.STRING,
    }
    graph(
        "every_input",
        [helper.make_node("Identity", [f"in_{kind}"], [f"out_{kind}"]) for kind in kinds],
        [tensor(f"in_{kind}", number, ["N"]) for kind, number in kinds.items()],
        [tensor(f"out_{kind}", number, ["N"]) for kind, number in kinds.items()],
    )
    casts = {
        "float16": TensorProto.FLOAT16, "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE,
        "int8": TensorProto.INT8, "int16": TensorProto.INT16, "int32": TensorProto.INT32, "int64": TensorProto.INT64,
        "uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16, "uint32": TensorProto.UINT32,
        "uint64": TensorProto.UINT64, "bool": TensorProto.BOOL, "string": TensorProto.STRING,
    }
    graph(
        "every_output",
        [helper.make_node("Cast", ["x"], [f"as_{kind}"], to=number) for kind, number in casts.items()],
        [tensor("x", TensorProto.INT64, ["N"])],
        [tensor(f"as_{kind}", number, ["N"]) for kind, number in casts.items()],
    )
    double = [helper.make_node("Add", ["x", "x"], ["y"])]
    graph("fixed_one", double, [tensor("x", TensorProto.FLOAT, [1, 3])], [tensor("y", TensorProto.FLOAT, [1, 3])])
    graph("fixed_three", double, [tensor("x", TensorProto.FLOAT, [3, 2])], [tensor("y", TensorProto.FLOAT, [3, 2])])
    graph("nested", double, [tensor("x", TensorProto.FLOAT, ["N", 2, 3])], [tensor("y", TensorProto.FLOAT, ["N", 2, 3])])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    graph(
        "free_length",
        [helper.make_node("ReduceSum", ["tokens", "axes"], ["total"], keepdims=0)],
        [tensor("tokens", TensorProto.INT64, ["N", "T"])],
        [tensor("total", TensorProto.INT64, ["N"])],
        [axes],
    )
    graph(
        "whole_run",
        [helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0)],
        [tensor("x", TensorProto.FLOAT, ["N", 2])],
        [tensor("mean", TensorProto.FLOAT, [])],
    )
    # As many rows as it says and no others, with one answer for all of them beside one for each.
    graph(
        "fixed_mean",
        [helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0), helper.make_node("Add", ["x", "x"], ["y"])],
        [tensor("x", TensorProto.FLOAT, [3, 2])],
        [tensor("mean", TensorProto.FLOAT, []), tensor("y", TensorProto.FLOAT, [3, 2])],
    )
    # Work that grows with the rows: one to two milliseconds of a core each, many times what HTTP costs.
    wide = helper.make_tensor("wide", TensorProto.INT64, [3], [1, 1, 32768])
    last = helper.make_tensor("last", TensorProto.INT64, [1], [2])
    waves = [helper.make_node("Sin", [f"w{i}"], [f"w{i + 1}"]) for i in range(8)]
    graph(
        "slow",
        [
            helper.make_node("Unsqueeze", ["x", "last"], ["column"]),
            helper.make_node("Expand", ["column", "wide"], ["w0"]),
            *waves,
            helper.make_node("ReduceMean", ["w8", "last"], ["y"], keepdims=0),
        ],
        [tensor("x", TensorProto.FLOAT, ["N", 4])],
        [tensor("y", TensorProto.FLOAT, ["N", 4])],
        [wide, last],
    )
    # Any index outside the table makes the whole run fail.
    table = helper.make_tensor("table", TensorProto.FLOAT, [4], [10.0, 11.0, 12.0, 13.0])
    graph(
        "lookup",
        [helper.make_node("Gather", ["table", "index"], ["value"])],
        [tensor("index", TensorProto.INT64, ["N"])],
        [tensor("value", TensorProto.FLOAT, ["N"])],
        [table],
    )
    graph(
        "optional",
        [helper.make_node("IsNaN", ["x"], ["missing"]), helper.make_node("Identity", ["x"], ["y"])],
        [tensor("x", TensorProto.FLOAT, ["N", 2])],
        [tensor("missing", TensorProto.BOOL, ["N", 2]), tensor("y", TensorProto.FLOAT, ["N", 2])],
        mlmodel={"inputs": columns("double", ["a"]) + columns("double", ["b"], required=False)},
    )
    labelled_models()


def labelled_models() -> None:
    """Classifiers whose labels stand in the graph as converters leave them, without a classifier's node."""
    three = tensor("x", TensorProto.FLOAT, ["N", 3])
    free = tensor("probabilities", TensorProto.FLOAT, ["N", "C"])
    texts = helper.make_tensor("texts", TensorProto.STRING, [3], ["no", "yes", "ähm"])
    chosen = [
        helper.make_node("Softmax", ["x"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["place"], axis=1, keepdims=0),
    ]
    graph(
        "gathered_labels",
        [*chosen, helper.make_node("Gather", ["texts", "place"], ["label"])],
        [three],
        [tensor("label", TensorProto.STRING, ["N"]), free],
        [texts],
    )
    floats = helper.make_tensor("floats", TensorProto.FLOAT, [1, 3], [5.0, 7.0, 9.0])
    flat = helper.make_tensor("flat", TensorProto.INT64, [1], [-1])
    graph(
        "cast_labels",
        [
            *chosen,
            helper.make_node("ArrayFeatureExtractor", ["floats", "place"], ["picked"], domain="ai.onnx.ml"),
            helper.make_node("Reshape", ["picked", "flat"], ["row"]),
            helper.make_node("Cast", ["row"], ["label"], to=TensorProto.INT64),
        ],
        [three],
        [tensor("label", TensorProto.INT64, ["N"]), free],
        [floats, flat],
    )
    # As the converter of QuadraticDiscriminantAnalysis: labels in one row, however many there are.
    graph(
        "labels_in_a_row",
        [*chosen, helper.make_node("ArrayFeatureExtractor", ["texts", "place"], ["label"], domain="ai.onnx.ml")],
        [three],
        [tensor("label", TensorProto.STRING, [1, "N"]), tensor("probabilities", TensorProto.FLOAT, ["N", 3])],
        [texts],
    )
    graph(
        "placed_labels",
        [*chosen, helper.make_node("Identity", ["place"], ["label"])],
        [three],
        [tensor("label", TensorProto.INT64, ["N"]), free],
    )
    # One column: the probability of the second class.
    half = helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])
    graph(
        "one_probability",
        [
            helper.make_node("Sigmoid", ["x"], ["probability"]),
            helper.make_node("Greater", ["probability", "half"], ["above"]),
            helper.make_node("Cast", ["above"], ["label"], to=TensorProto.INT64),
        ],
        [tensor("x", TensorProto.FLOAT, ["N", 1])],
        [tensor("label", TensorProto.INT64, ["N", 1]), tensor("probability", TensorProto.FLOAT, ["N", 1])],
        [half],
    )
    # Clusters have distances, which are no probabilities.
    graph(
        "clusters",
        [helper.make_node("ArgMin", ["x"], ["label"], axis=1, keepdims=0), helper.make_node("Identity", ["x"], ["scores"])],
        [three],
        [tensor("label", TensorProto.INT64, ["N"]), tensor("scores", TensorProto.FLOAT, ["N", 3])],
    )
    graph(
        "lone_text",
        [helper.make_node("Identity", ["text"], ["same"])],
        [tensor("text", TensorProto.STRING, ["N", 1])],
        [tensor("same", TensorProto.STRING, ["N", 1])],
    )


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Names in a converted graph follow the order of sets.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    sklearn_models()
    handmade_models()
