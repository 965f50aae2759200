"""The board as a frame, and its paired comparisons."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from published import publish

from distaff.board.board import Board, board
from distaff.board.comparisons import is_seeded
from distaff.board.selection import chosen_run
from distaff.factors.intents.evidence import explain_run
from distaff.model import registry
from distaff.runs import records, training
from distaff.stats.crossed import NO_SEED, Comparison, Side, compare_crossed
from distaff.testing.data import checkerboard
from distaff_data.arrays import Floats
from distaff_data.datasets.csr import Csr
from distaff_data.errors import InputError
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
        return np.stack([table.filter(run=run)["value"].to_numpy() for run in runs_of_row])

    sides = (Side(values(row.runs), NO_SEED if row.model == "popularity" else None) for row in (other, best))
    expected = compare_crossed(*sides, metric="recall@20", against=best.model)
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


def scored(workspace: Workspace, run: str, split: str, value: float, n_units: int = 40, noise: int = 0) -> None:
    """Write what a run scored, in place of what it did: each unit's value is about ``value``."""
    units = value + np.random.default_rng(noise).normal(0, 0.05, n_units)
    units += value - units.mean()
    metrics = records.metrics_of(workspace, [run])[run] | {split: {"recall@20": value}}
    kept = workspace.warehouse.frame(
        "SELECT run, split, unit, metric, value FROM unit_metrics WHERE run = ? AND split <> ?", [run, split]
    )
    rows = pl.DataFrame({"unit": [f"u{i}" for i in range(n_units)], "value": units})
    with workspace.warehouse.publish(f"metrics/{run}") as out:
        lines = [{"split": s, "metric": name, "value": v} for s, of in metrics.items() for name, v in of.items()]
        out.append("metrics", lines, run=run)
        out.append("unit_metrics", kept)
        out.append("unit_metrics", rows, run=run, split=split, metric="recall@20")


@pytest.fixture
def two_settings(workspace: Workspace) -> tuple[Workspace, dict[str, str]]:
    """Two settings of a control and of a model: those that are best on validation are the worst on the test."""
    publish(workspace, checkerboard())
    runs: dict[str, str] = {}
    for name, model, settings, valid, test in (
        ("als good", "als", {"embedding_dim": 4}, 0.30, 0.10),
        ("als lucky", "als", {"embedding_dim": 5}, 0.20, 0.50),
        ("ease good", "ease", {"penalty": 10}, 0.40, 0.20),
        ("ease lucky", "ease", {"penalty": 20}, 0.10, 0.60),
    ):
        run = training.train(workspace, model, "checkerboard", settings=settings, device="cpu").run
        scored(workspace, run, "valid", valid)
        scored(workspace, run, "test", test, noise=len(runs))
        runs[name] = run
    return workspace, runs


def test_validation_chooses_and_the_test_shows_the_chosen_alone(two_settings: tuple[Workspace, dict[str, str]]) -> None:
    workspace, runs = two_settings
    found = board(workspace, "checkerboard")
    named = {run: name for name, run in runs.items()}
    assert [named[row.runs[0]] for row in found.rows] == ["ease good", "als good", "als lucky", "ease lucky"]
    assert [row.chosen for row in found.rows] == [True, True, False, False]
    assert [bool(row.metrics) for row in found.rows] == [True, True, False, False]
    assert [row.validation["recall@20"].mean for row in found.rows] == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert (found.best_control, found.selected_on) == ("ease", "valid")
    assert all(row.comparison is None for row in found.rows if not row.chosen)
    assert chosen_run(workspace, "als", "checkerboard").run == runs["als good"]
    with pytest.raises(InputError, match="distaff train plait checkerboard"):
        chosen_run(workspace, "plait", "checkerboard")


def test_every_configuration_that_was_looked_at_counts(two_settings: tuple[Workspace, dict[str, str]]) -> None:
    workspace, runs = two_settings
    for penalty in (10, 30, 40):  # 10 was tried above
        trial = training.Trial("s", penalty, lambda model: {"recall@20": 0.1})
        training.train(workspace, "ease", "checkerboard", settings={"penalty": penalty}, device="cpu", trial=trial)
    failed = records.find(workspace, runs["als good"])
    records.record(workspace, replace(failed, run="failed", status="failed", settings='{"embedding_dim": 9}'))
    found = board(workspace, "checkerboard")
    assert found.tried == {"als": 2, "ease": 4}
    assert found.n_tried == 6
    assert {row.model: row.n_tried for row in found.rows} == {"als": 2, "ease": 4}


def test_one_seed_has_no_p_value_until_another_configuration_lends_its_variance(
    two_settings: tuple[Workspace, dict[str, str]],
) -> None:
    workspace, _ = two_settings

    def comparison() -> Comparison:
        found = next(r.comparison for r in board(workspace, "checkerboard").rows if r.chosen and r.model == "als")
        assert found is not None
        return found

    assert (comparison().seed_variance, comparison().p_value, comparison().p_holm) == ("unknown", None, None)
    for seed, value in ((1, 0.4), (2, 0.45)):
        assert comparison().p_value is None  # two seeds tell too little to lend
        run = training.train(
            workspace, "als", "checkerboard", settings={"embedding_dim": 5}, seed=seed, device="cpu"
        ).run
        scored(workspace, run, "valid", 0.2)
        scored(workspace, run, "test", value, noise=9)
    found = comparison()
    assert found.seed_variance == "borrowed"
    assert found.p_value is not None
    assert found.p_value > 0.05  # seeds up to .1 apart with two degrees of freedom, for a difference of .1
    assert found.p_holm == found.p_value  # one row is tested


def test_without_validation_the_first_configuration_stands_and_it_is_said(workspace: Workspace) -> None:
    data, nothing = checkerboard(), torch.empty(0, dtype=torch.long)
    valid = Csr.from_pairs(nothing, nothing, data.n_users, data.n_items)
    publish(workspace, replace(data, train=data.train.union(data.valid), valid=valid))
    first, _ = (
        training.train(workspace, "als", "checkerboard", settings={"embedding_dim": dim}, device="cpu").run
        for dim in (1, 4)
    )
    found = board(workspace, "checkerboard")
    assert [row.runs for row in found.rows if row.chosen] == [[first]]
    assert found.selected_on is None
    assert "nothing was measured on validation" in found.notes[0]


def test_a_model_that_says_it_has_no_seed_gives_the_same_for_all(workspace: Workspace) -> None:
    for name in (name for name in registry.names() if not is_seeded(name)):
        model = registry.model_class(name)
        if model.kind != "interactions":
            continue
        one, other = (model().fit(checkerboard(), seed=seed, device="cpu") for seed in (0, 1))
        assert torch.equal(one.predict(torch.arange(40)), other.predict(torch.arange(40)))


def test_a_catalogue_that_fits_into_the_lists_is_said_to_tell_no_models_apart(workspace: Workspace) -> None:
    told = []
    for n_items in (30, 300):
        name = f"items{n_items}"
        publish(workspace, replace(checkerboard(60, n_items, n_blocks=3, held_out=4), name=name))
        training.train(workspace, "popularity", name, device="cpu")
        found = board(workspace, name)
        told.append(
            (found.noise_floor["recall@20"] > 0.5, any("too small for this metric" in note for note in found.notes))
        )
    assert told == [(True, True), (False, False)]
