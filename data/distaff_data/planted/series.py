"""Windows with planted factors: generated series whose level, slope, amplitude, period, phase and regime are known.

Three component series (level and slope, a sine, and its quadrature) are mixed into the channels, and noise whose size
depends on the regime is added. The factors are independent, so a code that holds one of them says nothing about another.
Linear components such as principal ones find level and slope, but hardly amplitude, phase and regime: there a learned
representation has something to add.
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


@dataclass(frozen=True)
class PlantedSeries:
    """Generated windows with their truth.

    Attributes:
        windows: float32 ``(n_windows, n_steps, n_channels)``, NaN where missing.
        factors: Each of ``FACTORS`` by window, ``(n_windows,)``; the period in steps, the phase in radians, the regime 0
            (calm) or 1 (volatile).
        mixing: From the three components to the channels, ``(3, n_channels)``.
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
    mixing = rng.normal(size=(3, n_channels))
    mixed = components @ mixing
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
    for name in ("correlation", "nonlinearity"):
        if not 0 <= parameters[name] <= 1:
            raise InputError("must lie between 0 and 1", column=name, value=parameters[name])
    if not 0 <= parameters["missing"] <= 0.9:
        raise InputError("must lie between 0 and 0.9", column="missing", value=parameters["missing"])
    if not parameters["noise"] >= 0:
        raise InputError("must be 0 or more", column="noise", value=parameters["noise"])
    if not 0 <= parameters["dead_channels"] < parameters["n_channels"]:
        raise InputError("one channel must live", column="dead_channels", value=parameters["dead_channels"])


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
