"""Planted drift is found, and two samples of one population are not called drifted."""

from __future__ import annotations

import numpy as np
import pytest
from published import publish

from distaff.model.base import Model
from distaff.monitoring import drift
from distaff.monitoring.drift import Drift
from distaff.runs import records, training
from distaff.stats.moments import ChannelMoments
from distaff_data.datasets.interactions import Interactions
from distaff_data.datasets.series import Series
from distaff_data.workspace import Workspace
from distaff_graph.controls.nmf import NMF
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


def told(found: list[Drift]) -> set[str]:
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
    assert "items (total variation" in said
    rows = workspace.warehouse.rows("SELECT execution, part, drifted FROM drifts ORDER BY written_at, part")
    assert [row["drifted"] for row in rows] == [False] * 3 + [False, True, True]
    assert rows[-1]["execution"] == "execution"
    workspace.warehouse.drop("dataset/shop")
    assert drift.measure(workspace, run) == []
    assert isinstance(Model.load(records.model_folder(workspace, run)), NMF)
