"""The table of models by sets: its rows, its paired test, and what a configuration chosen elsewhere scores."""

from __future__ import annotations

import itertools
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from distaff.incidents.rankings import Cause, Diagnosis
from distaff_data.datasets.incidents import Case, Edge
from distaff_data.planted.incidents import planted_incidents

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def incidents(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.reproductions.incidents")


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.incidents")


def test_signs_flipped_at_random_give_the_share_of_all_flips(incidents: ModuleType) -> None:
    differences = np.array([0.5, 0.0, 1.0, 0.25, -0.25, 0.5])
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
            for signs in itertools.product((-1, 1), repeat=6)]  # fmt: skip
    assert incidents.sign_flips(differences) == pytest.approx(np.mean(np.array(sums) >= 2.0), abs=0.04)
    assert incidents.sign_flips(np.zeros(4)) == 1.0


def test_average_precision_of_ties_is_the_mean_over_their_orders(shared: ModuleType) -> None:
    case = Case("1", ("a|x", "b|x", "c|x", "d|x"), np.arange(2.0), np.zeros((2, 4)), roots=("b", "d"))
    tied = Diagnosis(
        "1", tuple(Cause(f"{name}|x", score) for name, score in zip("abcd", (2, 1, 1, 1), strict=True)), 0.0
    )
    every = []
    for order in itertools.permutations("bcd"):
        hits = np.isin(["a", *order][:3], case.roots)
        every.append((np.cumsum(hits) / np.arange(1, 4) * hits).sum() / 2)
    assert shared._average_precision(case, tied) == pytest.approx(np.mean(every))


def test_every_model_has_a_row_a_set_and_the_left_out_one_is_chosen_elsewhere(
    incidents: ModuleType, shared: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"n_cases": 4, "n_entities": 3, "n_normal": 40, "n_fault": 20, "invisible_share": 0.0}
    made = {f"set {seed}": planted_incidents(seed=seed, **small) for seed in (1, 2)}  # type: ignore[arg-type]
    cases = {name: incidents.Set(data.cases, (), tuple(Edge(e.source, e.target) for e in data.truth))
             for name, data in made.items()}  # fmt: skip
    monkeypatch.setattr(incidents, "sets", lambda data: {name: lambda name=name: cases[name] for name in cases})
    monkeypatch.setattr(incidents, "CONTROLS", ("floor_z",))
    rows = incidents.rows(Path(), 1)
    models = [*incidents.CONFIGURATIONS, "floor_z"]
    values = {(row["model"], row["metric"]): row["value"] for row in rows}
    assert {(model, f"{name} avg@5") for model in models for name in cases} < values.keys()
    for row in rows:
        if row["p"] is None:  # of sets and paths
            assert row["model"] == "coral"
            assert (
                row["metric"] in ("least share by all sets",) or "sets: " in row["metric"] or "paths" in row["metric"]
            )
            continue
        assert row["low"] <= row["value"] <= row["high"]
        assert 0 < row["p"] <= 1
    assert {"set 1 paths", "set 1 sets: coverage"} < {row["metric"] for row in rows}
    for name, other in (("set 1", "set 2"), ("set 2", "set 1")):
        (chosen,) = {row["selected"] for row in rows if row["selected"] and row["metric"].startswith(name)}
        best = max(values[label, f"{other} avg@5"] for label in incidents.CONFIGURATIONS)
        assert values[chosen, f"{other} avg@5"] == best
    assert "low" in shared.table(rows).splitlines()[0]


def test_a_path_is_grounded_where_every_hop_is_a_true_edge_to_the_kpi(incidents: ModuleType) -> None:
    case = Case("1", ("shop|latency", "web|cpu", "db|cpu"), np.arange(2.0), np.zeros((2, 3)), kpi=0, roots=("db",))
    truth = {("db", "web"), ("web|cpu", "shop|latency")}
    for column, path, grounded in (
        ("db|cpu", ("db|cpu", "web|cpu", "shop|latency"), True),
        ("db|cpu", ("db|cpu", "shop|latency"), False),  # no such edge
        ("db|cpu", ("db|cpu", "web|cpu"), False),  # ends before the KPI
        ("db|cpu", (), False),
        ("web|cpu", ("web|cpu", "shop|latency"), False),  # another cause
    ):
        diagnosis = Diagnosis("1", (Cause(column, 1.0, path=path),), 0.0)
        assert incidents._grounded(case, diagnosis, truth) is grounded
