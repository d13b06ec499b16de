"""A model as it is served, and the folder that MLflow keeps of it."""

import dataclasses
import json

import mlflow
import numpy as np
import onnx
import onnxruntime
from mlflow.models import ModelSignature

from columns import as_table, json_value

# How many rows are kept for the service's documentation and its loads, and how many values in all.
KEPT_ROWS, KEPT_VALUES = 200, 20_000
ROWS_FILE = "sample_rows.json"


@dataclasses.dataclass
class Served:
    model: onnx.ModelProto
    columns: list
    signature: ModelSignature
    # One row as MLflow's input example, or None.
    example: object
    # Rows as `/predict` takes them.
    rows: list
    class_labels: list | None = None
    class_names: list | None = None
    feature_names: list | None = None

    def metadata(self):
        described = {"columns": {each.name: each.described() for each in self.columns}}
        if self.class_labels is not None:
            described["class_labels"] = self.class_labels
        names = {"feature_names": self.feature_names, "class_names": self.class_names}
        return {key: value for key, value in names.items() if value} | {"inference_stack": described}

    def write(self, folder):
        mlflow.onnx.save_model(
            self.model,
            str(folder),
            signature=self.signature,
            input_example=self.example,
            metadata=self.metadata(),
            onnx_execution_providers=["CPUExecutionProvider"],
            pip_requirements=[f"onnx=={onnx.__version__}", f"onnxruntime=={onnxruntime.__version__}"],
        )
        if self.rows:
            (folder / ROWS_FILE).write_text(json.dumps(self.rows, allow_nan=False, ensure_ascii=False))

    def facts(self):
        """What is worth telling of it, as JSON."""
        return {
            "columns": {each.name: each.described() for each in self.columns},
            "class_labels": self.class_labels,
            "sample_rows": len(self.rows),
        }


def rows_of(sample, columns):
    """Some of the rows of `sample`, whose columns are `columns`, each {column: JSON value}: those without
    null where there may be none."""
    table = as_table(sample)
    count = max(1, min(KEPT_ROWS, KEPT_VALUES // max(1, len(columns))))
    chosen = [k for k, name in enumerate(table.columns) if str(name) in {each.name for each in columns}]
    table = table.iloc[:, chosen]
    fits = np.ones(len(table), dtype=bool)
    for k, column in enumerate(columns):
        if not column.nullable:
            fits &= table.iloc[:, k].notna().to_numpy()
    table = table[fits]
    if len(table) > count:
        table = table.sample(count, random_state=0).sort_index()
    held = [
        [json_value(column, value) for value in table.iloc[:, k]] for k, column in enumerate(columns)
    ]
    return [dict(zip([each.name for each in columns], row, strict=True)) for row in zip(*held, strict=True)]
