"""Write the benchmark's models into the folder given: a random forest and a 3-layer network on 30 features."""

import pathlib
import sys
import warnings

from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier

warnings.filterwarnings("ignore")
folder = pathlib.Path(sys.argv[1])
data = load_breast_cancer()
models = {
    "forest": RandomForestClassifier(n_estimators=100, random_state=0),
    "mlp": MLPClassifier((256, 256, 256), max_iter=20, random_state=0),
}
for name, model in models.items():
    fitted = model.fit(data.data, data.target)
    onnx = to_onnx(fitted, initial_types=[("input", FloatTensorType([None, 30]))], options={"zipmap": False}, target_opset=21)
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "model.onnx").write_bytes(onnx.SerializeToString())
