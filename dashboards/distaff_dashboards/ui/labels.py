"""Labels of runs and factors, the same on every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl


def run_label(run: Mapping[str, Any]) -> str:
    """Return a run's model and dataset, and whether the model is a control; from ``model, control, dataset``."""
    return f"{run['model']}{', a control,' if run['control'] else ''} on {run['dataset']}"


def factor_label(factor: int, name: str | None) -> str:
    """Return a factor's stable number with its name, when it has one."""
    return f"{factor}: {name}" if name and name != "unnamed" else f"{factor} (unnamed)"


def factor_labels(factors: pl.DataFrame) -> dict[int, str]:
    """Return the labels of factors by number, in the order of a table with ``factor, name``."""
    return {factor: factor_label(factor, name) for factor, name in factors.select("factor", "name").iter_rows()}


def with_names(table: pl.DataFrame, names: Mapping[int, str], column: str = "factor") -> pl.DataFrame:
    """Return a table with a column ``name``: the label of the factor in another column, or its number."""
    number = pl.col(column).cast(pl.String)
    return table.with_columns(
        name=pl.col(column).replace_strict(names, default=None, return_dtype=pl.String).fill_null(number)
    )
