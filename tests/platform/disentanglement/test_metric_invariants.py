"""What may be done to latents without changing what is measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distaff.disentanglement import info_mec, mcc, mig, modularity, mutual_information

N = 400


def _data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (N, 2))
    latents = np.hstack([x @ rng.standard_normal((2, 2)), rng.standard_normal((N, 1)), rng.integers(0, 4, (N, 1))])
    return latents, ((x + 1) * 2).astype(int)


SEEDS = st.integers(0, 2**32 - 1)
QUICK = settings(max_examples=8, deadline=None)


@QUICK
@given(SEEDS, st.permutations(range(4)))
def test_the_order_of_latents(seed: int, order: list[int]) -> None:
    z, s = _data(seed)
    assert np.array_equal(mutual_information(z[:, order], s), mutual_information(z, s)[:, order])
    for metric in (mig, modularity, mcc):
        assert metric(z[:, order], s).value == pytest.approx(metric(z, s).value)
    plain, moved = info_mec(z, s), info_mec(z[:, order], s)
    assert moved.info_m.value == pytest.approx(plain.info_m.value)
    assert moved.info_c.value == pytest.approx(plain.info_c.value)


@QUICK
@given(
    SEEDS,
    st.lists(st.floats(1e-6, 1e6), min_size=4, max_size=4),
    st.lists(st.floats(-100, 100), min_size=4, max_size=4),
)
def test_scale_and_origin(seed: int, scale: list[float], origin: list[float]) -> None:
    z, s = _data(seed)
    # A latent of scale 1e-6 around 100 still has ten digits.
    other = z * scale + np.array(origin) * scale
    for metric in (mig, modularity, mcc):
        assert metric(other, s).value == pytest.approx(metric(z, s).value)
    assert info_mec(other, s).info_m.value == pytest.approx(info_mec(z, s).info_m.value)


@QUICK
@given(SEEDS)
def test_monotone_maps(seed: int) -> None:
    z, s = _data(seed)
    for mapped in (z**3, np.exp(z), np.arctan(z)):
        assert np.array_equal(mutual_information(mapped, s), mutual_information(z, s))
    assert info_mec(np.exp(z), s).info_c.value == info_mec(z, s).info_c.value


@QUICK
@given(SEEDS)
def test_names_of_classes(seed: int) -> None:
    z, s = _data(seed)
    names = np.array(["d", "a", "c", "b"])
    assert mutual_information(z, names[s]) == pytest.approx(mutual_information(z, s))


@QUICK
@given(SEEDS)
def test_values_lie_in_their_range_and_in_their_interval(seed: int) -> None:
    z, s = _data(seed)
    found = info_mec(z, s, seed=seed)
    for score in (found.info_m, found.info_c, mig(z, s), modularity(z, s), mcc(z, s)):
        assert score.low is not None
        assert score.high is not None
        assert 0 <= score.low <= score.value <= score.high <= 1
