"""The blend's own choice: never below its best component, exact in its cached scores, honest about what it left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from distaff.model.base import Session
from distaff.ranking.metrics import evaluate
from distaff.recommenders.base import Recommender
from distaff.testing.data import checkerboard, random_interactions
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.planted.interactions import planted_interactions
from distaff_graph.plait import blend as blend_module
from distaff_graph.plait.blend import Blend
from distaff_graph.plait.choosing import with_validation
from distaff_graph.plait.components import FAMILIES, INSTEAD, component, fitted
from distaff_graph.plait.model import Plait
from distaff_graph.plait.pool import Jury, Pool

SESSION = Session(0, torch.device("cpu"))
FEW = (
    ("ease:penalty=20", "ease:penalty=200"),
    ("als:embedding_dim=8:reg=10:confidence=5",),
    ("graph_filter:order=1", "graph_filter:order=2"),
    ("item_knn:n_neighbours=20",),
)


@pytest.fixture(scope="module")
def planted() -> Interactions:
    """Planted interactions of 300 users and 150 items, a tenth each for validation and test."""
    events = [batch.to_pydict() for batch in planted_interactions(n_users=300, n_items=150, n_events=9_000).events()]
    users, items = (np.concatenate([np.asarray(e[side]) for e in events]) for side in ("user", "item"))
    pairs = np.unique(np.stack([users, items], 1), axis=0)
    parts = np.random.default_rng(0).choice(["train", "valid", "test"], len(pairs), p=[0.8, 0.1, 0.1])
    return Interactions.from_arrays(pairs[:, 0], pairs[:, 1], parts)


def _valid(model: Recommender, data: Interactions) -> dict[str, float]:
    metrics = evaluate(model.ranker(), data, "valid", ks=(20,)).metrics
    return {name: metrics[name] for name in ("recall@20", "ndcg@20")}


# ----------------------------------------------------------------------------------------------------------- the choice


@pytest.mark.parametrize("model", [Blend, Plait])
def test_what_is_chosen_does_not_lose_to_the_best_of_its_components(
    monkeypatch: pytest.MonkeyPatch, model: type[Blend], planted: Interactions
) -> None:
    monkeypatch.setattr(blend_module, "FAMILIES", FEW)
    chosen = model().fit(planted)
    reached = _valid(chosen, planted)
    alone = [_valid(fitted(spec, planted, SESSION), planted) for family in FEW for spec in family]
    ratios = [reached[name] / max(metrics[name] for metrics in alone) for name in reached]
    best_worst = max(min(m[name] / max(a[name] for a in alone) for name in reached) for m in alone)
    assert min(ratios) >= best_worst - 1e-6
    assert sum(chosen.blend.values()) == pytest.approx(1.0)
    assert min(chosen.blend.values()) >= 0.0
    assert chosen.n_tried > sum(len(family) for family in FEW)
    assert chosen.remarks[0].startswith(f"{chosen.name}: ")


def test_plait_without_its_mixture_is_the_blend(monkeypatch: pytest.MonkeyPatch, planted: Interactions) -> None:
    monkeypatch.setattr(blend_module, "FAMILIES", FEW)
    blend, plait = Blend().fit(planted), Plait(intent_share=0.0, n_intents=4).fit(planted)
    assert {k: w for k, w in plait.blend.items() if k != "mixture"} == pytest.approx(blend.blend)
    users = torch.arange(20)
    torch.testing.assert_close(plait.predict(users), blend.predict(users))


def test_settings_that_are_given_are_kept(planted: Interactions) -> None:
    model = Plait(components=("ease:penalty=20", "item_knn"), intent_share=0.25, n_intents=5).fit(planted)
    assert model.blend["mixture"] == 0.25
    assert set(model.blend) <= {"ease:penalty=20", "item_knn", "mixture"}
    assert model.intents().n_intents == 5


def test_of_two_components_that_are_the_same_one_is_left_out(planted: Interactions) -> None:
    model = Blend(components=("ease:penalty=100", "ease:penalty=100.0")).fit(planted)
    assert list(model.blend.values()) == [1.0]
    assert [note.partition(" ")[2] for note in model.remarks[1:2]] == ["left out: it added nothing"]


def test_the_choice_survives_files(tmp_path: object, planted: Interactions) -> None:
    model = Plait(components="ease,item_knn", n_intents=3).fit(planted)
    again = Plait(**model.get_params())
    again.bind(planted)
    again.load_state(model.state())
    assert (again.blend, again.n_tried, again.remarks) == (model.blend, model.n_tried, model.remarks)


def test_what_was_chosen_gives_the_same_model_without_a_choice(planted: Interactions) -> None:
    model = Plait(components="ease:penalty=20,sparse_ease:n_neighbours=20,user_knn:n_neighbours=50", n_intents=3).fit(
        planted
    )
    again = Plait(**model.chosen).fit(planted)
    assert again.n_tried == 0
    assert again.blend == pytest.approx(model.blend)
    users = torch.arange(planted.n_users)
    torch.testing.assert_close(again.predict(users), model.predict(users))


# -------------------------------------------------------------------------------------------------- without a validation


def test_without_a_validation_part_one_is_held_out_and_all_is_fitted() -> None:
    board = checkerboard()
    nothing = Csr(torch.zeros(board.n_users + 1, dtype=torch.long), torch.empty(0, dtype=torch.int32), board.n_items)
    data = replace(board, valid=nothing)
    model = Blend(components=("item_knn", "ease")).fit(data)
    assert any("held out of training, then fitted to all" in note for note in model.remarks)
    expected = Blend(components=tuple(model.blend), weights=tuple(model.blend.values())).fit(data)
    users = torch.arange(data.n_users)
    torch.testing.assert_close(model.predict(users), expected.predict(users))


def test_what_is_held_out_is_a_tenth_of_each_user_and_nothing_twice() -> None:
    data = random_interactions(50, 200, 0.15, seed=1)
    trial = with_validation(replace(data, valid=data.valid), torch.Generator().manual_seed(0))
    assert trial is not None
    assert trial.train.nnz + trial.valid.nnz == data.train.nnz
    union = trial.train.union(trial.valid)
    assert torch.equal(union.indices, data.train.indices)
    assert torch.equal(union.indptr, data.train.indptr)
    counts = data.train.counts()
    assert torch.equal(trial.valid.counts(), (counts * 0.1).round().clamp(min=1).long())


def test_with_too_little_to_choose_on_weights_are_equal() -> None:
    data = Interactions.from_arrays(["a", "b", "a"], ["x", "y", "z"])
    model = Plait().fit(data)
    assert len(set(list(model.blend.values())[:-1])) == 1
    assert "too few interactions to choose on: equal weights" in model.remarks


# ----------------------------------------------------------------------------------------------------- any catalogue


def test_a_catalogue_too_large_for_items_by_items_is_blended_without_ease(monkeypatch: pytest.MonkeyPatch) -> None:
    n_users, n_items = 60, 60_000
    generator = torch.Generator().manual_seed(0)
    rows = torch.arange(n_users).repeat_interleave(20)
    cols = torch.randint(0, n_items // 2, (len(rows),), generator=generator)
    cols[::2] = torch.randint(0, 400, (len(cols[::2]),), generator=generator) + 400 * (rows[::2] % 3)
    train = Csr.from_pairs(rows[:-1], cols[:-1], n_users, n_items)
    ids = [np.arange(n).astype(str) for n in (n_users, n_items)]
    nothing = Csr(torch.zeros(n_users + 1, dtype=torch.long), torch.empty(0, dtype=torch.int32), n_items)
    data = Interactions("large", pa.array(ids[0]), pa.array(ids[1]), train, nothing, nothing)
    families = (("ease",), ("als:embedding_dim=8:reg=10:n_iterations=2",), ("graph_filter",), ("item_knn",))
    monkeypatch.setattr(blend_module, "FAMILIES", families)
    monkeypatch.setattr("distaff_graph.plait.mixture._STARTS", 1)
    model = Plait(n_intents=3).fit(data)
    assert not any(name.startswith("ease") for name in model.blend)
    assert any("ease" in note and "max_gb=2" in note for note in model.remarks)
    users = torch.tensor([0, 1])
    score = model.predict(users)
    assert score.shape == (2, n_items)
    parts = model.all_intent_scores(users).sum(1)
    assert float((parts - score).abs().max()) < 1e-5 * float(score.abs().max())


def test_what_needs_no_matrix_of_all_items_stands_in_for_what_does_not_fit(
    planted: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    families = (("ease:penalty=50", "ease:penalty=200"), ("als:embedding_dim=4:reg=10:n_iterations=1",))
    monkeypatch.setattr(blend_module, "FAMILIES", families)
    small, large = (Blend(max_gb=max_gb).fit(planted) for max_gb in (1e-6, 1.0))
    assert any(name.startswith("sparse_ease") for name in small.blend)
    assert any(name.startswith("ease") for name in large.blend)
    assert not any("sparse_ease" in note for note in [*large.blend, *large.remarks])


def test_a_component_that_was_asked_for_and_does_not_fit_says_so(planted: Interactions) -> None:
    with pytest.raises(UnsupportedError, match=r"above max_gb=1e-06"):
        Blend(components="ease", weights="1", max_gb=1e-6).fit(planted)


# -------------------------------------------------------------------------------------------------------- cached scores


def test_pooled_scores_measure_what_full_rankings_do(planted: Interactions) -> None:
    models = [fitted(spec, planted, SESSION) for spec in ("ease:penalty=50", "als:embedding_dim=8", "rp3beta")]
    jury = Jury.of(planted, 10_000, torch.Generator())
    pool = Pool.of(jury, [model.weigh for model in models])
    for weights in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.3, 0.2)):
        named = ("ease:penalty=50", "als:embedding_dim=8", "rp3beta")
        expected = _valid(Blend(components=named, weights=weights).fit(planted), planted)
        recall, ndcg = pool.measure(torch.tensor(weights))
        assert recall == pytest.approx(expected["recall@20"], abs=1e-3)
        assert ndcg == pytest.approx(expected["ndcg@20"], abs=1e-3)


def test_a_jury_is_a_sample_of_who_has_both_parts(planted: Interactions) -> None:
    jury = Jury.of(planted, 50, torch.Generator().manual_seed(0))
    assert jury.history.n_rows == 50
    assert int(jury.history.counts().min()) > 0
    assert int(jury.relevant.counts().min()) > 0


# ------------------------------------------------------------------------------------------------------------- settings


def test_every_component_of_the_grid_can_be_made() -> None:
    specs = [spec for family in (*FAMILIES, *INSTEAD.values()) for spec in family]
    assert [component(spec).name for spec in specs] == [spec.partition(":")[0] for spec in specs]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"components": "dccf"}, "not linear"),
        ({"components": "plait"}, "not linear"),
        ({"components": "ease:penalty"}, "no setting"),
        ({"components": "nonsense"}, "nonsense"),
        ({"components": "ease:no_such=1"}, "no_such"),
        ({"components": "ease,ease"}, "once"),
        ({"weights": "1"}, "a weight for each component"),
        ({"components": "ease,als", "weights": "1"}, "a weight for each component"),
        ({"components": "ease,als", "weights": "1,-1"}, "not negative"),
        ({"components": "ease", "weights": "0"}, "above 0"),
    ],
)
def test_settings_that_make_no_blend_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Blend(**settings)


def test_a_blend_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="at least one component"):
        Blend(components=()).fit(checkerboard())
