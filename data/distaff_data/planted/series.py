"""Windows with planted factors: generated series whose level, slope, amplitude, period, phase and regime are known.

Three component series (level and slope, a sine, and its quadrature) are mixed into the channels, and noise whose size
depends on the regime is added. The factors are independent, so a code that holds one of them says nothing about another.
Linear components such as principal ones find level and slope, but hardly amplitude, phase and regime: there a learned
representation has something to add.

A decoder made of a line and one sine can write all of it. What it cannot write is planted by ``triangle``, the share of a
triangle wave in place of the sine, and by ``second``, the size of another wave of its own period, whose amplitude and phase
are two more factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from distaff_data.arrays import Floats
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError
from distaff_data.splits.series import divide

FACTORS = ("level", "slope", "amplitude", "period", "phase", "regime")
PERIODS = (8.0, 16.0, 24.0)
SPLIT = "random:0.7,0.1,0.2"
_CALM, _VOLATILE = 0.1, 0.5  # standard deviation of the noise
_SECOND_PERIOD = 5.0  # rows; no multiple or part of any of ``PERIODS``


@dataclass(frozen=True)
class PlantedSeries:
    """Generated windows with their truth.

    Attributes:
        windows: float32 ``(n_windows, n_steps, n_channels)``, NaN where missing.
        factors: Each of ``FACTORS`` by window, ``(n_windows,)``; the period in steps, the phase in radians, the regime 0
            (calm) or 1 (volatile). With a second wave, its ``second_amplitude`` and ``second_phase`` too.
        mixing: From the three components to the channels, ``(3, n_channels)``; a fourth is the second wave.
        parameters: What they were generated with.
    """

    windows: npt.NDArray[np.float32]
    factors: dict[str, Floats]
    mixing: Floats
    parameters: dict[str, float]

    @property
    def labels(self) -> list[str]:
        """Period and regime of each window in words: a class that no linear component shows."""
        names = np.array(["calm", "volatile"])[self.factors["regime"].astype(int)]
        return [f"{period:g} {name}" for period, name in zip(self.factors["period"], names, strict=True)]

    def series(self, name: str = "planted-series") -> Series:
        """Return the windows as a dataset, divided by ``SPLIT``."""
        ids = [f"w{i:05d}" for i in range(1, len(self.windows) + 1)]
        data = Series.from_windows(self.windows, self.labels, entities=ids, name=name)
        return divide(data, SPLIT, int(self.parameters["seed"]))


def planted_series(
    *,
    n_windows: int = 3000,
    n_steps: int = 96,
    n_channels: int = 4,
    noise: float = 1.0,
    correlation: float = 0.0,
    nonlinearity: float = 0.0,
    triangle: float = 0.0,
    second: float = 0.0,
    missing: float = 0.0,
    dead_channels: int = 0,
    seed: int = 0,
) -> PlantedSeries:
    """Plant factors in windows.

    Args:
        n_windows: Windows.
        n_steps: Rows of each.
        n_channels: Channels of each.
        noise: Multiplies the noise of both regimes.
        correlation: Rank correlation of level with slope and of amplitude with phase; 0 plants independent factors.
        nonlinearity: 0 mixes linearly; 1 puts tanh over all of the mixture.
        triangle: Share of a triangle wave in place of the sine.
        second: Size of a second wave of another period, 0 for none.
        missing: Share of each window that is missing, as one block in all channels.
        dead_channels: Channels that are constant.
        seed: Seed of everything.

    Raises:
        InputError: A parameter out of its range.
    """
    parameters: dict[str, float] = dict(locals())
    _check(parameters)
    rng = np.random.default_rng(seed)
    factors = _draw_factors(n_windows, correlation, rng)
    t = np.arange(n_steps)
    column = {name: values[:, None] for name, values in factors.items()}
    angle = 2 * np.pi * t / column["period"] + column["phase"]
    trend = column["level"] + column["slope"] * (2 * t / max(n_steps - 1, 1) - 1)
    components = np.stack([trend, column["amplitude"] * np.sin(angle), column["amplitude"] * np.cos(angle)], axis=2)
    if triangle:
        components[:, :, 1:] *= 1 - triangle
        components[:, :, 1] += triangle * column["amplitude"] * _triangle(angle)
        components[:, :, 2] += triangle * column["amplitude"] * _triangle(angle + np.pi / 2)
    mixing = rng.normal(size=(3, n_channels))
    mixed = components @ mixing
    if second:
        others = np.random.default_rng([seed, 1])  # of its own, so that all else is as without it
        factors["second_amplitude"] = others.uniform(0.2, 1.0, n_windows)
        factors["second_phase"] = others.uniform(0, 2 * np.pi, n_windows)
        wave = np.sin(2 * np.pi * t / _SECOND_PERIOD + factors["second_phase"][:, None])
        mixing = np.vstack([mixing, others.normal(size=n_channels)])
        mixed += (second * factors["second_amplitude"][:, None] * wave)[:, :, None] * mixing[3]
    mixed = (1 - nonlinearity) * mixed + nonlinearity * np.tanh(mixed)
    spread = noise * np.where(factors["regime"] == 1, _VOLATILE, _CALM)
    mixed += spread[:, None, None] * rng.normal(size=mixed.shape)
    mixed[:, :, n_channels - dead_channels :] = 0.0
    if width := round(missing * n_steps):
        begin = rng.integers(0, n_steps - width + 1, size=n_windows)[:, None]
        mixed[(t >= begin) & (t < begin + width)] = np.nan
    return PlantedSeries(mixed.astype(np.float32), factors, mixing, parameters)


def _check(parameters: dict[str, float]) -> None:
    for name, least in (("n_windows", 10), ("n_steps", 2), ("n_channels", 1)):
        if parameters[name] < least:
            raise InputError(f"must be {least} or more", column=name, value=parameters[name])
    for name in ("correlation", "nonlinearity", "triangle"):
        if not 0 <= parameters[name] <= 1:
            raise InputError("must lie between 0 and 1", column=name, value=parameters[name])
    if not 0 <= parameters["missing"] <= 0.9:
        raise InputError("must lie between 0 and 0.9", column="missing", value=parameters["missing"])
    for name in ("noise", "second"):
        if not parameters[name] >= 0:
            raise InputError("must be 0 or more", column=name, value=parameters[name])
    if not 0 <= parameters["dead_channels"] < parameters["n_channels"]:
        raise InputError("one channel must live", column="dead_channels", value=parameters["dead_channels"])


def _triangle(angle: Floats) -> Floats:
    """Return the triangle wave between -1 and 1 that is 0 and rising where the sine is."""
    wave: Floats = 2 / np.pi * np.arcsin(np.sin(angle))
    return wave


def _draw_factors(n: int, correlation: float, rng: np.random.Generator) -> dict[str, Floats]:
    from scipy.stats import norm

    normal = rng.normal(size=(4, n))
    for first, second in ((0, 1), (2, 3)):
        normal[second] = correlation * normal[first] + np.sqrt(1 - correlation**2) * normal[second]
    level, slope, amplitude, phase = norm.cdf(normal)
    return {
        "level": 2 * level - 1,
        "slope": 2 * slope - 1,
        "amplitude": 0.2 + 0.8 * amplitude,
        "period": rng.choice(PERIODS, size=n),
        "phase": 2 * np.pi * phase,
        "regime": rng.integers(0, 2, size=n).astype(np.float64),
    }
