"""Train the embedded iris classifier and write it with its description to iris/.

Needs only PyPI: pip install scikit-learn==1.9.1 skl2onnx==1.20.0 onnx==1.23.2
Run: python service/models/train_iris.py
The data is the iris set that scikit-learn carries (R. A. Fisher, 1936), so nothing is downloaded.
"""

import hashlib
import json
import pathlib
import sys

import onnx
import sklearn
import skl2onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skl2onnx.common.data_types import FloatTensorType

FOLDER = pathlib.Path(__file__).parent / "iris"
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]

MLMODEL = """\
flavors:
  onnx:
    data: model.onnx
    onnx_version: {onnx_version}
  python_function:
    data: model.onnx
    loader_module: mlflow.onnx
metadata:
  class_names: {class_names}
signature:
  inputs: '{inputs}'
  outputs: '{outputs}'
  params: null
"""

PROVENANCE = """\
# Where this model comes from

`service/models/train_iris.py` made it: a standardised logistic regression on scikit-learn's bundled
iris data (150 flowers, R. A. Fisher, 1936), 80% of it for training, split and solver seeded.

| | |
|---|---|
| accuracy on the 30 held-out flowers | {accuracy:.3f} |
| scikit-learn | {sklearn} |
| skl2onnx | {skl2onnx} |
| onnx | {onnx} |
| sha256 of `model.onnx` | `{sha256}` |

`MLmodel` is written in MLflow's format: four named double columns in, label and probabilities out.
"""


def main() -> None:
    data = load_iris()
    x_train, x_test, y_train, y_test = train_test_split(
        data.data, data.target, test_size=0.2, random_state=0, stratify=data.target
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(random_state=0)).fit(x_train, y_train)
    accuracy = model.score(x_test, y_test)
    class_names = [str(name) for name in data.target_names]

    proto = skl2onnx.to_onnx(
        model,
        initial_types=[("input", FloatTensorType([None, len(FEATURES)]))],
        options={"zipmap": False},
        target_opset=21,
    )
    onnx.helper.set_model_props(proto, {"class_names": json.dumps(class_names)})
    onnx.checker.check_model(proto)
    FOLDER.mkdir(exist_ok=True)
    content = proto.SerializeToString(deterministic=True)
    (FOLDER / "model.onnx").write_bytes(content)

    inputs = [{"type": "double", "name": name, "required": True} for name in FEATURES]
    outputs = [
        {"name": "label", "type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}},
        {"name": "probabilities", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}},
    ]
    (FOLDER / "MLmodel").write_text(
        MLMODEL.format(
            onnx_version=onnx.__version__,
            class_names=json.dumps(class_names),
            inputs=json.dumps(inputs),
            outputs=json.dumps(outputs),
        )
    )
    example = {"dataframe_split": {"columns": FEATURES, "data": [data.data[0].tolist()]}}
    (FOLDER / "serving_input_example.json").write_text(json.dumps(example) + "\n")
    # Flowers of every kind: documentation and load tests send rows like these.
    rows = [dict(zip(FEATURES, row.tolist())) for row in data.data[::3]]
    (FOLDER / "sample_rows.json").write_text(json.dumps(rows) + "\n")
    (FOLDER / "PROVENANCE.md").write_text(
        PROVENANCE.format(
            accuracy=accuracy,
            sklearn=sklearn.__version__,
            skl2onnx=skl2onnx.__version__,
            onnx=onnx.__version__,
            sha256=hashlib.sha256(content).hexdigest(),
        )
    )
    print(f"wrote {FOLDER}: {len(content)} bytes, accuracy {accuracy:.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
