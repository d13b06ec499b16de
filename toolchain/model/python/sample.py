"""Rows to check a conversion with: read, made more, or made up from what the model has learned."""

import json

import numpy as np
import pandas as pd
from sklearn import impute, preprocessing

from columns import kind_of
from refused import Refused
from steps import categories_in, meets

ROWS = 1000
# What helps where a model remembers too little, whoever converts it.
GIVE_ROWS = "log it with an input_example, or publish it with --sample rows.csv"
# Integers of so few values are drawn among them; others between the least and the greatest.
FEW = 20
# Of so many rows it is found out which the original refuses.
SEARCHED = 2000


def read_lines(path):
    return pd.DataFrame([json.loads(line) for line in path.read_text().splitlines() if line.strip()])


READERS = {
    ".csv": pd.read_csv,
    ".json": pd.read_json,
    ".ndjson": read_lines,
    ".parquet": pd.read_parquet,
}


def read(path):
    """Rows from a file; its columns are the model's."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        allowed = ", ".join(READERS)
        raise Refused(f"sample rows are read from {allowed} files, not {path.name}")
    try:
        return reader(path)
    except Exception as error:
        raise Refused(f"the sample rows in {path.name} cannot be read: {error}") from error


def match(sample, model):
    """The columns of `sample` that `model` was fitted with, in that order."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return sample.to_numpy() if isinstance(sample, pd.DataFrame) else np.asarray(sample)
    if not isinstance(sample, pd.DataFrame):
        return pd.DataFrame(np.asarray(sample), columns=list(names))
    missing = [name for name in names if name not in sample.columns]
    if missing:
        raise Refused(f"the sample rows have no column {', '.join(map(repr, missing))}")
    return plain(sample[list(names)])


def plain(table):
    """`table` with numpy's types where pandas has its own that hold gaps."""
    kept = {}
    for name in table.columns:
        column = table[name]
        masked = isinstance(column.dtype, pd.api.extensions.ExtensionDtype) and hasattr(
            column.dtype, "numpy_dtype"
        )
        if masked and pd.api.types.is_bool_dtype(column.dtype):
            column = column.astype(object).where(column.notna(), np.nan)
        elif masked:
            column = column.astype(np.float64 if column.isna().any() else column.dtype.numpy_dtype)
        kept[name] = column
    return pd.DataFrame(kept)


