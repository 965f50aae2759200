"""Selection looks at validation only, and the test split is looked at once for each selected model."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from distaff.testing.data import checkerboard
from distaff_data.datasets.interactions import Interactions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def protocol(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    import benchmarks.protocol

    return benchmarks.protocol


def test_settings_are_chosen_on_validation_and_test_is_looked_at_once(
    protocol: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    real = protocol.evaluate

    def counted(predict: object, data: Interactions, split: str, **options: object) -> object:
        measured.append(split)
        return real(predict, data, split, **options)

    monkeypatch.setattr(protocol, "evaluate", counted)
    candidate = protocol.Candidate("puresvd", ({"n_intents": 1}, {"n_intents": 2}, {"n_intents": 3}))
    blocks = checkerboard(n_items=90, n_blocks=3)
    unequal = blocks.without(
        torch.tensor([1, 4, 7, 10, *range(2, 26, 3)])
    )  # else the leading two of three are any plane
    rows = protocol.measure(candidate, unequal, 5)
    assert measured == ["valid"] * 3 + ["test"]
    assert {row["metric"] for row in rows} == set(protocol.METRICS)
    assert {(row["looks"], row["n_seeds"], row["selected"]) for row in rows} == {(3, 1, "valid")}
    assert rows[0]["settings"] == {"n_intents": 3}  # three blocks take three dimensions


def test_a_seeded_model_is_measured_over_seeds(protocol: ModuleType) -> None:
    published = {"recall@20": 0.5}
    candidate = protocol.Candidate("nmf", ({"n_intents": 2},), seeded=True, published=published)
    rows = {row["metric"]: row for row in protocol.measure(candidate, checkerboard(), 3)}
    assert rows["recall@20"]["n_seeds"] == 3
    assert rows["recall@20"]["std"] is not None
    assert (rows["recall@20"]["published"], rows["ndcg@20"]["published"]) == (0.5, None)
    assert "nmf, published" in protocol.table(list(rows.values()))


def test_what_else_is_measured_is_reported_and_chooses_nothing(protocol: ModuleType) -> None:
    candidate = protocol.Candidate("puresvd", ({"n_intents": 1},), also=lambda model, data: {"users": data.n_users})
    rows = protocol.measure(candidate, checkerboard(), 1)
    assert {row["metric"]: row["value"] for row in rows}["users"] == 40
    header, line = protocol.table(rows).splitlines()
    assert header.split()[-1] == "users"
    assert "40.0000" in line


def test_each_row_is_compared_with_the_control_that_validation_chooses(protocol: ModuleType) -> None:
    data = checkerboard(120, 90, n_blocks=3, held_out=8)
    candidates = (
        protocol.Candidate("popularity"),
        protocol.Candidate("puresvd", ({"n_intents": 1}, {"n_intents": 3})),
        protocol.Candidate("nmf", ({"n_intents": 2, "init": "random"},), seeded=True),
        protocol.Candidate("nmf", ({"n_intents": 3, "init": "random"},), seeded=True, label="nmf 3"),
    )
    rows = protocol.measure_all(candidates, data, 2)
    of_row = {row["model"]: row for row in rows if row["metric"] == "recall@20"}
    valid = {name: row["valid"] for name, row in of_row.items()}
    best = max(valid, key=lambda name: valid[name])
    assert "against" not in of_row[best]
    others = [row["against"] for name, row in of_row.items() if name != best]
    assert {gap["against"] for gap in others} == {best}
    assert all(gap["p_value"] <= gap["p_holm"] <= 1 for gap in others)
    popularity = of_row["popularity"]
    assert popularity["against"]["difference"] == pytest.approx(popularity["value"] - of_row[best]["value"])
    assert popularity["against"]["p_holm"] < 0.05
    assert f"against {best}" in protocol.table(rows)
    assert all("against" not in row for row in rows if row["metric"] not in protocol.COMPARED)


def test_one_seed_of_a_seeded_model_is_not_tested(protocol: ModuleType) -> None:
    candidates = (protocol.Candidate("popularity"), protocol.Candidate("nmf", ({"n_intents": 2},), seeded=True))
    rows = protocol.measure_all(candidates, checkerboard(), 1)
    gaps = [row["against"] for row in rows if "against" in row]
    assert {(gap["p_value"], gap["seed_variance"]) for gap in gaps} == {(None, "unknown")}
    assert "no test" in protocol.table(rows)


def test_dgvae_is_reproduced_from_the_published_layout(
    protocol: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from published_folder import write_published

    module = importlib.import_module("benchmarks.reproductions.dgvae_baby")
    data = module.READ(write_published(tmp_path))
    assert [c.model for c in module.CANDIDATES][:3] == ["dgvae", "macridvae", "multivae"]
    small = {"embedding_dim": 4, "max_epochs": 2, "n_intents": 2}
    candidate = replace(module.CANDIDATES[0], grid=({**module.CANDIDATES[0].grid[0], **small},))
    rows = protocol.measure(candidate, data, 1)
    assert {row["metric"]: row["published"] for row in rows}["recall@20"] == 0.1009
