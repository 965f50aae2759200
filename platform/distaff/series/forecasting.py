"""Forecasts from frozen encodings: a linear head and its errors; :mod:`distaff.series.intervals` has its intervals.

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
from distaff_data.datasets.windows import Windows, slide, with_future

_AT_ONCE = 65_536  # pairs of rows
_LEAST = 1e-6  # mean step, of the channel's deviation, below which a series does not move


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
            ``mae``, their means over horizons; ``mase``, the mean of absolute errors in units of the mean absolute step
            between neighbouring training rows of their entity and channel.
        windows: Those that have the shortest horizon.
        per_window: The part of each in the metrics, float32 ``(n,)``: its mean over windows is the metric, whatever is
            missing and however many windows have a horizon.
    """

    metrics: dict[str, float]
    windows: Windows
    per_window: dict[str, Tensor]


Predict = Callable[[Windows, Tensor, Tensor, Tensor, int], Tensor]
"""Forecasts ``(b, H, C)``, scaled, of windows, given which of them, their scaled values and mask ``(b, T, C)``, and H."""


def measure(
    data: Series, split: str, length: int, horizons: Sequence[int], predict: Predict, take: Take, device: torch.device
) -> Errors | None:
    """Return errors at every horizon, each over all windows of the split that have it; None when one has none."""
    longest, shortest = max(horizons), min(horizons)
    starts = {h: with_future(data, length, h, split).starts for h in horizons}
    followed = with_future(data, length, shortest, split)
    if not starts[longest].numel():
        return None
    windows = Windows.of(data, followed.starts, followed.entities, length + longest, device)
    steps = naive_error(data, take)
    sums: dict[str, list[Tensor]] = {"mse": [], "mae": [], "mase": [], "count": []}
    for block in blocks(windows):
        values, mask = take(windows, block)
        measured = mask[:, length:]
        away = (predict(windows, block, values[:, :length], mask[:, :length], longest) - values[:, length:]) * measured
        in_steps = away.abs() / steps[windows.entities[block]].unsqueeze(1).to(away.device)
        for name, errors in (("mse", away.square()), ("mae", away.abs()), ("mase", in_steps), ("count", measured)):
            sums[name].append(errors.sum(2).cumsum(1).double().cpu())
    count = torch.cat(sums.pop("count"))
    metrics: dict[str, float] = {}
    per_window = {name: torch.zeros(len(windows), dtype=torch.float64) for name in sums}
    for name, blockwise in sums.items():
        total = torch.cat(blockwise)
        for h in horizons:
            judged = torch.isin(windows.starts, starts[h])
            n_values = count[judged, h - 1].sum().clamp(min=1)
            metrics[f"{name}@{h}"] = float(total[judged, h - 1].sum() / n_values)
            part = torch.where(judged, total[:, h - 1], 0.0)
            per_window[name] += part * (len(windows) / n_values / len(horizons))
        metrics[name] = math.fsum(metrics[f"{name}@{h}"] for h in horizons) / len(horizons)
        if name == "mase":
            metrics = {key: value for key, value in metrics.items() if not key.startswith("mase@")}
    return Errors(metrics, windows, {name: values.float() for name, values in per_window.items()})


def naive_error(data: Series, take: Take) -> Tensor:
    """Return the mean absolute step between neighbouring training rows, scaled, ``(E, C)``; 1 where there is none."""
    pairs = slide(data, 2, split="train")
    steps = torch.zeros(data.n_entities, len(data.channels), dtype=torch.float64)
    count = torch.zeros_like(steps)
    if not data.whole:
        for block in torch.arange(len(pairs)).split(_AT_ONCE):
            values, mask = take(pairs, block)
            both = mask.all(1)
            steps.index_add_(0, pairs.entities[block], ((values[:, 1] - values[:, 0]).abs() * both).double().cpu())
            count.index_add_(0, pairs.entities[block], both.double().cpu())
    mean = steps / count.clamp(min=1)
    return torch.where(mean > _LEAST, mean, 1.0).float()
