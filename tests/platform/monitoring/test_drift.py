"""Planted drift is found, and two samples of one population are not called drifted."""

from __future__ import annotations

import numpy as np
import pytest
from published import publish
from scipy.signal import lfilter

from distaff.model.base import Model
from distaff.model.fitting import fit
from distaff.monitoring import drift
from distaff.monitoring.drift import DriftMeasure
from distaff.runs import records, training
from distaff.stats.moments import ChannelMoments
from distaff_data.datasets.incidents import Case, Incidents
from distaff_data.datasets.interactions import Interactions
from distaff_data.datasets.series import Series
from distaff_data.workspace import Workspace
from distaff_graph.controls.nmf import NMF
from distaff_graph.controls.popularity import Popularity
from distaff_graph.diagnosis.controls.scores import NSigma
from distaff_timeseries.controls.pca import PCA

N_ITEMS, N_GROUPS = 60, 3


def population(
    seed: int, n_users: int = 300, *, groups: tuple[float, ...] = (1 / 3,) * 3, mean_items: float = 12.0
) -> Interactions:
    """Users of three tastes who take items mostly of their own third; ``groups`` says how common each taste is."""
    draw = np.random.default_rng(seed)
    users, items = [], []
    for user in range(n_users):
        taste = draw.choice(N_GROUPS, p=groups)
        weight = np.where(np.arange(N_ITEMS) % N_GROUPS == taste, 1.0, 0.05)
        n = int(np.clip(draw.poisson(mean_items), 2, 18))
        taken = draw.choice(N_ITEMS, n, replace=False, p=weight / weight.sum())
        users += [f"{seed}-{user}"] * n
        items += [f"i{item}" for item in taken]
    return Interactions.from_arrays(users, items, name="shop")


@pytest.fixture(scope="module")
def fitted() -> NMF:
    return NMF(n_intents=3).fit(population(0), device="cpu")


def told(found: list[DriftMeasure]) -> set[str]:
    return {d.part for d in found if d.drifted}


@pytest.mark.parametrize("seed", range(1, 9))
def test_another_sample_of_the_same_people_has_not_drifted(fitted: NMF, seed: int) -> None:
    found = drift.compare(fitted, population(seed))
    assert told(found) == set()
    assert {d.part for d in found} == {"items", "activity", "factors"}


def test_the_same_data_is_no_distance_away(fitted: NMF) -> None:
    assert [d.value for d in drift.compare(fitted, population(0))] == pytest.approx([0, 0, 0], abs=1e-9)


def test_another_mix_of_tastes_is_found_in_items_and_factors(fitted: NMF) -> None:
    found = drift.compare(fitted, population(1, groups=(0.7, 0.15, 0.15)))
    assert {"items", "factors"} <= told(found)
    assert "activity" not in told(found)
    (factors,) = [d for d in found if d.part == "factors"]
    assert factors.value == pytest.approx(0.7 - 1 / 3, abs=0.12)  # what the mix of tastes moved by
    assert str(factors.detail).startswith("factor ")


def test_people_who_take_less_are_found_in_activity_alone(fitted: NMF) -> None:
    assert told(drift.compare(fitted, population(1, mean_items=6.0))) == {"activity"}


def test_items_that_the_model_does_not_know_count(fitted: NMF) -> None:
    data = population(1)
    ids = [f"new{i}" if n % 3 == 0 else i for n, i in enumerate(data.item_ids.to_pylist())]
    users = np.array(data.user_ids.to_pylist())[data.train.row_index().numpy()]
    items = np.array(ids)[data.train.indices.numpy()]
    found = drift.compare(fitted, Interactions.from_arrays(users, items, name="shop"))
    (of_items,) = [d for d in found if d.part == "items"]
    assert of_items.drifted
    assert "does not know" in str(of_items.detail)


def joined(*parts: Interactions) -> Interactions:
    """All pairs of several datasets as one, as an ingestion of a log that has grown gives them."""
    users = [np.array(part.user_ids.to_pylist())[part.train.row_index().numpy()] for part in parts]
    items = [np.array(part.item_ids.to_pylist())[part.train.indices.numpy()] for part in parts]
    return Interactions.from_arrays(np.concatenate(users), np.concatenate(items), name="shop")


@pytest.fixture(scope="module")
def two_thousand() -> tuple[Interactions, NMF]:
    data = population(100, 2000)
    return data, NMF(n_intents=3).fit(data, device="cpu")


def test_ten_per_cent_new_people_of_one_taste_are_found_beside_all_old_rows(
    two_thousand: tuple[Interactions, NMF],
) -> None:
    data, model = two_thousand
    for seed in range(1, 6):
        found = drift.compare(model, joined(data, population(seed, 200, groups=(1.0, 0.0, 0.0))))
        assert told(found) == {"items", "factors"}
        (items,) = [d for d in found if d.part == "items"]
        assert items.name == "new users"
        assert items.value > 0.5  # and not a tenth of it: the old rows are left out


