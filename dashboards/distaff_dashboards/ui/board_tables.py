"""Tables of a dataset's board, which the Board shows whole and other pages in part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from distaff_dashboards.ui import widgets, wording

if TYPE_CHECKING:
    from distaff.board.board import Board, BoardRow

_METRIC_SCHEMA = {
    **dict.fromkeys(("model", "kind", "metric"), pl.String()),
    **dict.fromkeys(("mean", "low", "high", "std"), pl.Float64()),
    "seeds": pl.Int64(),
    **dict.fromkeys(("difference", "difference_low", "difference_high", "p_value"), pl.Float64()),
    "p_holm": pl.Float64(),
    "seed_variance": pl.String(),
    "against": pl.String(),
    "settings": pl.String(),
    "runs": pl.List(pl.String),
}
_VALIDATION_SCHEMA = {
    **dict.fromkeys(("model", "kind", "settings"), pl.String()),
    "seeds": pl.Int64(),
    "validation": pl.Float64(),
    "chosen": pl.Boolean(),
    "tried": pl.Int64(),
}


def metric_names(board: Board) -> list[str]:
    """Return the metrics of any row, those that the terminal shows first."""
    return in_order({metric for row in board.rows for metric in row.metrics})


def in_order(metrics: Iterable[str]) -> list[str]:
    """Return metrics as every page orders them: the terminal's first, the others by name and length of list."""
    from distaff.board.kinds import shown

    measured = set(metrics)
    first = shown(measured)
    return first + sorted(measured - set(first), key=_natural)


def ordered(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table with a column ``metric`` in that order."""
    place = {metric: at for at, metric in enumerate(in_order(table["metric"]))}
    return table.sort(pl.col("metric").replace_strict(place, return_dtype=pl.Int64))


def metric_table(board: Board, metric: str) -> pl.DataFrame:
    """Return one metric of every chosen row, in the board's order, with the test where it was made for this metric."""
    rows = [_metric_row(row, metric) for row in board.rows if metric in row.metrics]
    return pl.DataFrame(rows, _METRIC_SCHEMA)


def validation_table(board: Board, metric: str) -> pl.DataFrame:
    """Return every configuration with one metric on validation, best first, and how many of its model were tried."""
    rows = [
        {"model": row.model, "kind": _kind(row), "settings": wording.settings(row.settings), "seeds": len(row.runs)}
        | {"validation": row.validation[metric].mean, "chosen": row.chosen, "tried": row.n_tried}
        for row in board.rows
        if metric in row.validation
    ]
    table = pl.DataFrame(rows, _VALIDATION_SCHEMA)
    return table.sort("validation", descending=wording.sign(metric) > 0, maintain_order=True)


def validation_columns(metric: str) -> dict[str, Any]:
    """Return the look and definition of the columns of :func:`validation_table`."""
    return {
        "model": st.column_config.TextColumn("model", pinned=True, help="Registry name"),
        "validation": st.column_config.NumberColumn(
            "validation", help=wording.define(metric) + "; on validation", format="%.4f"
        ),
        "chosen": st.column_config.CheckboxColumn("chosen", help="Stands for its model: the best on validation"),
        "tried": st.column_config.NumberColumn(
            "tried", help="Configurations of the model measured here, sweeps included"
        ),
    }


def long_table(board: Board) -> pl.DataFrame:
    """Return every metric of every row, one a line."""
    rows = [_metric_row(row, metric) for row in board.rows for metric in sorted(row.metrics, key=_natural)]
    return pl.DataFrame(rows, _METRIC_SCHEMA)


def wide_table(board: Board) -> pl.DataFrame:
    """Return the means of every metric, one column each."""
    names = metric_names(board)
    rows = [
        {"model": label, "kind": _kind(row)} | {name: value.mean for name, value in row.metrics.items()}
        for row, label in zip(board.rows, wording.row_labels(board.rows), strict=True)
        if row.metrics
    ]
    return pl.DataFrame(rows, {"model": pl.String(), "kind": pl.String(), **dict.fromkeys(names, pl.Float64())})


def beside_controls(board: Board, *, help: str = "") -> None:
    """Draw the board's own metric with its exports, for pages that show it beside something else.

    Args:
        board: The board.
        help: Put before what the metric means.
    """
    table = metric_table(board, board.metric)
    meaning = wording.escape(wording.define(board.metric))
    widgets.heading("Beside the controls", table, f"{board.dataset}-{board.metric}", help=f"{help} {meaning}".strip())
    widgets.table(table, columns(board.metric), key="board")


def columns(metric: str) -> dict[str, Any]:
    """Return the look and definition of the columns of :func:`metric_table`."""

    def real(label: str, meaning: str) -> Any:
        return st.column_config.NumberColumn(label, help=meaning, format="%.4f")

    return {
        "model": st.column_config.TextColumn("model", pinned=True, help="Registry name"),
        "kind": st.column_config.TextColumn("kind", help="A control is a cheap model that others are shown beside"),
        "metric": None,
        "mean": real("mean", wording.define(metric) + "; mean over the seeds"),
        "low": real("low", "Lower end of the 95 % interval over seeds; empty with one seed"),
        "high": real("high", "Upper end of the 95 % interval over seeds; empty with one seed"),
        "std": real("std", "Standard deviation over seeds; empty with one seed"),
        "seeds": st.column_config.NumberColumn("seeds", help="Runs with different seeds"),
        "difference": real(
            "difference", "Mean difference to the best control, over the same users, incidents or windows"
        ),
        "difference_low": real("from", "Lower end of the difference's 95 % interval"),
        "difference_high": real("to", "Upper end of the difference's 95 % interval"),
        "p_value": st.column_config.NumberColumn(
            "p", help="How often chance alone, in units and seeds, gives such a difference", format="%.3g"
        ),
        "p_holm": st.column_config.NumberColumn("p (Holm)", help="p corrected for the number of rows", format="%.3g"),
        "seed_variance": st.column_config.TextColumn(
            "seed variance", help="Own seeds, borrowed from other runs of the model, or unknown: then nothing is tested"
        ),
        "against": st.column_config.TextColumn("against", help="The control it was tested against"),
        "settings": st.column_config.TextColumn("settings", help="What differs from the model's defaults"),
        "runs": st.column_config.ListColumn("runs", help="Ids of the runs; details: distaff show RUN"),
    }


def _metric_row(row: BoardRow, metric: str) -> dict[str, Any]:
    value, paired = row.metrics[metric], row.comparison
    cells: dict[str, Any] = {
        "model": row.model,
        "kind": _kind(row),
        "metric": metric,
        "mean": value.mean,
        "low": value.low,
        "high": value.high,
        "std": value.std,
        "seeds": len(row.runs),
        "settings": wording.settings(row.settings),
        "runs": list(row.runs),
    }
    if paired is not None and paired.metric == metric:
        cells |= {
            "difference": paired.difference,
            "difference_low": paired.low,
            "difference_high": paired.high,
            "p_value": paired.p_value,
            "p_holm": paired.p_holm,
            "seed_variance": paired.seed_variance,
            "against": paired.against,
        }
    return cells


def _kind(row: BoardRow) -> str:
    return "control" if row.control else "model"


def _natural(metric: str) -> tuple[str, int]:
    name, _, k = metric.partition("@")
    return name, int(k) if k.isdigit() else 0
