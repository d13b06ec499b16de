"""Fills somebody's registry with their own MLflow, and prints what each version predicts.

The last line of the output is JSON: by name of the model and version, 100 rows with their labels and probabilities.
Stages and aliases are left to whoever runs it.
"""

import json
import warnings

warnings.filterwarnings("ignore")

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
# MLflow 3 calls it a name.
WHERE = {"name" if int(mlflow.__version__.split(".")[0]) > 2 else "artifact_path": "model"}
# Else it finds them out by starting another Python for each model.
NEEDS = {"pip_requirements": ["scikit-learn", "cloudpickle"]}


class Nearest(ClassifierMixin, BaseEstimator):
    """Somebody's own estimator, which no converter knows."""

    def fit(self, rows, labels):
        self.classes_ = np.unique(labels)
        self.feature_names_in_ = np.asarray(FEATURES)
        self.n_features_in_ = len(FEATURES)
        self.means_ = np.asarray([rows[labels == each].mean() for each in self.classes_])
        return self

    def predict_proba(self, rows):
        far = np.linalg.norm(np.asarray(rows)[:, None] - self.means_, axis=2)
        return np.exp(-far) / np.exp(-far).sum(axis=1, keepdims=True)

    def predict(self, rows):
        return self.classes_[self.predict_proba(rows).argmax(axis=1)]


class Rules(mlflow.pyfunc.PythonModel):
    """A model of the python_function flavor alone."""

    def predict(self, context, model_input, params=None):
        return [0] * len(model_input)


def flowers():
    table, labels = load_iris(return_X_y=True)
    random = np.random.default_rng(0)
    near = table[random.choice(len(table), 100)] + random.normal(0, 0.05, (100, len(FEATURES)))
    columns = {"columns": FEATURES}
    return pd.DataFrame(table, **columns), labels, pd.DataFrame(near.round(2), **columns)


def main():
    table, labels, rows = flowers()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.05)).fit(table, labels)
    forest = RandomForestClassifier(50, random_state=0).fit(table, labels)
    shallow = RandomForestClassifier(20, max_depth=2, random_state=1).fit(table, labels)
    signature = {"signature": infer_signature(table, forest.predict(table))}
    example = {**signature, "input_example": table[:5]}
    versions = [
        ("iris_species", pipeline, example),
        ("iris_species", forest, signature),
        ("iris_species", shallow, {}),
        ("iris_species", Nearest().fit(table, labels), example),
        ("draft", forest, signature),
    ]
    truth = {}
    for name, model, more in versions:
        with mlflow.start_run():
            mlflow.sklearn.log_model(
                model,
                registered_model_name=name,
                serialization_format="cloudpickle",
                **(WHERE | NEEDS | more),
            )
        of_model = truth.setdefault(name, {})
        of_model[str(len(of_model) + 1)] = {
            "rows": rows.to_dict("records"),
            "labels": model.predict(rows).tolist(),
            "probabilities": model.predict_proba(rows).tolist(),
            "classes": model.classes_.tolist(),
        }
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            python_model=Rules(), registered_model_name="house_rules", **(WHERE | NEEDS)
        )
    print(json.dumps(truth))


main()
