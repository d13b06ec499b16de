"""The peer: FastAPI and onnxruntime as one would write it well. Loaded once, plain JSON, one thread."""

import pathlib

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel

options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
MODEL = pathlib.Path(__file__).parents[2] / "service/models/iris/model.onnx"
session = ort.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])
CLASSES = ["setosa", "versicolor", "virginica"]
app = FastAPI()


class Row(BaseModel):
    sepal_length: float
    sepal_width: float
    petal_length: float
    petal_width: float


@app.post("/predict")
async def predict(row: Row):
    data = np.array([[row.sepal_length, row.sepal_width, row.petal_length, row.petal_width]], dtype=np.float32)
    label, probabilities = session.run(None, {"input": data})
    index = int(label[0])
    return {
        "label": index,
        "class": CLASSES[index],
        "probabilities": dict(zip(CLASSES, probabilities[0].tolist())),
    }
