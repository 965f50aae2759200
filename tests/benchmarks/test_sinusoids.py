"""The fit by hand finds what was planted where its knowledge is true."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from distaff_data.planted.series import planted_series

ROOT = Path(__file__).resolve().parents[2]


def test_every_factor_of_a_line_and_one_wave_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    sinusoids = importlib.import_module("benchmarks.sinusoids")
    planted = planted_series(n_windows=400, noise=0.5, seed=4)
    train = np.arange(400) < 300
    level, slope, amplitude, cosine, sine, period, rest = sinusoids.fitted(planted.windows.astype(float), train).T
    truth = {name: values[~train] for name, values in planted.factors.items()}

    def alike(found: np.ndarray, name: str) -> float:
        return float(abs(np.corrcoef(found[~train], truth[name])[0, 1]))

    assert alike(level, "level") > 0.99
    assert alike(slope, "slope") > 0.98
    assert alike(amplitude, "amplitude") > 0.98
    assert alike(rest, "regime") > 0.98
    np.testing.assert_allclose(np.exp(period[~train]), truth["period"], rtol=0.05)
    turned = np.exp(1j * (np.arctan2(sine, cosine)[~train] - truth["phase"]))
    assert abs(turned.mean()) > 0.98  # the phase, up to one turn for all
