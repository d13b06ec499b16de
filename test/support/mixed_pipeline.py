"""Fits a pipeline on mixed pandas columns: mixed_pipeline.py FOLDER

In the folder: pipeline.pkl; rows.csv, as somebody has their table; truth.json: 100 other rows as JSON, with
the labels and probabilities that the pipeline gives them.
"""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def tenants(count, seed):
    random = np.random.default_rng(seed)
    income = random.normal(3e3, 900, count).round(2)
    table = pd.DataFrame(
        {
            # A number with gaps, an integer, a boolean and a category.
            "income": np.where(random.random(count) < 0.1, np.nan, income),
            "rooms": random.integers(1, 7, count),
            "owner": random.random(count) < 0.4,
            "region": pd.Categorical(random.choice(["north", "south", "east", "west"], count)),
        }
    )
    score = income / 900 + table["owner"] * 2 - table["rooms"] + (table["region"] == "east")
    return table, np.where(score + random.normal(0, 0.3, count) > 1, "grant", "deny")


def main():
    folder = Path(sys.argv[1])
    table, answers = tenants(1500, 0)
    prepared = ColumnTransformer(
        [
            ("number", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["income"]),
            ("kept", "passthrough", ["rooms", "owner"]),
            ("word", OneHotEncoder(handle_unknown="ignore"), ["region"]),
        ]
    )
    forest = RandomForestClassifier(40, max_depth=8, random_state=0)
    model = Pipeline([("prepared", prepared), ("forest", forest)]).fit(table, answers)
    (folder / "pipeline.pkl").write_bytes(pickle.dumps(model))
    table[:300].to_csv(folder / "rows.csv", index=False)
    rows, _ = tenants(100, 1)
    truth = {
        "rows": json.loads(rows.to_json(orient="records")),
        "labels": model.predict(rows).tolist(),
        "probabilities": model.predict_proba(rows).tolist(),
        "classes": model.classes_.tolist(),
    }
    (folder / "truth.json").write_text(json.dumps(truth))


main()
