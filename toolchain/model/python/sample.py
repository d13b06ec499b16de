"""Rows to check a conversion with: read, made more, or made up from what the model has learned."""

import numpy as np
import pandas as pd
from sklearn import impute, preprocessing
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from convert import is_text
from refused import Refused

ROWS = 1000


def read(path):
    """Rows from a CSV, JSON or Parquet file; its columns are the model's."""
    readers = {".csv": pd.read_csv, ".json": pd.read_json, ".parquet": pd.read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Refused(f"sample rows are read from .csv, .json and .parquet files, not {path.name}")
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
    return sample[list(names)]


def widen(sample, rows=ROWS):
    """At least `rows` rows: those given, then mixtures of them with a little noise on numbers."""
    missing = rows - len(sample)
    if missing <= 0:
        return sample
    random = np.random.default_rng(0)
    if not isinstance(sample, pd.DataFrame):
        extra = widen(pd.DataFrame(sample), rows)
        return extra.to_numpy(dtype=sample.dtype)
    extra = {}
    for name in sample.columns:
        column = sample[name]
        drawn = column.iloc[random.integers(0, len(column), missing)].reset_index(drop=True)
        if not is_text(column) and not pd.api.types.is_bool_dtype(column.dtype):
            spread = column.std() if len(column) > 1 else max(1.0, abs(float(column.iloc[0]))) / 4
            noisy = drawn + random.normal(0, 0.3, missing) * (0 if pd.isna(spread) else spread)
            whole = pd.api.types.is_integer_dtype(column.dtype)
            drawn = noisy.round().astype(column.dtype) if whole else noisy.astype(column.dtype)
        extra[name] = drawn
    return pd.concat([sample, pd.DataFrame(extra)], ignore_index=True)


def invent(model, rows=ROWS):
    """Rows like those `model` was fitted with, from the categories and ranges it remembers."""
    names = getattr(model, "feature_names_in_", None)
    width = getattr(model, "n_features_in_", None)
    if width is None:
        raise Refused("this model does not say what it was fitted with: give --sample rows.csv")
    columns = list(range(width)) if names is None else list(names)
    learned = {}
    remember(model, columns, learned)
    random = np.random.default_rng(0)
    unknown = [name for name in columns if name not in learned]
    if unknown:
        raise Refused(
            "nothing in the model says what values these columns have: "
            f"{', '.join(map(str, unknown))}. Give --sample rows.csv"
        )
    made = pd.DataFrame({name: learned[name](random, rows) for name in columns})
    return made.to_numpy(dtype=np.float64) if names is None else made


def remember(step, columns, learned):
    """Adds to `learned`, for each column, a function (random, rows) -> values."""

    def note(k, draw):
        if k < len(columns):
            learned.setdefault(columns[k], draw)

    if isinstance(step, Pipeline):
        for _, each in step.steps:
            remember(each, columns, learned)
            # Behind a step that makes other columns, nothing is known about these any more.
            if getattr(each, "n_features_in_", 0) != len(columns) or isinstance(
                each, (ColumnTransformer, preprocessing.OneHotEncoder)
            ):
                return
    elif isinstance(step, ColumnTransformer):
        for _, each, chosen in step.transformers_:
            picked = pick(columns, chosen)
            if isinstance(each, str):
                for name in picked if each == "drop" else []:
                    learned.setdefault(name, lambda random, rows: random.normal(size=rows))
            else:
                remember(each, picked, learned)
    elif hasattr(step, "categories_"):
        for k, values in enumerate(step.categories_):
            known = [each for each in values if not pd.isna(each)]
            note(k, lambda random, rows, known=known: random.choice(np.asarray(known), rows))
    elif isinstance(step, preprocessing.StandardScaler) and step.mean_ is not None:
        for k, (mean, scale) in enumerate(zip(step.mean_, step.scale_, strict=True)):
            note(k, lambda random, rows, m=mean, s=scale: random.normal(m, s, rows))
    elif isinstance(step, preprocessing.MinMaxScaler):
        for k, (low, high) in enumerate(zip(step.data_min_, step.data_max_, strict=True)):
            note(k, lambda random, rows, a=low, b=high: random.uniform(a, b, rows))
    elif isinstance(step, preprocessing.RobustScaler) and step.center_ is not None:
        for k, (mean, scale) in enumerate(zip(step.center_, step.scale_, strict=True)):
            note(k, lambda random, rows, m=mean, s=scale: random.normal(m, s, rows))
    elif not isinstance(step, impute.SimpleImputer):
        for k, limits in enumerate(thresholds(step, len(columns))):
            if limits:
                low, high = min(limits), max(limits)
                margin = (high - low) / 4 or 1.0
                note(
                    k,
                    lambda random, rows, a=low - margin, b=high + margin: random.uniform(a, b, rows),
                )


def pick(columns, chosen):
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice):
        return columns[chosen]
    chosen = list(chosen)
    if all(isinstance(each, (bool, np.bool_)) for each in chosen):
        return [name for name, each in zip(columns, chosen, strict=True) if each]
    return [each if isinstance(each, str) else columns[each] for each in chosen]


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
