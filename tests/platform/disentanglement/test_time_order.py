"""Rows in the order of time: slow series that have nothing in common are noise, and what they share is still found."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from distaff.disentanglement import info_mec
from distaff.disentanglement.information import floor
from distaff.disentanglement.inputs import Floats
from distaff.disentanglement.study import LatentStudy


def _slow(rng: np.random.Generator, n: int, columns: int, phi: float) -> Floats:
    """Independent autoregressive columns ``(n, columns)`` that have settled."""
    return np.asarray(lfilter([1.0], [1.0, -phi], rng.normal(size=(n + 1000, columns)), axis=0)[1000:])


def _informative(study: LatentStudy) -> int:
    return int(study.floor.passed(study.nmi).any(0).sum())


def test_slow_series_that_have_nothing_in_common_are_noise() -> None:
    shifted, shuffled = 0, 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        z, s = _slow(rng, 1500, 8, 0.99), _slow(rng, 1500, 4, 0.99)
        shifted += _informative(LatentStudy(z, s, in_time_order=True))
        shuffled += _informative(LatentStudy(z, s))
    assert shifted <= 3  # of 64: 5 %
    assert shuffled == 64


def test_trends_that_have_only_time_in_common_are_noise() -> None:
    passed = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        time = np.linspace(-1.5, 1.5, 800)[:, None]
        z, s = (time * rng.choice([-1, 1], n) + 0.3 * rng.normal(size=(800, n)) for n in (4, 2))
        passed += _informative(LatentStudy(z, s, in_time_order=True))
    assert passed <= 1  # of 32: 5 %


def test_a_slow_factor_is_still_found() -> None:
    rng = np.random.default_rng(0)
    s = _slow(rng, 1500, 3, 0.95)
    z = np.hstack([s / s.std(0) + 0.1 * rng.normal(size=s.shape), _slow(rng, 1500, 2, 0.95)])
    found = info_mec(z, s, in_time_order=True).info_m
    assert found.uninformative == 2
    assert found.uncaptured == 0
    assert found.value > 0.9
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high


def test_rows_in_any_order_keep_their_floor() -> None:
    rng = np.random.default_rng(1)
    z, s = rng.normal(size=(400, 3)), rng.normal(size=(400, 2))
    study = LatentStudy(z, s)
    again = floor(study.latents.values, study.factors, "quantile", 0)
    np.testing.assert_array_equal(study.floor.limit, again.limit)
    assert not np.array_equal(LatentStudy(z, s, in_time_order=True).floor.limit, again.limit)


def test_blocks_of_neighbours_widen_the_interval_of_slow_rows() -> None:
    rng = np.random.default_rng(2)
    s = _slow(rng, 1500, 2, 0.98)
    z = s / s.std(0) + rng.normal(size=s.shape)
    intervals = [info_mec(z, s, in_time_order=ordered).info_e for ordered in (False, True)]
    widths = [i.high - i.low for i in intervals if i.high is not None and i.low is not None]
    assert widths[1] > 1.5 * widths[0]
