"""The worth of each latent to forecasts: it is held at its mean, and the head that all of them share forecasts again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from distaff.series.blocks import blocks
from distaff.series.forecasting import Encoding
from distaff.series.model import SeriesModel
from distaff.stats.corrections import holm
from distaff_data.arrays import Floats, Ints
from distaff_data.datasets.windows import Windows, with_future
from distaff_data.errors import InputError, UnsupportedError

_LEAST = 4  # stretches of windows that an interval needs


@dataclass(frozen=True)
class Ablation:
    """A latent without which forecasts were made.

    Attributes:
        factor: Which one.
        added: Mean squared error, scaled, that is added when it is held at its mean.
        low: Of the interval of 95 % over stretches of windows, each as long as a window and its horizon.
        high: Likewise.
        share: ``added``, as a part of the error with all latents.
        p_value: That nothing is added, one-sided; corrected over latents by Holm.
    """

    factor: int
    added: float
    low: float
    high: float
    share: float
    p_value: float


def ablations(model: SeriesModel, horizon: int | None = None, split: str = "test") -> list[Ablation]:
    """Return the worth of each latent to forecasts of a split's windows.

    Args:
        model: A fitted model whose head of forecasts reads one vector a window, of latents.
        horizon: Rows ahead; the longest that the model is measured at when None.
        split: Whose windows.

    Raises:
        UnsupportedError: The head reads something else, such as patches or the window.
        InputError: There are too few windows for an interval.
    """
    steps = max(model.config.horizons) if horizon is None else horizon
    windows = with_future(model.data, model.length, steps, split, model.device)
    stretch = _stretches(windows, model.length + steps)
    if len(np.unique(stretch)) < _LEAST:
        raise InputError(f"the {split} rows hold fewer than {_LEAST} stretches of {model.length + steps} rows")
    added, error = _added(model, windows, steps)
    counts = np.bincount(stretch)
    means = np.stack([np.bincount(stretch, column) for column in added.T], 1) / counts[:, None]
    n, mean = len(counts), means.mean(0)
    deviation = means.std(0, ddof=1) / math.sqrt(n)
    half_width = stats.t.ppf(0.975, n - 1) * deviation
    t = np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 0)
    p_values = holm(stats.t.sf(t, n - 1))
    return [
        Ablation(
            k,
            float(mean[k]),
            float(mean[k] - half_width[k]),
            float(mean[k] + half_width[k]),
            float(mean[k] / max(error, 1e-300)),
            float(p_values[k]),
        )
        for k in range(len(mean))
    ]


@torch.no_grad()
def _added(model: SeriesModel, windows: Windows, steps: int) -> tuple[Floats, float]:
    """Return what each window's mean squared error grows by without each latent, ``(n, K)``, and the error with all.

    Holding latent k at its mean moves the outputs by d_k W_k, d_k its distance from it, so that the growth is
    2 d_k (W_k . errors) + d_k^2 (W_k^2 . measured): two products for all latents.
    """
    model.prepare_forecasts(steps)
    head = model.heads.forecasters[max(*model.config.horizons, steps)]
    seen: list[tuple[Tensor, ...]] = []
    for block in blocks(windows):
        values, mask = model.take(windows, block)
        history, future, measured = values[:, : model.length], values[:, model.length :], mask[:, model.length :]
        encoding = model.encode(history, mask[:, : model.length])
        latents, weights = _latents(model, encoding), head.weights.to(values.device)
        outputs = encoding.futures(encoding.rows() @ weights, head.n_steps)[:, :steps]
        away = ((outputs - future) * measured).transpose(1, 2).flatten(1)
        told = weights[:-1].unflatten(1, (-1, head.n_steps))[:, :, :steps].flatten(1)  # (K, C * H)
        there = measured.transpose(1, 2).flatten(1).to(away.dtype)
        count = there.sum(1, keepdim=True).clamp(min=1)
        parts = latents, encoding.scale, away @ told.T / count, there @ told.square().T / count
        seen.append(tuple(part.double().cpu() for part in (*parts, away.square().sum(1) / count[:, 0])))
    latents, scale, along, squared, errors = (torch.cat(parts) for parts in zip(*seen, strict=True))
    moved = (latents.mean(0) - latents) * scale
    return (2 * moved * along + moved.square() * squared).numpy(), float(errors.mean())


def _latents(model: SeriesModel, encoding: Encoding) -> Tensor:
    """Return the vector that the head reads of each window, ``(b, K)``."""
    if encoding.timestamps is not None or encoding.window is not None or encoding.instances.shape[1] != 1:
        raise UnsupportedError(f"the head of {model.name} reads more than one vector of latents a window")
    return encoding.instances[:, 0]


def _stretches(windows: Windows, length: int) -> Ints:
    """Return the stretch of each window, ``(n,)``: those that begin within the same ``length`` rows of an entity."""
    entities, starts = windows.entities.cpu().numpy(), windows.starts.cpu().numpy()
    pairs = np.stack([entities, starts // length], 1)
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1].ravel(), dtype=np.int64)
