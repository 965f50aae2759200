"""The board as a frame, and its paired comparisons."""

from __future__ import annotations

import json

import polars as pl
import pytest
from published import publish

from distaff.board.board import Board, board
from distaff.factors.intents.evidence import explain_run
from distaff.runs import training
from distaff.stats.intervals import compare_paired
from distaff.testing.data import checkerboard
from distaff_data.arrays import Floats
from distaff_data.workspace import Workspace


@pytest.fixture
def filled(workspace: Workspace) -> tuple[Workspace, list[str]]:
    """Two seeds of nmf beside popularity on a checkerboard."""
    publish(workspace, checkerboard(120, 90, n_blocks=3, held_out=8))
    settings = {"n_intents": 3, "init": "random"}
    trained = [
        training.train(workspace, "nmf", "checkerboard", settings=settings, seed=seed, device="cpu").run
        for seed in range(2)
    ]
    return workspace, [*trained, training.train(workspace, "popularity", "checkerboard", device="cpu").run]


def test_the_board_is_a_frame_with_a_row_for_each_metric(filled: tuple[Workspace, list[str]]) -> None:
    workspace, (first, second, _) = filled
    found = board(workspace, "checkerboard")
    frame = found.frame()
    nmf = frame.filter(model="nmf", metric="recall@20").row(0, named=True)
    interval = next(row for row in found.rows if row.model == "nmf").metrics["recall@20"]
    assert (nmf["mean"], nmf["low"]) == (interval.mean, interval.low)
    assert set(nmf["runs"]) == {first, second}
    assert json.loads(nmf["settings"]) == {"n_intents": 3, "init": "random"}
    assert frame.filter(model="popularity")["std"].null_count() == frame.filter(model="popularity").height
    assert Board("none", "test", "recall@20", [], {}, None).frame().schema == frame.schema


def test_rows_are_compared_over_the_users_both_were_measured_on(filled: tuple[Workspace, list[str]]) -> None:
    workspace, _ = filled
    found = board(workspace, "checkerboard")
    other = next(row for row in found.rows if row.comparison is not None)
    best = next(row for row in found.rows if row.model == found.best_control and row.comparison is None)
    table = pl.DataFrame(
        workspace.warehouse.query(
            "SELECT run, unit, value FROM unit_metrics WHERE split = 'test' AND metric = 'recall@20' ORDER BY unit"
        )
    )

    def values(runs_of_row: list[str]) -> Floats:
        means = table.filter(pl.col("run").is_in(runs_of_row)).group_by("unit", maintain_order=True)
        return means.agg(pl.col("value").mean())["value"].to_numpy()

    expected = compare_paired(values(other.runs), values(best.runs), metric="recall@20", against=best.model)
    assert other.comparison is not None
    assert other.comparison.n_units == expected.n_units == 120
    assert other.comparison.difference == pytest.approx(expected.difference)
    assert other.comparison.p_value == pytest.approx(expected.p_value)


def test_factors_and_their_items_are_frames(filled: tuple[Workspace, list[str]]) -> None:
    workspace, (first, *_) = filled
    report = explain_run(workspace, first)
    frame, items = report.frame(), report.items()
    assert frame["factor"].to_list() == [0, 1, 2]
    assert frame["name"].to_list() == [factor.name for factor in report.factors]
    assert frame["warnings"].to_list() == [factor.warnings for factor in report.factors]
    assert items.columns == ["factor", "rank", "item_id", "title", "relevance"]
    assert items.filter(factor=1)["item_id"].to_list() == [member.id for member in report.factors[1].top]