def accepted(model, table):
    """(the rows of `table` that the model predicts by itself, which it refuses, why the first of these).

    Where it refuses some, only the first SEARCHED are looked at, by halves.
    """

    def ask(rows):
        try:
            model.predict(table[rows] if isinstance(table, np.ndarray) else table.iloc[rows])
            return [], None
        except Exception as error:  # noqa: BLE001 -- a model may refuse in any way
            if len(rows) == 1:
                return [int(rows[0])], f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
        first, why = ask(rows[: len(rows) // 2])
        second, also = ask(rows[len(rows) // 2 :])
        return first + second, why or also

    def without(refused):
        kept = np.setdiff1d(np.arange(len(table)), refused)
        return table[kept] if isinstance(table, np.ndarray) else table.iloc[kept]

    try:
        model.predict(table)
        return table, [], None
    except Exception:  # noqa: BLE001 -- which rows it means is found out below
        table = table[:SEARCHED]
    # One that refuses everything is not asked about each row.
    few = np.unique(np.linspace(0, len(table) - 1, 10).astype(int))
    refused, why = ask(few)
    if len(refused) == len(few):
        return without(np.arange(len(table))), list(range(len(table))), why
    refused, why = ask(np.arange(len(table)))
    return without(refused), refused, why


def widen(sample, model, rows=ROWS):
    """At least `rows` rows: those given, then mixtures of them with a little noise on numbers that are
    not categories."""
    missing = rows - len(sample)
    if missing <= 0:
        return sample
    if not isinstance(sample, pd.DataFrame):
        extra = widen(pd.DataFrame(sample), model, rows)
        return extra.to_numpy(dtype=sample.dtype)
    random = np.random.default_rng(0)
    encoded = categories_in(model, list(sample.columns))
    extra = {name: more(sample[name], missing, random, name in encoded) for name in sample.columns}
    return pd.concat([sample, pd.DataFrame(extra)], ignore_index=True)


def more(column, count, random, encoded):
    """`count` more values of a column: never a category that nobody has seen."""
    drawn = column.iloc[random.integers(0, len(column), count)].reset_index(drop=True)
    kind = kind_of(column)
    if encoded or kind not in ("integer", "number") or column.dtype == object:
        return drawn
    low, high = column.min(), column.max()
    if kind == "integer" and column.nunique() <= FEW:
        return drawn
    # One value has no spread; its neighbourhood is all there is to try.
    spread = column.std() if low < high else max(1.0, abs(float(low))) / 4
    noisy = drawn + random.normal(0, 0.3, count) * (0 if pd.isna(spread) else spread)
    if low < high:
        noisy = noisy.clip(low, high)
    return noisy.round().astype(column.dtype) if kind == "integer" else noisy.astype(column.dtype)


def invent(model, rows=ROWS):
    """Rows like those `model` was fitted with, from the categories and ranges it remembers."""
    names = getattr(model, "feature_names_in_", None)
    width = getattr(model, "n_features_in_", None)
    if width is None:
        raise Refused(f"this model does not say what it was fitted with: {GIVE_ROWS}")
    columns = list(range(width)) if names is None else list(names)
    learned = {}
    for step, taken in meets(model, columns):
        for name, draw in zip(taken, draws(step, len(taken)), strict=False):
            if draw:
                learned.setdefault(name, draw)
    random = np.random.default_rng(0)
    unknown = [name for name in columns if name not in learned]
    if unknown:
        raise Refused(
            "nothing in the model says what values these columns have: "
            f"{', '.join(map(str, unknown))}: {GIVE_ROWS}"
        )
    made = pd.DataFrame({name: learned[name](random, rows) for name in columns})
    return made.to_numpy(dtype=np.float64) if names is None else made


def draws(step, width):
    """For each column of `step` a function (random, rows) -> values; None where it knows nothing."""
    if isinstance(step, str):
        return [normal(0, 1) if step == "drop" else None] * width
    if isinstance(getattr(step, "categories_", None), (list, tuple)):
        return [choice([each for each in values if not pd.isna(each)]) for values in step.categories_]
    if isinstance(step, preprocessing.StandardScaler) and step.mean_ is not None:
        return [normal(*each) for each in zip(step.mean_, step.scale_, strict=True)]
    if isinstance(step, preprocessing.MinMaxScaler):
        return [uniform(*each) for each in zip(step.data_min_, step.data_max_, strict=True)]
    if isinstance(step, preprocessing.RobustScaler) and step.center_ is not None:
        return [normal(*each) for each in zip(step.center_, step.scale_, strict=True)]
    if isinstance(step, impute.SimpleImputer):
        return [None] * width
    return [around(limits) if limits else None for limits in thresholds(step, width)]


def normal(mean, scale):
    return lambda random, rows: random.normal(mean, scale, rows)


def uniform(low, high):
    return lambda random, rows: random.uniform(low, high, rows)


def choice(known):
    return lambda random, rows: random.choice(np.asarray(known), rows)


def around(limits):
    low, high = min(limits), max(limits)
    margin = (high - low) / 4 or 1.0
    return uniform(low - margin, high + margin)


def thresholds(step, width):
    """For each feature, the values the trees of `step` divide it at."""
    limits = [[] for _ in range(width)]
    for member in np.ravel(getattr(step, "estimators_", [step])):
        fitted = getattr(member, "tree_", None)
        if fitted is None:
            continue
        inner = fitted.children_left != fitted.children_right
        for feature, threshold in zip(fitted.feature[inner], fitted.threshold[inner], strict=True):
            limits[feature].append(float(threshold))
    for stage in getattr(step, "_predictors", []):
        for predictor in stage:
            for node in predictor.nodes:
                if not node["is_leaf"] and np.isfinite(node["num_threshold"]):
                    limits[node["feature_idx"]].append(float(node["num_threshold"]))
    # A feature that no tree divides decides nothing; any value will do.
    if any(limits):
        return [each or [0.0, 1.0] for each in limits]
    return limits
