"""The columns that a model is called with: what callers send, and how tensors hold it."""

import dataclasses
import math

import numpy as np
import pandas as pd

# The name of the one input of a model that takes all features as one table.
TABLE = "input"
# What JSON shows of a dtype, by numpy's letter for its kind.
KINDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "M": "datetime"}


@dataclasses.dataclass
class Column:
    name: str
    # boolean, integer, number, string or datetime: what the original's column has.
    kind: str
    # Whether null, or nothing, may stand in its place.
    nullable: bool = False

    def described(self):
        return {"kind": self.kind, "nullable": self.nullable}


def kind_of(values):
    """The kind of a pandas column; one of objects has the kind of what is there."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return kind_of(pd.Series(values.dtype.categories))
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return "datetime"
    kind = getattr(values.dtype, "kind", "O")
    if kind in KINDS:
        return KINDS[kind]
    held = values.dropna()
    if len(held) == 0:
        return "string"
    for types, name in (
        ((bool, np.bool_), "boolean"),
        ((int, np.integer), "integer"),
        ((int, float, np.number), "number"),
        ((pd.Timestamp, np.datetime64), "datetime"),
    ):
        if all(isinstance(each, types) for each in held):
            return name
    return "string"


def is_whole(values):
    """Whether a column of numbers has none between two integers."""
    held = values.dropna()
    return len(held) > 0 and bool((held.astype(np.float64) % 1 == 0).all())


def columns_of(sample, categories):
    """The columns of `sample`, a table or an array; `categories` are those that encoders know, by name.

    Whole numbers with a gap among them are floats to pandas: what an encoder learned tells them apart.
    """
    table = as_table(sample)
    found = []
    for name in table.columns:
        kind = kind_of(table[name])
        learned = pd.Series(list(categories.get(name, []))).dropna()
        if kind == "number" and len(learned) > 0 and is_whole(table[name]):
            kind = {"boolean": "boolean", "integer": "integer"}.get(kind_of(learned), kind)
        found.append(Column(str(name), kind))
    return found


def as_table(sample):
    """Rows as a table; columns that have no names are called as the service calls them."""
    if isinstance(sample, pd.DataFrame):
        return sample
    array = np.asarray(sample)
    return pd.DataFrame(array, columns=[f"feature_{k}" for k in range(array.shape[1])])


def is_text(column):
    """Whether a tensor holds the column as texts."""
    return column.kind in ("string", "datetime")


def values_for(column, values, dtype):
    """A column as a tensor holds it, in numbers of `dtype`: it has no null, so a missing number is
    NaN and a missing text is empty."""
    if is_text(column):
        held = values.astype(object).where(values.notna(), "")
        return held.astype(str).astype(object).to_numpy()
    if values.dtype == object:
        values = values.where(values.notna(), np.nan)
    return values.astype(dtype).to_numpy()


@dataclasses.dataclass
class Layout:
    """How a model's columns are its inputs: each one of its own, [N, 1], or all in a table, [N, F]."""

    columns: list
    is_table: bool

    def inputs(self, text, number):
        """(name, type) of every input, of the types that texts and numbers have."""
        if self.is_table:
            return [(TABLE, number([None, len(self.columns)]))]
        return [
            (column.name, (text if is_text(column) else number)([None, 1])) for column in self.columns
        ]

    def feeds(self, sample, names, dtype):
        """`sample` as those inputs of ONNX Runtime that a model has: {name: array}."""
        table = as_table(sample)
        held = {
            column.name: values_for(column, table.iloc[:, k], dtype)
            for k, column in enumerate(self.columns)
            if self.is_table or column.name in names
        }
        if self.is_table:
            return {TABLE: np.column_stack(list(held.values()))}
        return {name: values.reshape(-1, 1) for name, values in held.items()}


def json_value(column, value):
    """A value as JSON has it: no NaN, integers and booleans as such, times in ISO 8601."""
    if value is None or value is pd.NaT or (not isinstance(value, str) and pd.isna(value)):
        return None
    if column.kind == "boolean":
        return bool(value)
    if column.kind == "integer":
        return int(value)
    if column.kind == "number":
        number = float(value)
        return number if math.isfinite(number) else None
    if column.kind == "datetime":
        return pd.Timestamp(value).isoformat()
    return str(value)
