"""Planted windows: the factors are what they claim to be, and the truth lies beside the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from distaff_data.errors import InputError, UnknownNameError
from distaff_data.planted.samples import sample
from distaff_data.planted.series import FACTORS, _triangle, planted_series
from distaff_data.tables.series import load_series
from distaff_data.workspace import Workspace


def test_without_noise_the_windows_lie_in_the_span_of_three_components() -> None:
    planted = planted_series(n_windows=20, noise=0)
    found = planted.windows @ np.linalg.pinv(planted.mixing)
    factors = {name: values[:, None] for name, values in planted.factors.items()}
    t = np.arange(96)
    angle = 2 * np.pi * t / factors["period"] + factors["phase"]
    np.testing.assert_allclose(found[:, :, 1], factors["amplitude"] * np.sin(angle), atol=1e-5)
    np.testing.assert_allclose(found[:, :, 0].mean(1), planted.factors["level"], atol=1e-5)
    np.testing.assert_allclose(found[:, -1, 0] - found[:, 0, 0], 2 * planted.factors["slope"], atol=1e-5)


def test_factors_are_independent_and_correlation_ties_pairs() -> None:
    values = np.stack([planted_series(n_windows=4000, n_steps=4).factors[name] for name in FACTORS])
    assert np.abs(np.corrcoef(values) - np.eye(6)).max() < 0.08
    tied = planted_series(n_windows=4000, n_steps=4, correlation=0.8).factors
    assert np.corrcoef(tied["level"], tied["slope"])[0, 1] > 0.7
    assert np.corrcoef(tied["amplitude"], tied["phase"])[0, 1] > 0.7


def test_missing_blocks_and_dead_channels() -> None:
    planted = planted_series(n_windows=30, missing=0.25, dead_channels=1)
    gone = np.isnan(planted.windows)
    assert (gone.sum(1) == 24).all()
    assert np.nanstd(planted.windows[:, :, 3]) == 0


def test_sample_stores_the_truth(workspace: Workspace) -> None:
    report = sample(workspace, "planted-series", n_windows=60, n_steps=24, seed=3)
    data = load_series(workspace.warehouse, "planted-series")
    planted = planted_series(n_windows=60, n_steps=24, seed=3)
    assert data.values.reshape(60, 24, 4).numpy() == pytest.approx(planted.windows)
    assert (report.as_dict()["whole"], data.n_entities) == (True, 60)
    assert [data.classes[code] for code in data.labels] == planted.labels
    rows = workspace.warehouse.rows("SELECT value FROM truth_factors WHERE factor = 'phase' ORDER BY entity")
    assert [row["value"] for row in rows] == pytest.approx(planted.factors["phase"])


@pytest.mark.parametrize(
    "parameters",
    [
        {"noise": -1},
        {"missing": 0.95},
        {"dead_channels": 4},
        {"n_steps": 1},
        {"correlation": 2},
        {"triangle": 1.5},
        {"second": -1},
    ],
)
def test_parameters_out_of_range_are_refused(workspace: Workspace, parameters: dict[str, float]) -> None:
    with pytest.raises(InputError):
        sample(workspace, "planted-series", **parameters)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError):
        sample(workspace, "planted-series", windows=3)


_BENT: tuple[dict[str, Any], ...] = ({"triangle": 1.0}, {"second": 1.0})


def test_triangles_and_a_second_wave_leave_all_else_as_it_is() -> None:
    plain = planted_series(n_windows=60, noise=0.0, seed=3)
    bent, second = (planted_series(n_windows=60, noise=0.0, seed=3, **knobs) for knobs in _BENT)
    for name, values in plain.factors.items():
        np.testing.assert_array_equal(bent.factors[name], values)
        np.testing.assert_array_equal(second.factors[name], values)
    assert set(second.factors) - set(plain.factors) == {"second_amplitude", "second_phase"}
    rest = second.windows - plain.windows
    t, one = np.arange(96), 0
    wave = second.factors["second_amplitude"][one] * np.sin(2 * np.pi * t / 5 + second.factors["second_phase"][one])
    np.testing.assert_allclose(rest[one], np.outer(wave, second.mixing[3]), atol=1e-5)
    # A triangle of height 1 is 8 / pi^2 of a sine and 1 / 9 of that at three times its frequency: Fourier's series.
    turn = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    triangle = _triangle(turn)
    np.testing.assert_allclose(2 * (triangle * np.sin(turn)).mean(), 8 / np.pi**2, atol=1e-4)
    np.testing.assert_allclose(2 * (triangle * np.sin(3 * turn)).mean(), -8 / (9 * np.pi**2), atol=1e-4)
    assert np.abs(bent.windows - plain.windows).max() > 0.1
