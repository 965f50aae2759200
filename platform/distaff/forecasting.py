"""Forecasts from frozen encodings: a linear head, its errors, and intervals around it.

The head is linear in a window's features f, in the scale in which the encoder saw the window: y = level + scale (W f + c).
Multiplying out, the error in the data's own scale is least squares with rows ``scale * [f, 1]``, which a ridge solves
exactly and gradient descent, the head of papers, walks towards. Columns of W are steps ahead, so that one solution for the
longest horizon holds all shorter ones. A model that encodes channels one by one has one head for all channels; one that
mixes them has a head for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from distaff.descent import Batch, Descent, descend
from distaff.ridge import Moments, solve
from distaff_data.errors import InputError
from distaff_data.series import Series
from distaff_data.windows import Windows, slide

Forecaster = Literal["ridge", "sgd"]

BLOCK = 256  # windows encoded at a time
_NO_WINDOW = "no training window of {} rows is followed by {} complete ones; set seq_len or horizons lower"


@dataclass(frozen=True)
class Encoding:
    """What an encoder makes of b windows of C channels, seen in G groups: G = C one by one, G = 1 all together.

    Attributes:
        instances: One vector a window and group, ``(b, G, E)``.
        timestamps: One vector a patch, ``(b, G, P, D)``; None where a model has none.
        level: Subtracted from each channel before encoding, ``(b, C)``.
        scale: Divided by after that, ``(b, G)``.
        window: What the encoder saw, ``(b, G, W)``, where the head is to see it beside the vectors; see
            :func:`distaff.ridge.solve`.
    """

    instances: Tensor
    timestamps: Tensor | None
    level: Tensor
    scale: Tensor
    window: Tensor | None = None

    def rows(self) -> Tensor:
        """Rows of the regression, ``(b * G, F + 1)``: the window if any, timestamp vectors or else instance vectors, 1."""
        features = self.instances if self.timestamps is None else self.timestamps.flatten(2)
        if self.window is not None:
            features = torch.cat([self.window, features], 2)
        ones = features.new_ones(*features.shape[:2], 1)
        return (torch.cat([features, ones], 2) * self.scale.unsqueeze(2)).flatten(0, 1)

    def outputs(self, future: Tensor) -> Tensor:
        """Outputs of the regression, ``(b * G, O)``, from values ``(b, H, C)``; O = H * C / G."""
        away = (future - self.level.unsqueeze(1)).transpose(1, 2)
        return away.reshape(self.scale.numel(), -1)

    def futures(self, outputs: Tensor, horizon: int) -> Tensor:
        """Values ``(b, H, C)`` from outputs ``(b * G, O)``."""
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


def fit_head(
    data: Series, length: int, horizons: Sequence[int], encode: Encode, take: Take, device: torch.device
) -> Head:
    """The ridge head of a frozen encoder: steps up to each horizon from all windows that have it.

    Sums are additive: those of a shorter horizon are the longer one's and the few windows that only the shorter one has, so
    that every window is encoded once. One penalty for the steps between two horizons is chosen on validation. A window with
    a missing value in its horizon takes no part: one Gram matrix serves all outputs.

    Raises:
        InputError: No training window of that length has a complete horizon.
    """
    ordered = sorted(set(horizons), reverse=True)
    longest = ordered[0]
    train, valid = (_Gathered(_Followed(data, length, ordered, s, encode, take, device)) for s in ("train", "valid"))
    weights = None
    for place, horizon in enumerate(ordered):
        shorter = ordered[place + 1] if place + 1 < len(ordered) else 0
        for sums in (train, valid):
            sums.add(horizon)
        if place == 0 and not train.complete:
            raise InputError(_NO_WINDOW.format(length, longest))
        assert train.moments is not None
        if weights is None:
            weights = torch.zeros_like(train.moments.cross, dtype=torch.float32)
        step = torch.arange(weights.shape[1], device=weights.device) % longest
        own = torch.nonzero((step >= shorter) & (step < horizon)).flatten()
        chosen_by = valid.moments or Moments.empty(len(train.moments.gram), len(step), weights.device)
        weights[:, own] = solve(train.moments.of(own), chosen_by.of(own), beside=train.beside)
    assert weights is not None
    return Head(weights, longest)


def descend_head(
    data: Series,
    length: int,
    horizons: Sequence[int],
    encode: Encode,
    take: Take,
    device: torch.device,
    how: Descent,
) -> Head:
    """The head by gradient descent; the epoch of the steps between two horizons is chosen on validation, if there is any.

    Windows are encoded anew in each epoch. Rows after a window that are missing, or belong to another split, count nothing.

    Raises:
        InputError: No training window of that length is followed by as many rows as the longest horizon.
    """
    ordered = sorted(set(horizons))
    train, valid = (_Followed(data, length, ordered, split, encode, take, device) for split in ("train", "valid"))
    if not bool((train.ahead == ordered[-1]).any()):
        raise InputError(_NO_WINDOW.format(length, ordered[-1]))
    encoding, outputs, _ = train.encoded(torch.zeros(1, dtype=torch.long))
    kept = torch.zeros(encoding.rows().shape[1], outputs.shape[1], device=device)
    step = torch.arange(kept.shape[1], device=device) % ordered[-1]
    bands = [(step >= start) & (step < stop) for start, stop in pairwise([0, *ordered])]
    best = [math.inf] * len(bands)
    for weights in descend(kept, len(train.windows), train.batch, how):
        errors = valid.errors(weights) if len(valid.windows) else None
        for at, band in enumerate(bands):
            error = -math.inf if errors is None else float(errors[band].sum())
            if errors is None or error < best[at]:
                best[at], kept[:, band] = error, weights[:, band]
    return Head(kept, ordered[-1])


class _Followed:
    """Windows of a split that are followed by the shortest horizon at least, encoded when they are asked for.

    Attributes:
        ahead: The longest horizon that each window has, ``(n,)``.
    """

    def __init__(
        self,
        data: Series,
        length: int,
        horizons: Sequence[int],
        split: str,
        encode: Encode,
        take: Take,
        device: torch.device,
    ) -> None:
        self.length, self.longest, self.encode, self.take = length, max(horizons), encode, take
        some = slide(data, length, horizon=min(horizons), split=split)
        self.windows = Windows.of(data, some.starts, some.entities, length + self.longest, device)
        self.ahead = torch.zeros(len(some), dtype=torch.long)
        for horizon in sorted(horizons):
            having = slide(data, length, horizon=horizon, split=split).starts
            self.ahead[torch.isin(some.starts, having)] = horizon

    def encoded(self, index: Tensor) -> tuple[Encoding, Tensor, Tensor]:
        """Some windows, the outputs ``(b * G, O)`` wanted of them, and which of these count, bool; the others are 0."""
        values, mask = self.take(self.windows, index)
        encoding = self.encode(values[:, : self.length], mask[:, : self.length])
        outputs = encoding.outputs(values[:, self.length :])
        there = torch.arange(self.longest) < self.ahead[index].unsqueeze(1)
        counts = mask[:, self.length :] & there.to(mask.device).unsqueeze(2)
        counts = counts.transpose(1, 2).reshape(outputs.shape)
        return encoding, outputs * counts, counts

    def batch(self, index: Tensor) -> Batch:
        """Of a descent."""
        encoding, outputs, counts = self.encoded(index)

        def loss(found: Tensor) -> Tensor:
            return ((found - outputs).square() * counts).sum() / counts.sum().clamp(min=1)

        return encoding.rows(), loss

    def errors(self, weights: Tensor) -> Tensor:
        """Sums of squared errors of each output, ``(O,)``."""
        total = weights.new_zeros(weights.shape[1])
        for block in blocks(self.windows):
            encoding, outputs, counts = self.encoded(block)
            total += ((encoding.rows() @ weights - outputs).square() * counts).sum(0)
        return total


class _Gathered:
    """Moments of some windows, those of the longest horizon first.

    Attributes:
        moments: None until a window was complete.
        complete: Whether one was in what was added last.
        beside: Features of the window itself.
    """

    def __init__(self, windows: _Followed) -> None:
        self.windows = windows
        self.moments: Moments | None = None
        self.complete = False
        self.beside = 0

    def add(self, horizon: int) -> None:
        """Take in the windows that have ``horizon`` rows after them and no longer horizon."""
        self.complete = False
        chosen = torch.nonzero(self.windows.ahead == horizon).flatten()
        for index in chosen.split(BLOCK) if len(chosen) else ():
            encoding, y, counts = self.windows.encoded(index)
            own = torch.arange(y.shape[1], device=y.device) % self.windows.longest < horizon
            whole = counts[:, own].view(len(index), -1).all(1).repeat_interleave(len(y) // len(index))
            if not bool(whole.any()):
                continue
            x = encoding.rows()
            self.moments = self.moments or Moments.empty(x.shape[1], y.shape[1], x.device)
            self.moments.add(x[whole], y[whole])
            self.beside = 0 if encoding.window is None else encoding.window.shape[2]
            self.complete = True


def blocks(windows: Windows) -> Iterator[Tensor]:
    """Windows in turn, some at a time."""
    yield from torch.arange(len(windows)).split(BLOCK)


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
    """Errors at every horizon, each over all windows of the split that have it; None when one has none."""
    longest, shortest = max(horizons), min(horizons)
    having = {h: slide(data, length, horizon=h, split=split).starts for h in horizons}
    some = slide(data, length, horizon=shortest, split=split)
    if not having[longest].numel():
        return None
    windows = Windows.of(data, some.starts, some.entities, length + longest, device)
    found: dict[str, list[Tensor]] = {"mse": [], "mae": [], "count": []}
    for block in blocks(windows):
        values, mask = take(windows, block)
        measured = mask[:, length:]
        away = (predict(values[:, :length], mask[:, :length], longest) - values[:, length:]) * measured
        for name, part in (("mse", away.square()), ("mae", away.abs()), ("count", measured)):
            found[name].append(part.sum(2).cumsum(1).double().cpu())
    count = torch.cat(found.pop("count"))
    metrics: dict[str, float] = {}
    per_window = {name: torch.zeros(len(having[longest])) for name in found}
    whole = torch.isin(windows.starts, having[longest])
    for name, parts in found.items():
        sums = torch.cat(parts)
        for h in horizons:
            own = torch.isin(windows.starts, having[h])
            metrics[f"{name}@{h}"] = float(sums[own, h - 1].sum() / count[own, h - 1].sum().clamp(min=1))
            per_window[name] += (sums[whole, h - 1] / count[whole, h - 1].clamp(min=1)).float() / len(horizons)
        metrics[name] = math.fsum(metrics[f"{name}@{h}"] for h in horizons) / len(horizons)
    return Errors(metrics, windows.where(whole), per_window)


def conformal_radius(
    data: Series, length: int, horizon: int, coverage: float, predict: Predict, take: Take, device: torch.device
) -> Tensor:
    """Half width of intervals, scaled, ``(H, C)``: split-conformal, from absolute errors on the validation windows.

    It is the ceil((n + 1) coverage)-th smallest error of each step and channel (Papadopoulos et al. 2002), infinite where n
    is too small for the coverage. The guarantee holds for exchangeable errors; windows overlap and series drift, so that on
    real data it is a calibration on the recent past.

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
    found = torch.cat(errors)
    n = torch.isfinite(found).sum(0)
    rank = torch.ceil((n + 1) * coverage).long()
    ordered = torch.cat([found.sort(0).values, torch.full((1, *shape), torch.inf)])
    return torch.where(rank <= n, ordered.gather(0, (rank - 1).clamp(min=0).unsqueeze(0))[0], torch.inf)
