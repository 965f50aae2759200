"""The fit of the linear head of forecasts, over frozen encodings.

Multiplying out what :mod:`distaff.series.forecasting` says of it, the error in the data's own scale is least squares
with rows ``scale * [f, 1]``. A ridge solves that exactly; gradient descent, the head of papers, approaches it.
Either chooses on validation, for each band of steps between two horizons on its own: the ridge a penalty, gradient
descent an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from distaff.series.blocks import BLOCK, blocks
from distaff.series.forecasting import Encode, Encoding, Head, Take
from distaff.series.heads.ridge import Moments, solve
from distaff.series.heads.sgd import RowsAndLoss, SGDSettings, weights_by_epoch
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, with_future
from distaff_data.errors import InputError

Forecaster = Literal["ridge", "sgd"]

_NO_WINDOW = "no training window of {} rows is followed by {} complete ones; set seq_len or horizons lower"


def fit_head(
    data: Series, length: int, horizons: Sequence[int], encode: Encode, take: Take, device: torch.device
) -> Head:
    """Return the ridge head of a frozen encoder: steps up to each horizon from all windows that have it.

    Sums are additive: those of a shorter horizon are the longer one's and the few windows that only the shorter one has, so
    that every window is encoded once. One penalty for the steps between two horizons is chosen on validation. A window with
    a missing value in its horizon takes no part: one Gram matrix serves all outputs.

    Raises:
        InputError: No training window of that length has a complete horizon.
    """
    ordered = sorted(set(horizons), reverse=True)
    longest = ordered[0]
    train, valid = (
        _Sums(_WindowsWithFuture(data, length, ordered, s, encode, take, device)) for s in ("train", "valid")
    )
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
        band = torch.nonzero((step >= shorter) & (step < horizon)).flatten()
        chosen_by = valid.moments or Moments.empty(len(train.moments.gram), len(step), weights.device)
        weights[:, band] = solve(train.moments.of(band), chosen_by.of(band), n_window=train.n_window)
    assert weights is not None
    return Head(weights, longest)


def fit_head_by_sgd(
    data: Series,
    length: int,
    horizons: Sequence[int],
    encode: Encode,
    take: Take,
    device: torch.device,
    settings: SGDSettings,
) -> Head:
    """Return the head by gradient descent; the epoch of each band of steps is chosen on validation, if there is any.

    Windows are encoded anew in each epoch. Rows after a window that are missing, or belong to another split, count nothing.

    Raises:
        InputError: No training window of that length is followed by as many rows as the longest horizon.
    """
    ordered = sorted(set(horizons))
    train, valid = (
        _WindowsWithFuture(data, length, ordered, split, encode, take, device) for split in ("train", "valid")
    )
    if not bool((train.ahead == ordered[-1]).any()):
        raise InputError(_NO_WINDOW.format(length, ordered[-1]))
    encoding, outputs, _ = train.encoded(torch.zeros(1, dtype=torch.long))
    head = torch.zeros(encoding.rows().shape[1], outputs.shape[1], device=device)
    step = torch.arange(head.shape[1], device=device) % ordered[-1]
    bands = [(step >= start) & (step < stop) for start, stop in pairwise([0, *ordered])]
    best = [math.inf] * len(bands)
    for weights in weights_by_epoch(head, len(train.windows), train.batch, settings):
        errors = valid.errors(weights) if len(valid.windows) else None
        for at, band in enumerate(bands):
            error = -math.inf if errors is None else float(errors[band].sum())
            if errors is None or error < best[at]:
                best[at], head[:, band] = error, weights[:, band]
    return Head(head, ordered[-1])


class _WindowsWithFuture:
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
        shortest = with_future(data, length, min(horizons), split)
        self.windows = Windows.of(data, shortest.starts, shortest.entities, length + self.longest, device)
        self.ahead = torch.zeros(len(shortest), dtype=torch.long)
        for horizon in sorted(horizons):
            starts = with_future(data, length, horizon, split).starts
            self.ahead[torch.isin(shortest.starts, starts)] = horizon

    def encoded(self, index: Tensor) -> tuple[Encoding, Tensor, Tensor]:
        """Return some windows, the outputs ``(b * G, O)`` wanted of them, and which of these count; others are 0."""
        values, mask = self.take(self.windows, index)
        encoding = self.encode(values[:, : self.length], mask[:, : self.length])
        outputs = encoding.outputs(values[:, self.length :])
        within = torch.arange(self.longest) < self.ahead[index].unsqueeze(1)
        counts = mask[:, self.length :] & within.to(mask.device).unsqueeze(2)
        counts = counts.transpose(1, 2).reshape(outputs.shape)
        return encoding, outputs * counts, counts

    def batch(self, index: Tensor) -> RowsAndLoss:
        """Return some windows as a step of gradient descent needs them."""
        encoding, outputs, counts = self.encoded(index)

        def loss(predicted: Tensor) -> Tensor:
            return ((predicted - outputs).square() * counts).sum() / counts.sum().clamp(min=1)

        return encoding.rows(), loss

    def errors(self, weights: Tensor) -> Tensor:
        """Return sums of squared errors of each output, ``(O,)``."""
        total = weights.new_zeros(weights.shape[1])
        for block in blocks(self.windows):
            encoding, outputs, counts = self.encoded(block)
            total += ((encoding.rows() @ weights - outputs).square() * counts).sum(0)
        return total


class _Sums:
    """Moments of some windows, those of the longest horizon first.

    Attributes:
        moments: None until a window was complete.
        complete: Whether one was in what was added last.
        n_window: Features of the window itself, which come first.
    """

    def __init__(self, windows: _WindowsWithFuture) -> None:
        self.windows = windows
        self.moments: Moments | None = None
        self.complete = False
        self.n_window = 0

    def add(self, horizon: int) -> None:
        """Take in the windows that have ``horizon`` rows after them and no longer horizon."""
        self.complete = False
        chosen = torch.nonzero(self.windows.ahead == horizon).flatten()
        for index in chosen.split(BLOCK) if len(chosen) else ():
            encoding, y, counts = self.windows.encoded(index)
            within = torch.arange(y.shape[1], device=y.device) % self.windows.longest < horizon
            whole = counts[:, within].view(len(index), -1).all(1).repeat_interleave(len(y) // len(index))
            if not bool(whole.any()):
                continue
            x = encoding.rows()
            self.moments = self.moments or Moments.empty(x.shape[1], y.shape[1], x.device)
            self.moments.add(x[whole], y[whole])
            self.n_window = 0 if encoding.window is None else encoding.window.shape[2]
            self.complete = True
