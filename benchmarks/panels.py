"""Panels of series with planted structure, one for each thing that a default forecast must stand: made here, held nowhere.

Each is a long frame ``unique_id, ds, y`` as people bring it, and the horizon it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

Values = npt.NDArray[np.float64]
_START = datetime(2024, 1, 1)


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        name: What the table calls it.
        make: Makes the values of every entity from a random generator.
        step: Between rows.
        horizon: Rows ahead.
        gaps: Share of the stamps that are left out.
    """

    name: str
    make: Callable[[np.random.Generator], list[Values]]
    step: timedelta = timedelta(hours=1)
    horizon: int = 24
    gaps: float = 0.0

    def frame(self, seed: int) -> pl.DataFrame:
        """Return the panel as a long frame."""
        rng = np.random.default_rng([seed, *self.name.encode()])
        frames = []
        for number, values in enumerate(self.make(rng), 1):
            kept = np.flatnonzero((rng.random(len(values)) >= self.gaps) | (np.arange(len(values)) == 0))
            stamps = [_START + self.step * int(row) for row in kept]
            frames.append(pl.DataFrame({"unique_id": f"s{number:03d}", "ds": stamps, "y": values[kept]}))
        return pl.concat(frames)


def _noise(rng: np.random.Generator, n: int, memory: float = 0.6) -> Values:
    """Return autoregressive noise of deviation 1."""
    rows: Values = np.zeros(n)
    for row, shock in enumerate(rng.normal(size=n)):
        rows[row] = memory * rows[row - 1] + shock
    rows *= np.sqrt(1 - memory**2)
    return rows


def _season(rng: np.random.Generator, n: int, period: int, harmonics: int = 3) -> Values:
    """Return a wave of some harmonics, of deviation 1 or so."""
    t = np.arange(n) * 2 * np.pi / period
    waves = [rng.normal() * np.sin(k * t + rng.uniform(0, 2 * np.pi)) / k for k in range(1, harmonics + 1)]
    total: Values = np.sum(waves, axis=0)
    return total / max(float(total.std()), 1e-9)


def _unequal(rng: np.random.Generator) -> list[Values]:
    return [
        scale * (5 + 1.5 * _season(rng, 1200, 24) + 0.7 * _season(rng, 1200, 168) + 0.5 * _noise(rng, 1200))
        for scale in np.geomspace(1, 1e4, 12)
    ]


def _unlike(rng: np.random.Generator) -> list[Values]:
    """Unequal scale, and every entity a process of another kind."""
    walks = [s * rng.normal(size=900).cumsum() / 10 for s in (1e4, 1e2, 1.0)]
    waves = [s * (_season(rng, 900, p) + 0.3 * _noise(rng, 900)) for s, p in ((1e3, 24), (10.0, 12), (0.1, 7))]
    noises = [s * (3 + _noise(rng, 900, 0.2)) for s in (3e3, 30.0, 0.3)]
    return [*walks, *waves, *noises]


def _seasons(rng: np.random.Generator) -> list[Values]:
    return [
        _season(rng, 2400, 24) * (1 + 0.5 * _season(rng, 2400, 168, 2))
        + _season(rng, 2400, 168)
        + 0.4 * _noise(rng, 2400)
        for _ in range(4)
    ]


def _trends(rng: np.random.Generator) -> list[Values]:
    return [
        rng.uniform(-0.03, 0.03) * np.arange(400) + _season(rng, 400, 7) + 0.5 * _noise(rng, 400, 0.3)
        for _ in range(12)
    ]


def _shifts(rng: np.random.Generator) -> list[Values]:
    return [
        (rng.random(600) < 0.01).astype(float).cumsum() % 3 * rng.uniform(2, 6)
        + 0.5 * _season(rng, 600, 24)
        + 0.5 * _noise(rng, 600)
        for _ in range(12)
    ]


def _walks(rng: np.random.Generator) -> list[Values]:
    return [rng.normal(size=700).cumsum() for _ in range(8)]


def _intermittent(rng: np.random.Generator) -> list[Values]:
    return [
        (rng.random(300) < rate) * rng.poisson(rng.uniform(1, 20), 300).astype(float)
        for rate in np.linspace(0.05, 0.6, 24)
    ]


def _growth(rng: np.random.Generator) -> list[Values]:
    return [
        np.exp(rng.uniform(0.0005, 0.002) * np.arange(900) + 0.3 * _season(rng, 900, 24) + 0.1 * _noise(rng, 900))
        * rng.lognormal(2, 2)
        for _ in range(10)
    ]


def _monthly(rng: np.random.Generator) -> list[Values]:
    lengths = rng.integers(60, 130, 40)
    return [
        rng.lognormal(4, 2)
        * (10 + rng.uniform(-0.03, 0.06) * np.arange(n) + _season(rng, n, 12) + 0.5 * _noise(rng, n, 0.8))
        for n in lengths
    ]


def _short(rng: np.random.Generator) -> list[Values]:
    return [rng.lognormal(3, 2) * (8 + rng.normal() * np.arange(30) / 10 + _noise(rng, 30, 0.7)) for _ in range(60)]


def _mixed(rng: np.random.Generator) -> list[Values]:
    return [
        rng.lognormal(3, 2) * (5 + 1.5 * _season(rng, n, 24) + 0.5 * _noise(rng, n)) for n in [*[900] * 8, *[60] * 16]
    ]


PANELS = (
    Panel("unequal scale", _unequal),
    Panel("unlike entities", _unlike),
    Panel("two seasons", _seasons),
    Panel("trends", _trends, step=timedelta(days=1)),
    Panel("level shifts", _shifts),
    Panel("walks", _walks),
    Panel("intermittent", _intermittent, step=timedelta(days=1)),
    Panel("growth", _growth),
    Panel("monthly", _monthly, step=timedelta(days=30), horizon=12),
    Panel("30 rows", _short, step=timedelta(days=1), horizon=6),
    Panel("mixed lengths", _mixed),
    Panel("missing stamps", _unequal, gaps=0.1),
)
