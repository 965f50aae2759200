"""The referee passes a clean dataset, and catches one that was spoiled, whichever way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from published import publish
from typer.testing import CliRunner

from distaff.audit import factors
from distaff.audit.finding import Finding
from distaff.audit.history import Records
from distaff.audit.referee import audit
from distaff.audit.splits import split_findings
from distaff.board.board import board
from distaff.cli.app import app
from distaff.factors.intents.evidence import explain_run
from distaff.factors.intents.interventions import CHURN
from distaff.factors.intents.notes import annotate
from distaff.runs import aliases, marks, records, training
from distaff.runs.refit import plan_refit
from distaff.testing.data import checkerboard
from distaff_data.arrays import Floats
from distaff_data.datasets.series import Series
from distaff_data.errors import UnknownNameError
from distaff_data.planted.samples import sample
from distaff_data.workspace import Workspace

DATASET = "checkerboard"
BLEND = {"components": "ease:penalty=250,als:embedding_dim=4", "weights": "0.5,0.4"}
PLAIT = BLEND | {"n_intents": 3, "intent_share": 0.1}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A workspace with nothing to object to, and its champion."""
    workspace = Workspace.create(tmp_path_factory.mktemp("audit") / "workspace")
    publish(workspace, checkerboard(90, 90, n_blocks=3, held_out=6), [f"block {i % 3}" for i in range(90)], timed=True)
    training.train(workspace, "popularity", DATASET, device="cpu")
    training.train(workspace, "ease", DATASET, device="cpu")
    champion = ""
    for seed in range(3):
        training.train(workspace, "als", DATASET, settings={"embedding_dim": 4}, seed=seed, device="cpu")
        training.train(workspace, "blend", DATASET, settings=BLEND, seed=seed, device="cpu")
        run = training.train(workspace, "plait", DATASET, settings=PLAIT, seed=seed, device="cpu").run
        champion = champion or run
    explain_run(workspace, champion)
    annotate(workspace, champion, 0, name="an analyst's own name")
    aliases.promote(workspace, champion, "champion")
    return workspace.root, champion


@pytest.fixture
def clean(made: tuple[Path, str], tmp_path: Path) -> tuple[Workspace, str]:
    shutil.copytree(made[0], tmp_path / "workspace")
    return Workspace.open(tmp_path / "workspace"), made[1]


def test_a_clean_run_passes_every_line(clean: tuple[Workspace, str]) -> None:
    workspace, champion = clean
    for subject, lines_of_a_run in ((champion, 1), (DATASET, 0)):
        found = audit(workspace, subject)
        assert {finding.verdict for finding in found.findings} == {"pass"}, found.findings
        assert len(found.findings) == 13 + lines_of_a_run
        assert not found.failed
    figures = {finding.check: finding.figure for finding in found.findings}
    assert figures["configurations tried"] == "5 in all: als 1, blend 1, ease 1, plait 1, popularity 1"
    assert figures["seeds in the interval"].endswith("als (embedding_dim=4) 3")
    assert figures["names survive their null"].startswith("3 of 3 factors named")


# --------------------------------------------------------------------------------------- spoiled, each in its own way


def test_what_somebody_put_aside_is_judged_all_the_same(clean: tuple[Workspace, str]) -> None:
    workspace, _ = clean
    before = Records.of(workspace, DATASET, None)
    for run in records.listing(workspace, DATASET):
        if run.control:
            marks.mark(workspace, marks.RUN, run.run, archived=True)
    assert not any(row.control for row in board(workspace, DATASET).rows)
    after = Records.of(workspace, DATASET, None)
    assert (after.choice, after.controls) == (before.choice, before.controls)


def promoted_by_its_test(workspace: Workspace, champion: str) -> str:
    poor = {"n_intents": 3, "components": "als:embedding_dim=1", "weights": "1", "intent_share": 0.0}
    training.train(workspace, "plait", DATASET, settings=poor, device="cpu")
    worse = next(row for row in board(workspace, DATASET).rows if row.model == "plait" and not row.chosen)
    aliases.promote(workspace, worse.runs[0], "champion")
    return "chosen on validation"


