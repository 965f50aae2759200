"""A ridge for each entity and channel, drawn to the one of all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from distaff.series.blocks import blocks
from distaff_data.datasets.windows import Windows, with_future
from distaff_timeseries.controls.raw_ridge import RawRidge

_PULLS = (1e-3, 1e-2, 1e-1, 1.0)
"""Penalties on the distance from the common weights, as parts of the mean of the Gram matrix's diagonal."""
MOST = 512
"""Entities times channels beyond which there are no ridges of their own."""


@dataclass(frozen=True)
class EntityRidges:
    """Weights of each entity and channel, float32 ``(E, C, F + 1, H)``."""

    weights: Tensor

    def forecast(self, ridge: RawRidge, codes: Tensor, values: Tensor, mask: Tensor, horizon: int) -> Tensor:
        """Return forecasts ``(b, H, C)``; of an entity whose code is negative by the common weights.

        Args:
            ridge: The common one.
            codes: Entity of each window, ``(b,)``.
            values: As in :meth:`.SeriesModel.forecast_windows`, as are all that follow.
            mask: Likewise.
            horizon: Likewise.
        """
        forecasts = ridge.forecast_windows(values, mask, horizon)
        for code in codes[codes >= 0].unique().tolist():
            chosen = torch.nonzero(codes == code).flatten().to(values.device)
            encoding = ridge.encode(values[chosen], mask[chosen])
            rows = encoding.rows().unflatten(0, encoding.level.shape)
            outputs = torch.einsum("bcf,cfh->bch", rows, self.weights[code, :, :, :horizon].to(values.device))
            forecasts[chosen] = encoding.futures(outputs.flatten(0, 1), horizon)
        return forecasts


@torch.no_grad()
def fit_entity_ridges(ridge: RawRidge, horizon: int) -> EntityRidges:
    """Return the ridges: |XW - Y|^2 + pull |W - common|^2, one pull for all, which validation chooses.

    Args:
        ridge: The common one, prepared to forecast that many rows ahead, whose data has at most ``MOST`` entities times
            channels.
        horizon: Rows ahead.
    """
    data, n_channels = ridge.data, len(ridge.data.channels)
    common = next(head.weights for steps, head in ridge.heads.forecasters.items() if steps == horizon).double().cpu()
    train, valid = (with_future(data, ridge.length, horizon, split, ridge.device) for split in ("train", "valid"))
    weights = common.float().repeat(len(_PULLS), data.n_entities, n_channels, 1, 1)
    errors = torch.zeros(len(_PULLS), dtype=torch.float64)
    for entity in torch.unique(train.entities).tolist():
        x, y = _rows_of(ridge, train, entity)
        judged = _rows_of(ridge, valid, entity)
        for channel in range(n_channels):
            fits = _drawn(x[channel], y[channel], common)
            weights[:, entity, channel] = fits.float()
            if judged[0].shape[1]:
                away = (judged[0][channel] @ fits - judged[1][channel]).square().mean((1, 2))
                errors += away / away.min().clamp(min=1e-12)
    return EntityRidges(weights[int(errors.argmin())].clone())


def _rows_of(ridge: RawRidge, windows: Windows, entity: int) -> tuple[Tensor, Tensor]:
    """Return rows ``(C, n, F + 1)`` and outputs ``(C, n, H)`` of an entity's windows that have complete horizons, else 0."""
    chosen, length = windows.where(windows.entities == entity), ridge.length
    xs, ys = [], []
    for block in blocks(chosen) if len(chosen) else ():
        values, mask = ridge.take(chosen, block)
        encoding = ridge.encode(values[:, :length], mask[:, :length])
        whole = mask[:, length:].all(1).unsqueeze(2).double().cpu()  # (b, C, 1)
        shape = (len(block), len(ridge.data.channels), -1)
        xs.append(encoding.rows().double().cpu().view(shape) * whole)
        ys.append(encoding.outputs(values[:, length:]).double().cpu().view(shape) * whole)
    if not xs:
        return torch.zeros(len(ridge.data.channels), 0, 1), torch.zeros(len(ridge.data.channels), 0, 1)
    return torch.cat(xs).transpose(0, 1), torch.cat(ys).transpose(0, 1)


def _drawn(x: Tensor, y: Tensor, common: Tensor) -> Tensor:
    """Return the weights for every pull, ``(pulls, F + 1, H)``."""
    gram, rest = x.T @ x, x.T @ (y - x @ common)
    size = gram.diagonal().mean().clamp(min=1e-12)
    penalties = torch.tensor(_PULLS, dtype=torch.float64).view(-1, 1, 1) * size
    moved: Tensor = torch.linalg.solve(gram + penalties * torch.eye(len(gram), dtype=torch.float64), rest)
    return common + moved
