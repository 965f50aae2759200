"""Selection looks at validation only, and the test split is looked at once for each selected model."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from distaff.recommenders.base import Recommender
from distaff.testing.data import checkerboard
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError

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


def _without_validation(data: Interactions) -> Interactions:
    nothing = Csr(torch.zeros(data.n_users + 1, dtype=torch.long), torch.empty(0, dtype=torch.int32), data.n_items)
    return replace(data, valid=nothing)


def test_without_a_validation_part_choices_are_made_on_what_is_held_out_and_all_of_training_is_fitted(
    protocol: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _without_validation(checkerboard(n_items=60))
    fits: list[tuple[int, int]] = []
    measured: list[tuple[str, int]] = []
    fit, evaluate = protocol._fit, protocol.evaluate

    def counted_fit(name: str, settings: object, train_on: Interactions, seed: int) -> object:
        fits.append((train_on.train.nnz, seed))
        return fit(name, settings, train_on, seed)

    def counted(ranker: object, on: Interactions, split: str, **options: object) -> object:
        measured.append((split, on.train.nnz))
        return evaluate(ranker, on, split, **options)

    monkeypatch.setattr(protocol, "_fit", counted_fit)
    monkeypatch.setattr(protocol, "evaluate", counted)
    candidate = protocol.Candidate("nmf", ({"n_intents": 1}, {"n_intents": 2}), seeded=True)
    rows = {row["metric"]: row for row in protocol.measure(candidate, data, 2)}
    whole, first = data.train.nnz, protocol.FIRST_SEED
    held_out = fits[0][0]
    assert held_out < whole
    assert fits == [(held_out, first), (held_out, first), (whole, first), (whole, first + 1)]
    assert measured == [("valid", held_out)] * 2 + [("test", whole)] * 2
    chosen = rows["ndcg@20"]["settings"]
    alone = [
        evaluate(Recommender.named("nmf")(**chosen).fit(data, seed=seed).ranker(), data, "test", ks=protocol.KS)
        for seed in (first, first + 1)
    ]
    assert rows["ndcg@20"]["value"] == pytest.approx(sum(one.metrics["ndcg@20"] for one in alone) / 2)


def test_what_chooses_itself_is_measured_without_validation_as_its_own_fit_is(protocol: ModuleType) -> None:
    data = _without_validation(checkerboard(n_items=60))
    settings = {"components": ("item_knn", "rp3beta"), "n_intents": 2}
    rows = {r["metric"]: r for r in protocol.measure(protocol.Candidate("plait", (settings,), seeded=True), data, 1)}
    own = Recommender.named("plait")(**settings).fit(data, seed=protocol.FIRST_SEED)
    metrics = protocol.evaluate(own.ranker(), data, "test", ks=protocol.KS).metrics
    assert {name: row["value"] for name, row in rows.items()} == pytest.approx({name: metrics[name] for name in rows})
    assert rows["recall@20"]["looks"] == own.n_tried > 1
    assert rows["recall@20"]["valid"] is not None


def test_data_with_too_little_to_hold_out_is_refused(protocol: ModuleType) -> None:
    few = Interactions.from_arrays(["a", "b"], ["x", "y"], ["train", "test"])
    with pytest.raises(InputError, match="too little"):
        protocol.measure(protocol.Candidate("popularity"), few, 1)


def test_what_others_published_is_printed_by_metric(protocol: ModuleType) -> None:
    row = {"model": "Theirs", "recall@20": 0.1941, "ndcg@20": 0.1616}
    assert protocol.as_published(row) == "Theirs recall@20 0.1941 ndcg@20 0.1616"


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