def _withdraw(workspace: Workspace, keep: Callable[[records.Run], bool]) -> None:
    for run in records.listing(workspace):
        if not keep(run):
            records.record(workspace, replace(run, status="failed"))


def without_its_control(workspace: Workspace, champion: str) -> str:
    _withdraw(workspace, lambda run: run.model != "popularity")
    return "standard controls"


def with_one_seed(workspace: Workspace, champion: str) -> str:
    _withdraw(workspace, lambda run: run.model != "plait" or run.run == champion)
    return "seeds in the interval"


def _append(workspace: Workspace, condition: str, **columns: object) -> None:
    """Put interactions of the dataset, which meet a condition, into it once more with some columns changed."""
    rows = workspace.warehouse.query(f"SELECT * FROM interactions WHERE {condition} LIMIT 5")
    workspace.warehouse.append("interactions", rows.drop_columns(list(columns)), **columns)


def with_test_pairs_in_training(workspace: Workspace, champion: str) -> str:
    _append(workspace, "split = 'test'", split="train", time=0.0)
    return "nothing is both trained on and tested"


def with_the_future_in_training(workspace: Workspace, champion: str) -> str:
    _append(workspace, "split = 'train'", time=1e9)
    return "nothing in training is later than the test"


def with_controls_that_were_never_tuned(workspace: Workspace, champion: str) -> str:
    for number in range(3):
        settings = PLAIT | {"components": f"ease:penalty={100 + number},als:embedding_dim=4"}
        trial = training.Trial("s", number, lambda model: {"recall@20": 0.0})
        training.train(workspace, "plait", DATASET, settings=settings, device="cpu", trial=trial)
    return "controls tuned like the models"


def with_a_control_below_its_sweep(workspace: Workspace, champion: str) -> str:
    trial = training.Trial("s", 0, lambda model: {"recall@20": 1.5})
    training.train(workspace, "ease", DATASET, settings={"penalty": 3.0}, device="cpu", trial=trial)
    return "controls tuned like the models"


def with_names_that_no_longer_hold(workspace: Workspace, champion: str) -> str:
    attributes = workspace.warehouse.frame("SELECT * FROM attributes")
    workspace.warehouse.erase("attributes", "dataset = ?", [DATASET])
    workspace.warehouse.append("attributes", attributes.with_columns(value=attributes["value"].shuffle(seed=0)))
    return "names survive their null"


SPOILERS = (
    promoted_by_its_test,
    without_its_control,
    with_one_seed,
    with_test_pairs_in_training,
    with_the_future_in_training,
    with_controls_that_were_never_tuned,
    with_a_control_below_its_sweep,
    with_names_that_no_longer_hold,
)


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
def test_a_spoiled_run_is_caught_by_its_line_and_no_other(
    clean: tuple[Workspace, str], spoil: Callable[[Workspace, str], str]
) -> None:
    workspace, champion = clean
    line = spoil(workspace, champion)
    found = audit(workspace, DATASET)
    assert [finding.check for finding in found.findings if finding.verdict == "fail"] == [line], found.findings
    shown = CliRunner().invoke(app, ["--workspace", str(workspace.root), "audit", "champion", "--json"])
    assert shown.exit_code == 1
    assert [f["check"] for f in json.loads(shown.stdout)["findings"] if f["verdict"] == "fail"] == [line]


# ---------------------------------------------------------------------------------------------------------- the verb


def test_the_verb_ends_with_0_where_nothing_fails(clean: tuple[Workspace, str]) -> None:
    workspace, champion = clean
    shown = CliRunner().invoke(app, ["--workspace", str(workspace.root), "audit", champion, "--json"])
    assert shown.exit_code == 0, shown.output
    printed = json.loads(shown.stdout)
    assert (printed["subject"], printed["dataset"], printed["failed"]) == (champion, DATASET, False)
    assert CliRunner().invoke(app, ["--workspace", str(workspace.root), "audit", DATASET]).exit_code == 0
    with pytest.raises(UnknownNameError, match="run or dataset"):
        audit(workspace, "chekerboard")


