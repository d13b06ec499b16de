"""Fits one model of every kind, converts it, and prints how far both are apart on 1,000 new rows.

With an argument, also writes two of them as pickles into that folder, with rows as CSV, and two
that predict what no conversion of them can on one row in 50 and one in 1,000.
"""

import copy
import json
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import cloudpickle
import joblib
import numpy as np
import pandas as pd
from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from convert import convert

ROWS = 1000
NUMBERS, WORDS, RANKS = ["age", "income", "debt ratio"], ["sex", "region"], ["education"]


def people(count, seed):
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": random.integers(18, 90, count),
            "income": random.normal(4e4, 1.5e4, count).round(2),
            "debt ratio": random.random(count),
            "sex": random.choice(["male", "female"], count),
            "region": random.choice(["north", "south", "east", "west"], count),
            "education": random.choice(["low", "mid", "high"], count),
        }
    )
    region = table["region"].map({"north": 0.3, "south": -0.5, "east": 1, "west": 0})
    score = table["age"] / 50 + table["income"] / 4e4 - 2 * table["debt ratio"] + region
    return table, (score + random.normal(0, 0.5, count)).to_numpy()


def with_gaps(table):
    gaps = table.astype({name: object for name in WORDS})
    gaps.loc[::7, "income"] = np.nan
    gaps.loc[::11, "region"] = np.nan
    return gaps


def prepared(words=None):
    return ColumnTransformer(
        [
            ("n", Pipeline([("i", SimpleImputer(strategy="median")), ("s", StandardScaler())]), NUMBERS),
            ("w", words or OneHotEncoder(handle_unknown="ignore"), WORDS),
            ("r", OrdinalEncoder(categories=[["low", "mid", "high"]]), RANKS),
        ]
    )


def models():
    """(name, fitted model, new rows)"""
    table, score = people(2000, 0)
    new, _ = people(ROWS, 1)
    answer = np.where(score > np.median(score), "yes", "no")
    third = pd.qcut(score, 3, labels=False)
    forest = ensemble.RandomForestClassifier
    classifiers = {
        "logistic regression": linear_model.LogisticRegression(max_iter=1000),
        "stochastic gradient": linear_model.SGDClassifier(loss="log_loss", random_state=0),
        "ridge classifier": linear_model.RidgeClassifier(),
        "random forest": forest(100, random_state=0),
        "extra trees": ensemble.ExtraTreesClassifier(50, random_state=0),
        "decision tree": tree.DecisionTreeClassifier(max_depth=6),
        "gradient boosting": ensemble.GradientBoostingClassifier(random_state=0),
        "support vectors": svm.SVC(probability=True, random_state=0),
        "linear support vectors": svm.SVC(kernel="linear"),
        "neighbours": neighbors.KNeighborsClassifier(),
        "perceptron": neural_network.MLPClassifier((32,), max_iter=200, random_state=0),
    }
    for name, model in classifiers.items():
        yield name, Pipeline([("p", prepared()), ("m", model)]).fit(table, answer), new
        if name in ("logistic regression", "random forest", "gradient boosting"):
            three = Pipeline([("p", prepared()), ("m", model)]).fit(table, third)
            yield f"{name}, 3 classes", three, new
    dense = OneHotEncoder(sparse_output=False)
    yield (
        "naive Bayes",
        Pipeline([("p", prepared(dense)), ("m", naive_bayes.GaussianNB())]).fit(table, answer),
        new,
    )
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    plain = ColumnTransformer([("n", "passthrough", NUMBERS), ("w", codes, WORDS + RANKS)])
    for labels, kind in ((answer, ""), (third, ", 3 classes")):
        model = ensemble.HistGradientBoostingClassifier(max_iter=50, random_state=0)
        fitted = Pipeline([("p", plain), ("m", model)]).fit(table, labels)
        yield f"histogram gradient boosting{kind}", fitted, new
    words = Pipeline(
        [
            ("i", SimpleImputer(strategy="constant", fill_value="none")),
            ("o", OneHotEncoder(handle_unknown="ignore")),
        ]
    )
    gaps = Pipeline([("p", prepared(words)), ("m", forest(50, random_state=0))])
    yield "random forest with gaps", gaps.fit(with_gaps(table), answer), with_gaps(new)
    scaled = ColumnTransformer([("n", MinMaxScaler(), NUMBERS), ("w", OneHotEncoder(drop="first"), WORDS)])
    for name, model in {
        "linear regression": linear_model.LinearRegression(),
        "ridge": linear_model.Ridge(),
        "lasso": linear_model.Lasso(alpha=0.01),
        "random forest regressor": ensemble.RandomForestRegressor(50, random_state=0),
        "gradient boosting regressor": ensemble.GradientBoostingRegressor(random_state=0),
        "histogram boosting regressor": ensemble.HistGradientBoostingRegressor(max_iter=50),
        "support vector regressor": svm.SVR(),
        "neighbours regressor": neighbors.KNeighborsRegressor(),
        "tree regressor": tree.DecisionTreeRegressor(max_depth=6),
    }.items():
        yield name, Pipeline([("p", scaled), ("m", model)]).fit(table, score), new
    flowers, kinds = load_iris(return_X_y=True, as_frame=True)
    more = flowers.sample(ROWS, replace=True, random_state=0).reset_index(drop=True)
    more += np.random.default_rng(0).normal(0, 0.2, more.shape)
    yield "iris forest, one table", forest(100, random_state=0).fit(flowers, kinds), more
    bare = make_pipeline(StandardScaler(), linear_model.LogisticRegression())
    yield "iris without names", bare.fit(flowers.to_numpy(), kinds), more.to_numpy()


def contrary(model, every):
    """`model`, with the other label for one row in `every`."""
    changed = copy.deepcopy(model)

    def predict(rows):
        labels = model.predict(rows)
        labels[::every] = np.where(labels[::every] == "yes", "no", "yes")
        return labels

    changed.predict = predict
    return changed


def main(folder=None):
    results = []
    for name, model, rows in models():
        converted = convert(model, rows)
        found = converted.agreement
        results.append(
            {
                "kind": name,
                "computed": np.dtype(converted.dtype).name,
                "rows": found.rows,
                "agreed": found.agreed,
                "difference": found.difference,
            }
        )
        if folder and name in ("logistic regression", "random forest"):
            joblib.dump(model, Path(folder) / f"{name.split()[-1]}.pkl", compress=3)
            rows.to_csv(Path(folder) / "rows.csv", index=False)
        if folder and name == "logistic regression":
            for every in (50, 1000):
                path = Path(folder) / f"contrary-{every}.pkl"
                path.write_bytes(cloudpickle.dumps(contrary(model, every)))
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
