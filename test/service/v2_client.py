"""Talk to the service with NVIDIA's public client of the Open Inference Protocol: v2_client.py HOST:PORT MODEL."""

import sys

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

address, model = sys.argv[1:]
client = InferenceServerClient(address)
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(model)
assert client.is_model_ready(model, "1") and not client.is_model_ready("another")
assert client.get_server_metadata()["name"] == "inference-stack"
metadata = client.get_model_metadata(model)
assert [(i["name"], i["datatype"], i["shape"]) for i in metadata["inputs"]] == [("input", "FP32", [-1, 4])], metadata

rows = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], dtype=np.float32)
tensor = InferInput("input", list(rows.shape), "FP32")
tensor.set_data_from_numpy(rows, binary_data=False)
outputs = [InferRequestedOutput(name, binary_data=False) for name in ("probabilities", "label")]
result = client.infer(model, [tensor], outputs=outputs, request_id="42")
assert result.get_response()["id"] == "42"
assert result.as_numpy("label").tolist() == [0, 2]
assert np.allclose(result.as_numpy("probabilities").sum(axis=1), 1, atol=1e-5)
assert [o["name"] for o in result.get_response()["outputs"]] == ["probabilities", "label"]

try:
    wrong = InferInput("input", [1, 3], "FP32")
    wrong.set_data_from_numpy(rows[:1, :3], binary_data=False)
    client.infer(model, [wrong], outputs=outputs)
    raise SystemExit("a wrong shape was accepted")
except InferenceServerException as error:
    assert "shape" in error.message(), error

try:
    binary = InferInput("input", list(rows.shape), "FP32")
    binary.set_data_from_numpy(rows)
    client.infer(model, [binary])
    raise SystemExit("binary data was accepted")
except InferenceServerException as error:
    assert "only JSON data is served" in error.message(), error
print("ok")
