"""Which columns take null: those where the original takes a gap and the converted model does the same."""

import numpy as np
import pandas as pd

from convert import TOLERANCE, Runner, compare
from refused import Refused
from steps import made_for_gaps

# How many rows each column is tried on.
TRIED = 16
# What a gap is to scikit-learn in a column of texts, or of anything else but numbers.
MARKS = (np.nan, None)


def find(model, converted, table, asked, say=lambda line: None):
    """Marks the columns of `converted` that may be null; `asked` are those that have to be.

    By itself a column may be null that has gaps in `table` or is made for them; the rest where they
    are asked for. Raises Refused with the reason where one of those is not.
    """
    columns = converted.layout.columns
    unknown = [name for name in asked if name not in [each.name for each in columns]]
    if unknown:
        known = ", ".join(each.name for each in columns)
        raise Refused(f"there is no column {', '.join(unknown)} to be nullable; there are {known}")
    if not isinstance(table, pd.DataFrame):
        table = pd.DataFrame(table)
    seen = [k for k, name in enumerate(table.columns) if table[name].isna().any()]
    imputed = made_for_gaps(model, list(table.columns))
    made = [k for k, name in enumerate(table.columns) if name in imputed]
    wanted = [k for k, each in enumerate(columns) if each.name in asked]
    say(f"trying null in {len(columns)} columns")
    trial = Trial(model, converted, table)
    for k in trial.takers(sorted({*seen, *made, *wanted})):
        columns[k].nullable = True
    for k in wanted:
        if not columns[k].nullable:
            raise Refused(f"the column {columns[k].name} cannot be null: {trial.why(k)}")


class Trial:
    def __init__(self, model, converted, table):
        self.model = model
        self.runner = Runner(converted.model, converted.layout, converted.dtype)
        self.nameless = not hasattr(model, "feature_names_in_")
        self.rows = table.sample(min(TRIED, len(table)), random_state=0).reset_index(drop=True)

    def takers(self, places):
        """Those of the columns, by place, that take a gap; tried together, then by halves."""
        if not places or self.refusal(places) is None:
            return list(places)
        if len(places) == 1:
            return []
        half = len(places) // 2
        return self.takers(places[:half]) + self.takers(places[half:])

    def why(self, place):
        return self.refusal([place])

    def refusal(self, places):
        """Why not all these columns take a gap, each by itself; None where they do."""
        said = None
        for mark in MARKS:
            said = self.compared(pd.concat([self.gap(k, mark) for k in places], ignore_index=True))
            if said is None:
                return None
        return said

    def gap(self, place, mark):
        rows = self.rows.copy()
        name = rows.columns[place]
        number = pd.api.types.is_numeric_dtype(rows[name].dtype) and rows[name].dtype != bool
        rows[name] = pd.Series([np.nan if number else mark] * len(rows), dtype=float if number else object)
        return rows

    def compared(self, rows):
        """Why both do not answer the same on these rows; None where they do."""
        whose = "the converted model"
        try:
            outputs = self.runner(rows)
            whose = "the original"
            found = compare(self.model, rows.to_numpy() if self.nameless else rows, outputs)
        except Exception as error:  # noqa: BLE001 -- a model may refuse in any way
            said = " ".join(str(error).split())[:300]
            return f"{whose} refuses it ({type(error).__name__}: {said})"
        if found.agreed == found.rows and (found.difference or 0) <= 10 * TOLERANCE:
            return None
        return f"the converted model answers {found.rows - found.agreed} of {found.rows} rows otherwise than the original"
