"""Forecasts from frozen encodings: a linear head, its errors, and intervals around it.

The head is linear in a window's features f, in the scale in which the encoder saw the window: y = level + scale (W f + c).
Columns of W are steps ahead, so that one solution for the longest horizon contains those for all shorter ones. A model
that encodes channels one by one has one head for all channels; one that mixes them has a head for each. W is fitted by
:mod:`distaff.series.heads.forecast`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from distaff.series.blocks import blocks
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, slide
from distaff_data.errors import InputError


@dataclass(frozen=True)
class Encoding:
    """The vectors that an encoder gives b windows of C channels, seen in G groups: G = C one by one, G = 1 all together.

    Attributes:
        instances: One vector a window and group, ``(b, G, E)``.
        timestamps: One vector a patch, ``(b, G, P, D)``; None where a model has none.
        level: Subtracted from each channel before encoding, ``(b, C)``.
        scale: Divided by after that, ``(b, G)``.
        window: What the encoder saw, ``(b, G, W)``, where the head is to see it as well as the vectors; see
            :func:`distaff.series.heads.ridge.solve`.
    """

    instances: Tensor
    timestamps: Tensor | None
    level: Tensor
    scale: Tensor
    window: Tensor | None = None

    def rows(self) -> Tensor:
        """Return rows of the regression, ``(b * G, F + 1)``: window if any, timestamp or else instance vectors, 1."""
        features = self.instances if self.timestamps is None else self.timestamps.flatten(2)
        if self.window is not None:
            features = torch.cat([self.window, features], 2)
        ones = features.new_ones(*features.shape[:2], 1)
        return (torch.cat([features, ones], 2) * self.scale.unsqueeze(2)).flatten(0, 1)

    def outputs(self, future: Tensor) -> Tensor:
        """Return outputs of the regression, ``(b * G, O)``, from values ``(b, H, C)``; O = H * C / G."""
        away = (future - self.level.unsqueeze(1)).transpose(1, 2)
        return away.reshape(self.scale.numel(), -1)

    def futures(self, outputs: Tensor, horizon: int) -> Tensor:
        """Return values ``(b, H, C)`` from outputs ``(b * G, O)``."""
        b, n_channels = self.level.shape
        return outputs.reshape(b, n_channels, horizon).transpose(1, 2) + self.level.unsqueeze(1)


Encode = Callable[[Tensor, Tensor], Encoding]
"""Encodes scaled values and mask ``(b, T, C)``."""
Take = Callable[[Windows, Tensor], tuple[Tensor, Tensor]]
"""Scaled values and mask of some windows."""


@dataclass(frozen=True)
class Head:
    """Linear, from rows of an encoding to outputs.

    Attributes:
        weights: float32 ``(F + 1, O)``.
        n_steps: H, the longest horizon.
    """

    weights: Tensor
    n_steps: int


@dataclass(frozen=True)
class Errors:
    """Errors of forecasts over the windows of a split.

    Attributes:
        metrics: ``mse@H`` and ``mae@H`` of every horizon, in units of the channels' training deviation, and ``mse`` and
            ``mae``, their means over horizons.
        windows: Those that have the longest horizon.
        per_window: Metrics of each of these, float32 ``(n,)``.
    """

    metrics: dict[str, float]
    windows: Windows
    per_window: dict[str, Tensor]


Predict = Callable[[Tensor, Tensor, int], Tensor]
"""Forecasts ``(b, H, C)``, scaled, from scaled values and mask ``(b, T, C)``, and H."""


def measure(
    data: Series, split: str, length: int, horizons: Sequence[int], predict: Predict, take: Take, device: torch.device
) -> Errors | None:
    """Return errors at every horizon, each over all windows of the split that have it; None when one has none."""
    longest, shortest = max(horizons), min(horizons)
    starts = {h: slide(data, length, horizon=h, split=split).starts for h in horizons}
    followed = slide(data, length, horizon=shortest, split=split)
    if not starts[longest].numel():
        return None
    windows = Windows.of(data, followed.starts, followed.entities, length + longest, device)
    sums: dict[str, list[Tensor]] = {"mse": [], "mae": [], "count": []}
    for block in blocks(windows):
        values, mask = take(windows, block)
        measured = mask[:, length:]
        away = (predict(values[:, :length], mask[:, :length], longest) - values[:, length:]) * measured
        for name, errors in (("mse", away.square()), ("mae", away.abs()), ("count", measured)):
            sums[name].append(errors.sum(2).cumsum(1).double().cpu())
    count = torch.cat(sums.pop("count"))
    metrics: dict[str, float] = {}
    per_window = {name: torch.zeros(len(starts[longest])) for name in sums}
    whole = torch.isin(windows.starts, starts[longest])
    for name, blockwise in sums.items():
        total = torch.cat(blockwise)
        for h in horizons:
            judged = torch.isin(windows.starts, starts[h])
            metrics[f"{name}@{h}"] = float(total[judged, h - 1].sum() / count[judged, h - 1].sum().clamp(min=1))
            per_window[name] += (total[whole, h - 1] / count[whole, h - 1].clamp(min=1)).float() / len(horizons)
        metrics[name] = math.fsum(metrics[f"{name}@{h}"] for h in horizons) / len(horizons)
    return Errors(metrics, windows.where(whole), per_window)


def conformal_radius(
    data: Series, length: int, horizon: int, coverage: float, predict: Predict, take: Take, device: torch.device
) -> Tensor:
    """Return the half width of intervals, scaled, ``(H, C)``: split-conformal, from errors on the validation windows.

    It is the ceil((n + 1) coverage)-th smallest absolute error of each step and channel (Papadopoulos et al. 2002), infinite
    where n is too small for the coverage. The guarantee holds for exchangeable errors; windows overlap and series drift, so
    that on real data it is a calibration on the recent past.

    Raises:
        InputError: The coverage is not between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise InputError("the coverage lies between 0 and 1", column="coverage", value=coverage)
    errors = []
    windows = slide(data, length, horizon=horizon, split="valid", device=device)
    for block in blocks(windows):
        values, mask = take(windows, block)
        away = (predict(values[:, :length], mask[:, :length], horizon) - values[:, length:]).abs()
        errors.append(torch.where(mask[:, length:], away, torch.inf).cpu())
    shape = (horizon, len(data.channels))
    if not errors:
        return torch.full(shape, torch.inf)
    all_errors = torch.cat(errors)
    n = torch.isfinite(all_errors).sum(0)
    rank = torch.ceil((n + 1) * coverage).long()
    ordered = torch.cat([all_errors.sort(0).values, torch.full((1, *shape), torch.inf)])
    return torch.where(rank <= n, ordered.gather(0, (rank - 1).clamp(min=0).unsqueeze(0))[0], torch.inf)
