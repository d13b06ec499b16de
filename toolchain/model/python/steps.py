"""What a fitted pipeline does with the columns it is called with, as far as its steps say so."""

import contextlib

import numpy as np
import pandas as pd
from sklearn import impute, preprocessing
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

IMPUTERS = (impute.SimpleImputer, impute.KNNImputer)


def wants_columns(model):
    """Whether some step picks its columns by name."""
    return any(isinstance(each, ColumnTransformer) for each in estimators_in(model))


def estimators_in(model):
    """`model` and all estimators that it is made of, each once."""
    seen, queue = set(), [model]
    while queue:
        each = queue.pop()
        if isinstance(each, BaseEstimator):
            if id(each) in seen:
                continue
            seen.add(id(each))
            yield each
            queue += vars(each).values()
        elif isinstance(each, dict):
            queue += each.values()
        elif isinstance(each, (list, tuple)) or (
            isinstance(each, np.ndarray) and each.dtype == object
        ):
            queue += np.ravel(each).tolist() if isinstance(each, np.ndarray) else list(each)


def wrapped(step):
    """The one fitted estimator that `step` only passes its columns on to, if that is what it does."""
    calibrated = getattr(step, "calibrated_classifiers_", None)
    if calibrated:
        return calibrated[0].estimator
    # An ensemble keeps its pattern, which is not fitted, under the same name.
    names = ["best_estimator_", "regressor_"] + ["estimator_"] * (not hasattr(step, "estimators_"))
    return next((getattr(step, name) for name in names if hasattr(step, name)), None)


def meets(step, columns):
    """(estimator, columns) for those that get columns as callers send them, in the order they do;
    behind imputers and scalers they count as the same ones."""
    if isinstance(step, Pipeline):
        for _, each in step.steps:
            if isinstance(each, str) or each is None:
                continue
            yield from meets(each, columns)
            # Behind a step that makes other columns, nothing is known about these any more.
            if getattr(each, "n_features_in_", 0) != len(columns) or isinstance(
                each, (ColumnTransformer, FeatureUnion, preprocessing.OneHotEncoder)
            ):
                return
    elif isinstance(step, FeatureUnion):
        for _, each in step.transformer_list:
            yield from meets(each, columns)
    elif isinstance(step, ColumnTransformer):
        for _, each, chosen in step.transformers_:
            yield from meets(each, pick(columns, chosen))
    elif wrapped(step) is not None:
        yield from meets(wrapped(step), columns)
    else:
        yield step, columns


def pick(columns, chosen):
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice):
        if any(isinstance(end, str) for end in (chosen.start, chosen.stop)):
            ends = [None if each is None else columns.index(each) for each in (chosen.start, chosen.stop)]
            return columns[ends[0] : None if ends[1] is None else ends[1] + 1]
        return columns[chosen]
    chosen = list(np.ravel(chosen))
    if all(isinstance(each, (bool, np.bool_)) for each in chosen):
        return [name for name, each in zip(columns, chosen, strict=True) if each]
    return [each if isinstance(each, str) else columns[each] for each in chosen]


def categories_in(model, columns):
    """{column: the values that its encoder knows} of columns that are encoded as callers send them."""
    known = {}
    for step, names in meets(model, columns):
        lists = getattr(step, "categories_", None)
        # Where labels are binarized, they are not a column's.
        if isinstance(lists, (list, tuple)) and len(lists) == len(names):
            for name, values in zip(names, lists, strict=True):
                known.setdefault(name, values)
    return known


def made_for_gaps(model, columns):
    """The columns that are imputed, or come to a step that was made to take them with gaps.

    An encoder was, where it met a gap when it was fitted; otherwise one is only an unknown category.
    """
    decided = {}
    for step, names in meets(model, columns):
        lists = getattr(step, "categories_", None)
        encodes = isinstance(lists, (list, tuple)) and len(lists) == len(names)
        for k, name in enumerate(names):
            if isinstance(step, IMPUTERS):
                decided.setdefault(name, True)
            elif encodes:
                decided.setdefault(name, bool(pd.isna(np.asarray(lists[k], dtype=object)).any()))
    return [name for name in columns if decided.get(name, True)]


def as_numbers(classes):
    """Classes that are numbers or booleans as integers; others as they are."""
    plain = [each.item() if hasattr(each, "item") else each for each in np.ravel(classes)]
    if not all(isinstance(each, (bool, int, float)) and each == int(each) for each in plain):
        return classes
    return np.asarray([int(each) for each in plain], dtype=np.int64)


@contextlib.contextmanager
def as_tensors_have_it(model):
    """`model`, as long as it is converted, with classes as tensors hold them: integers for booleans and
    whole floats."""
    changes = {
        "classes_": lambda given: as_numbers(given) if isinstance(given, np.ndarray) else given,
        # Of a vote it says only what `transform` gives; the converter wants it so all the same.
        "flatten_transform": lambda given: False,
    }
    kept = []
    try:
        for each in estimators_in(model):
            for name in vars(each).keys() & changes.keys():
                kept.append((each, name, getattr(each, name)))
                setattr(each, name, changes[name](getattr(each, name)))
        yield
    finally:
        for each, name, given in kept:
            setattr(each, name, given)
