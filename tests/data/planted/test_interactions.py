"""Planted interactions: what was planted is there, and nothing depends on how it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from distaff_data.errors import InputError, UnknownNameError
from distaff_data.planted.interactions import EVENT_SCHEMA, planted_interactions
from distaff_data.planted.samples import SAMPLES, sample
from distaff_data.tables.interactions import load_interactions, load_titles
from distaff_data.tables.reports import IngestReport
from distaff_data.workspace import Workspace

SMALL: dict[str, Any] = {"n_users": 60, "n_items": 40, "n_events": 3_000, "n_intents": 3}


def columns(**parameters: Any) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    table = planted_interactions(**{**SMALL, **parameters}).table()
    return {name: table[name].to_numpy() for name in table.column_names}


def test_the_same_seed_plants_the_same_and_another_does_not() -> None:
    first, again, other = (planted_interactions(**SMALL, seed=seed).table() for seed in (3, 3, 4))
    assert first.equals(again)
    assert not first.equals(other)


def test_events_are_complete_in_range_and_in_time_order() -> None:
    events = columns()
    assert len(events["user"]) == SMALL["n_events"]
    assert set(events["user"]) == set(range(60)), "every user has an event"
    assert events["item"].min() >= 0
    assert events["item"].max() < 40
    assert (np.diff(events["time"]) >= 0).all()


def test_shares_and_popularity_are_distributions_and_ids_are_padded() -> None:
    planted = planted_interactions(**SMALL)
    np.testing.assert_allclose(planted.theta.sum(axis=1), 1)
    np.testing.assert_allclose(planted.phi.sum(axis=1), 1)
    assert planted.popularity.sum() == pytest.approx(1)
    assert planted.user_ids[0].as_py() == "u0001"
    assert planted.item_ids[39].as_py() == "i0040"


def test_users_follow_their_shares_and_items_their_intents() -> None:
    planted = planted_interactions(n_users=20, n_items=50, n_events=100_000, n_intents=4, noise=0.1)
    table = planted.table()
    user, item, intent = (table[name].to_numpy() for name in ("user", "item", "intent"))
    assert (intent == -1).mean() == pytest.approx(0.1, abs=0.01)
    busiest = np.bincount(user).argmax()
    mine = intent[(user == busiest) & (intent >= 0)]
    np.testing.assert_allclose(np.bincount(mine, minlength=4) / len(mine), planted.theta[busiest], atol=0.03)
    for k in (-1, 1):
        chance = planted.popularity * (planted.phi[:, k] if k >= 0 else 1)
        found = np.bincount(item[intent == k], minlength=50) / (intent == k).sum()
        np.testing.assert_allclose(found, chance / chance.sum(), atol=0.02)


def test_categories_are_the_largest_intent_but_for_the_flips() -> None:
    honest = planted_interactions(**SMALL, category_flip=0)
    assert (honest.category == honest.phi.argmax(axis=1)).all()
    liar = planted_interactions(**SMALL, category_flip=1)
    assert (liar.category != liar.phi.argmax(axis=1)).all()


def test_conformity_replaces_intent_unevenly_among_users() -> None:
    events = columns(noise=0, conformity=0.4, n_events=30_000)
    crowd = events["intent"] == -1
    assert crowd.mean() == pytest.approx(0.4, abs=0.12)
    by_user = np.bincount(events["user"], weights=crowd) / np.bincount(events["user"])
    assert by_user.std() > 0.15


def test_drift_moves_users_from_one_draw_to_another() -> None:
    planted = planted_interactions(n_users=30, n_items=40, n_events=60_000, n_intents=3, drift=1, noise=0, seed=2)
    batches = list(planted.events())
    user, intent = (np.concatenate([batch[name].to_numpy() for batch in batches]) for name in ("user", "intent"))
    busiest = np.bincount(user).argmax()
    mine = intent[user == busiest]
    early, late = np.array_split(mine, 2)
    moved = np.bincount(late, minlength=3) / len(late) - np.bincount(early, minlength=3) / len(early)
    planned = (planted._theta_end - planted._theta_start)[busiest] / 2
    np.testing.assert_allclose(moved, planned, atol=0.06)
    np.testing.assert_allclose(np.bincount(mine, minlength=3) / len(mine), planted.theta[busiest], atol=0.05)


def test_exposure_hides_items_and_the_popular_ones_less() -> None:
    parameters: dict[str, Any] = {"n_users": 40, "n_items": 30, "n_events": 60_000, "n_intents": 2, "phi_alpha": 5.0}
    seen = np.zeros((40, 30), dtype=bool)
    planted = planted_interactions(**parameters, exposure=0.3, popularity_exponent=0.3)
    table = planted.table()
    seen[table["user"].to_numpy(), table["item"].to_numpy()] = True
    rank = np.argsort(-planted.popularity)
    assert 0.25 < seen.mean() < 0.6
    assert seen[:, rank[:10]].mean() > seen[:, rank[-10:]].mean() + 0.3


def test_correlated_intents_come_in_pairs() -> None:
    theta = planted_interactions(n_users=4000, n_events=4000, n_intents=4, intent_correlation=0.9).theta
    ranks = np.corrcoef(np.log(theta + 1e-12).T)
    assert ranks[0, 1] > 0.5
    assert ranks[0, 2] < 0


def test_blocks_of_users_are_bounded() -> None:
    planted = planted_interactions(n_users=3_000, n_items=50, n_events=2_500_000)
    sizes = [batch.num_rows for batch in planted.events()]
    assert sum(sizes) == 2_500_000
    assert max(sizes) < 1_500_000


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *[("n_users", 0), ("n_items", 0), ("n_intents", 0), ("n_events", 59), ("theta_alpha", 0), ("phi_alpha", -1.0)],
        *[("noise", 1.5), ("conformity", -0.1), ("drift", 2), ("exposure", 0), ("intent_correlation", float("nan"))],
        ("category_flip", -1),
    ],
)
def test_a_parameter_out_of_range_is_refused(parameter: str, value: float) -> None:
    with pytest.raises(InputError) as caught:
        planted_interactions(**{**SMALL, parameter: value})
    assert caught.value.column == parameter


def test_a_sample_is_a_dataset_with_its_truth(workspace: Workspace) -> None:
    report = sample(workspace, "planted-interactions", seed=1, **SMALL)
    assert isinstance(report, IngestReport)
    warehouse = workspace.warehouse
    assert (report.dataset, report.users, report.split) == ("planted-interactions", 60, "random:0.8,0.1,0.1")
    assert report.train + report.valid + report.test + report.duplicates_merged == 3_000
    loaded = load_interactions(warehouse, "planted-interactions")
    assert loaded.train.nnz == report.train
    planted = planted_interactions(seed=1, **SMALL)
    truth = warehouse.rows("SELECT id, shares FROM truths WHERE entity = 'user' ORDER BY id")
    np.testing.assert_allclose([row["shares"] for row in truth], planted.theta, rtol=1e-5, atol=1e-7)
    unexplained = warehouse.rows(
        "SELECT count(*) AS n FROM interactions ANTI JOIN truth_events USING (user_id, item_id)"
    )
    assert unexplained == [{"n": 0}]
    titles = load_titles(warehouse, "planted-interactions")
    assert len(titles) == 40
    assert titles["i0001"].endswith("i0001")
    with pytest.raises(InputError, match="already"):
        sample(workspace, "planted-interactions", **SMALL)
    again = sample(workspace, "planted-interactions", replace=True, name="planted-interactions", seed=1, **SMALL)
    assert isinstance(again, IngestReport)
    assert again.train == report.train


def test_the_intent_stored_is_that_of_the_event_that_was_kept(workspace: Workspace) -> None:
    sample(workspace, "planted-interactions", name="p", **SMALL)
    events = planted_interactions(**SMALL).table()
    assert events.schema == EVENT_SCHEMA
    latest: dict[tuple[str, str], int] = {}
    for row in events.to_pylist():  # in time order: the last one of a pair is kept
        latest[f"u{row['user'] + 1:04}", f"i{row['item'] + 1:04}"] = row["intent"]
    stored = workspace.warehouse.rows("SELECT user_id, item_id, intent FROM truth_events")
    assert {(row["user_id"], row["item_id"]): row["intent"] for row in stored} == latest


def test_an_unknown_sample_or_parameter_offers_near_misses(workspace: Workspace) -> None:
    assert "planted-interactions" in SAMPLES
    with pytest.raises(UnknownNameError, match="did you mean planted-interactions"):
        sample(workspace, "planted-interaction")
    with pytest.raises(UnknownNameError, match="did you mean n_users"):
        sample(workspace, "planted-interactions", n_user=3)