def test_a_control_of_one_seed_is_judged_by_its_own(clean: tuple[Workspace, str]) -> None:
    workspace, _ = clean
    alone = training.train(workspace, "nmf", DATASET, settings={"n_intents": 2, "init": "random"}, device="cpu").run
    failed = [finding for finding in audit(workspace, alone).findings if finding.verdict == "fail"]
    assert [finding.check for finding in failed] == ["seeds in the interval"]
    assert "nmf" in failed[0].figure


def test_a_refit_is_judged_by_the_run_it_was_refitted_from(clean: tuple[Workspace, str]) -> None:
    workspace, champion = clean
    refit = training.train(workspace, "plait", DATASET, device="cpu", refit=plan_refit(workspace, champion)).run
    assert not audit(workspace, refit).failed


# -------------------------------------------------------------------------------------------------------- other kinds


def lines(workspace: Workspace, data: Series, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    monkeypatch.setattr("distaff.audit.splits.load_series", lambda *_: data)
    return split_findings(workspace, data.name, "series")


def windows(values: Floats, groups: list[str]) -> Series:
    data = Series.from_windows(values, y=["a", "b"] * (len(values) // 2), groups=groups)
    codes = torch.tensor([0, 0, 1, 2], dtype=torch.int8).repeat_interleave(values.shape[1])
    return data.with_splits(codes)


def test_windows_and_subjects_on_both_sides_are_found(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(4, 8, 1))
    apart = lines(workspace, windows(values, ["p", "p", "q", "r"]), monkeypatch)
    assert [finding.verdict for finding in apart] == ["pass", "unknown"]
    shared = lines(workspace, windows(values, ["p", "p", "q", "p"]), monkeypatch)
    assert shared[0].verdict == "fail"
    assert "1 groups, such as p" in shared[0].figure
    values[3] = values[0]
    copied = lines(workspace, windows(values, ["p", "p", "q", "r"]), monkeypatch)
    assert "1 windows of the test are in training" in copied[0].figure


def test_rows_of_series_are_in_the_order_of_time(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Series.from_rows(np.random.default_rng(0).normal(size=(20, 1)), [10, 10])
    order = torch.tensor([0] * 6 + [1] * 2 + [2] * 2, dtype=torch.int8)
    after = lines(workspace, data.with_splits(order.repeat(2)), monkeypatch)
    assert [finding.verdict for finding in after] == ["pass", "pass"]
    before = lines(workspace, data.with_splits(torch.cat([order, order.flip(0)])), monkeypatch)
    assert before[1].verdict == "fail"
    assert before[1].figure.startswith("2 of 4 test rows")


@pytest.mark.parametrize("kind", ["planted-series", "planted-incidents"])
def test_datasets_of_other_kinds_are_audited(workspace: Workspace, kind: str) -> None:
    knobs: dict[str, Any] = {"n_windows": 60, "n_steps": 16} if kind == "planted-series" else {}
    sample(workspace, kind, **knobs)
    found = audit(workspace, kind)
    verdicts = {finding.check: finding.verdict for finding in found.findings}
    assert verdicts["standard controls"] == "fail"
    assert verdicts["nothing is both trained on and tested"] == "pass"


def test_a_test_that_keeps_its_level_is_seldom_called_one_that_does_not() -> None:
    assert not factors.too_many(3)
    assert factors.too_many(6)


def test_the_null_of_cards_would_find_a_rule_that_takes_any_change_for_an_effect(
    clean: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, champion = clean

    def any_change(values: Floats, names: tuple[str, ...], ladder: object, **_: object) -> list[SimpleNamespace]:
        moved = np.abs(values[-1].mean(0) - values[0].mean(0)) > 1e-9
        return [SimpleNamespace(holds=m and n != CHURN, specificity=1.0) for n, m in zip(names, moved, strict=True)]

    monkeypatch.setattr(factors, "effects_of", any_change)
    found = {f.check: f for f in factors.factor_findings(workspace, records.find(workspace, champion))}
    cards = found["effect cards survive their null"]
    assert (cards.verdict, cards.figure) == ("fail", "of 20 pages of 3 factors that do nothing, 20 had a card")