def test_new_people_like_the_old_ones_are_no_drift(two_thousand: tuple[Interactions, NMF]) -> None:
    data, model = two_thousand
    alarms = [told(drift.compare(model, joined(data, population(seed, 200)))) for seed in range(1, 21)]
    assert sum(map(bool, alarms)) <= 1, alarms


def test_known_people_are_compared_with_themselves() -> None:
    alarms = []
    for seed in range(20):
        draw = np.random.default_rng(seed)
        everything = population(seed, 300)
        users = np.array(everything.user_ids.to_pylist())[everything.train.row_index().numpy()]
        items = np.array(everything.item_ids.to_pylist())[everything.train.indices.numpy()]
        then = draw.random(len(users)) < 0.7
        model = NMF(n_intents=3).fit(Interactions.from_arrays(users[then], items[then], name="shop"), device="cpu")
        found = drift.compare(model, everything)
        assert {d.name for d in found} <= {"new users", "known users"}
        assert {d.part for d in found if d.name == "known users"} == {"items", "factors"}
        alarms.append({(d.part, d.name) for d in found if d.drifted and d.name == "known users"})
    assert sum(map(bool, alarms)) <= 1, alarms


def test_known_people_who_turn_to_one_taste_are_found() -> None:
    for seed in range(5):
        data = population(seed, 300)
        more = population(seed, 300, groups=(1.0, 0.0, 0.0), mean_items=6.0)  # the same ids
        model = NMF(n_intents=3).fit(data, device="cpu")
        found = drift.compare(model, joined(data, more))
        assert {(d.part, d.name) for d in found if d.drifted} >= {("items", "known users"), ("factors", "known users")}


def test_what_one_person_takes_hangs_together_and_is_no_drift_for_it() -> None:
    """Everybody's new items are of one taste, drawn anew: within a person nothing is alike, over people everything is."""
    alarms = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        pairs = []
        for user in range(200):
            for since in (False, True):
                group = int(draw.integers(N_GROUPS))
                own = np.arange(group, N_ITEMS, N_GROUPS)
                pairs += [(f"u{user}", f"i{item}", since) for item in draw.choice(own, 8, replace=False)]
        users, items, late = (np.array(column) for column in zip(*pairs, strict=True))
        then = Interactions.from_arrays(users[~late], items[~late], name="shop")
        found = drift.compare(Popularity().fit(then, device="cpu"), Interactions.from_arrays(users, items, name="shop"))
        alarms += any(d.drifted for d in found)
    assert alarms <= 1


def test_held_out_items_of_the_fit_are_nothing_new() -> None:
    data = population(0)
    users = np.array(data.user_ids.to_pylist())[data.train.row_index().numpy()]
    items = np.array(data.item_ids.to_pylist())[data.train.indices.numpy()]
    splits = np.random.default_rng(0).choice(["train", "valid", "test"], len(users), p=[0.6, 0.2, 0.2])
    model = Popularity().fit(Interactions.from_arrays(users, items, splits, name="shop"), device="cpu")
    found = drift.compare(model, data)
    assert {d.detail for d in found} == {drift.NOTHING_NEW}
    assert drift.news(found) == "drift: nothing came since the fit"
    assert drift.warning(found) is None


def waves(seed: int, *, shift: float = 0.0, scale: float = 1.0) -> Series:
    draw = np.random.default_rng(seed)
    time = np.arange(3000)
    values = np.stack([np.sin(time / 7) + draw.normal(0, 0.3, 3000), draw.normal(5, 2, 3000)], 1)
    values[:, 1] = (values[:, 1] - 5) * scale + 5 + shift
    return Series.from_rows(values.astype(np.float32), [3000], channels=["wave", "noise"], name="plant")


@pytest.fixture(scope="module")
def encoder() -> PCA:
    return PCA(seq_len=48, horizons=(24,)).fit(waves(0), device="cpu")


@pytest.mark.parametrize("seed", range(1, 6))
def test_another_stretch_of_the_same_process_has_not_drifted(encoder: PCA, seed: int) -> None:
    assert told(drift.compare(encoder, waves(seed))) == set()


@pytest.mark.parametrize(
    ("change", "measure"), [({"shift": 1.0}, "shift of the mean"), ({"scale": 1.6}, "ratio of the spreads")]
)
def test_channel_that_moved_is_named(encoder: PCA, change: dict[str, float], measure: str) -> None:
    found = [d for d in drift.compare(encoder, waves(1, **change)) if d.drifted]
    assert {(d.name, d.measure) for d in found} == {("noise", measure)}
    expected = 0.5 if measure == "shift of the mean" else np.log(1.6)
    assert found[0].value == pytest.approx(expected, abs=0.1)


