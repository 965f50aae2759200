"""A ridge that fills what is missing in a window by the window's own seasons."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff.model.base import Session
from distaff.series.forecasting import Encoding
from distaff.series.seasons import candidate_seasons
from distaff_data.datasets.series import Series
from distaff_timeseries.controls.raw_ridge import RawRidge


class FilledRidge(RawRidge):
    """:class:`RawRidge` on filled windows: rows before an entity's first one, and gaps, do not draw it to the mean."""

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Find the season by which windows are filled."""
        self._season = next(iter(candidate_seasons(self, data, self.length_for(data), 1)), 1)

    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Return the encoding of filled windows."""
        return super().encode(*filled(values, mask, self._season))

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the season."""
        return {"season": torch.tensor(self._season)}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back the season."""
        self._season = int(tensors["season"])


def filled(values: Tensor, mask: Tensor, season: int) -> tuple[Tensor, Tensor]:
    """Return windows whose missing values are those a season or more before, or else after, and where there are any.

    Args:
        values: 0 where missing, ``(b, T, C)``.
        mask: Likewise.
        season: Rows of a season.
    """
    if bool(mask.all()):
        return values, mask
    b, n_rows, n_channels = values.shape
    before = -n_rows % season
    shape = (b, (n_rows + before) // season, season, n_channels)
    rows, there = (F.pad(x, (0, 0, before, 0)).view(shape) for x in (values, mask))
    place = torch.arange(1, shape[1] + 1, device=values.device).view(1, -1, 1, 1)
    last = (there * place).cummax(1).values  # 0 before the first
    after = torch.where(there, place, shape[1] + 1).flip(1).cummin(1).values.flip(1)
    source = torch.where(last > 0, last, after)
    known = (source >= 1) & (source <= shape[1])
    taken = rows.gather(1, (source - 1).clamp(0, shape[1] - 1)) * known
    return taken.flatten(1, 2)[:, before:], known.flatten(1, 2)[:, before:]