def wandering(seed: int, rows: int) -> Series:
    """Two channels whose neighbouring rows are nearly equal, AR(1) with .9 and .99, begun where they stay."""
    noise, channels = np.random.default_rng(seed).normal(size=(rows + 1000, 2)), []
    for at, rho in enumerate((0.9, 0.99)):
        channels.append(lfilter([np.sqrt(1 - rho**2)], [1.0, -rho], noise[:, at])[1000:])
    values = np.stack(channels, 1).astype(np.float32)
    return Series.from_rows(values, [rows], channels=["fast", "slow"], name="plant")


def first_rows(data: Series, rows: int) -> Series:
    return Series.from_rows(data.values[:rows].numpy(), [rows], channels=data.channels, name="plant")


def test_rows_that_follow_of_the_same_process_are_no_drift() -> None:
    alarms = dict.fromkeys((1, 10, 100, 1000), 0)
    model = PCA(seq_len=48, horizons=(24,)).fit(wandering(0, 500), device="cpu")
    for seed in range(25):
        data = wandering(seed, 4000)
        model.bind(first_rows(data, 3000))
        for more in alarms:
            found = drift.compare(model, first_rows(data, 3000 + more))
            assert found[0].detail != drift.NOTHING_NEW
            alarms[more] += any(d.drifted for d in found)
    assert max(alarms.values()) <= 1, alarms


def test_rows_that_were_there_do_not_thin_out_those_that_came(encoder: PCA) -> None:
    then = waves(0)
    for seed in range(1, 6):
        since = waves(seed, shift=1.5).values[:150].numpy()
        values = np.concatenate([then.values.numpy(), since])
        now = Series.from_rows(values, [len(values)], channels=["wave", "noise"], name="plant")
        found = [d for d in drift.compare(encoder, now) if d.drifted]
        assert [(d.name, d.measure) for d in found] == [("noise", "shift of the mean")]
        assert found[0].value == pytest.approx(0.75, abs=0.3)
    assert {d.detail for d in drift.compare(encoder, then)} == {drift.NOTHING_NEW}


def outages(seed: int, n: int, *, shift: float = 0.0) -> tuple[Case, ...]:
    draw = np.random.default_rng(seed)
    times = np.arange(120.0)
    return tuple(
        Case(f"case-{i}", ("a|load", "b|load"), times, draw.normal([0, shift], 1, (120, 2)), onset=80.0)
        for i in range(n)
    )


def test_cases_that_came_are_compared_and_those_that_were_there_are_not() -> None:
    old = outages(0, 30)
    model = NSigma()
    fit(model, Incidents("outages", old), seed=0, device="cpu", report=lambda epoch: None)
    assert {d.detail for d in drift.compare(model, Incidents("outages", old))} == {drift.NOTHING_NEW}
    found = drift.compare(model, Incidents("outages", (*old, *outages(1, 2, shift=2.0))))
    assert {d.name for d in found if d.drifted} == {"b|load"}
    alarms = [
        [d.name for d in drift.compare(model, Incidents("outages", (*old, *outages(s, 2)))) if d.drifted]
        for s in range(2, 32)
    ]
    assert sum(map(bool, alarms)) <= 1, alarms


def test_moments_know_how_sure_they_are() -> None:
    draw = np.random.default_rng(0)
    found = ChannelMoments.from_blocks(draw.normal(3, 2, 4000), np.arange(4000) // 10)
    assert found is not None
    assert found.mean_error == pytest.approx(1 / np.sqrt(4000), rel=0.2)
    assert found.spread_error == pytest.approx(1 / np.sqrt(2 * 4000), rel=0.25)
    assert ChannelMoments.from_blocks(np.ones(5), np.zeros(5, dtype=np.int64)) is None


def test_comparison_is_stored_and_warned_of(workspace: Workspace) -> None:
    publish(workspace, population(0))
    run = training.train(workspace, "nmf", "shop", settings={"n_intents": 3}, device="cpu").run
    assert drift.warning(drift.measure(workspace, run)) is None
    publish(workspace, population(1, groups=(0.8, 0.1, 0.1)))
    said = drift.warning(drift.measure(workspace, run, "execution"))
    assert said is not None
    assert "items of new users (total variation" in said
    rows = workspace.warehouse.rows("SELECT execution, part, drifted FROM drifts ORDER BY written_at, part")
    assert [row["drifted"] for row in rows] == [False] * 3 + [False, True, True]
    assert rows[-1]["execution"] == "execution"
    workspace.warehouse.drop("dataset/shop")
    assert drift.measure(workspace, run) == []
    assert isinstance(Model.load(records.model_folder(workspace, run)), NMF)
