"""The 22 features of catch22 (Lubba et al. 2019) with mean and deviation, of every channel, through ``pycatch22``.

``pycatch22`` is licensed under the GPL and is installed only where it is asked for: ``pip install 'distaff[catch22]'``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from distaff.model.base import Session
from distaff.series.forecasting import Encoding
from distaff.series.model import SeriesModel
from distaff_data.arrays import Floats
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError


class Catch22(SeriesModel):
    """Features of channels, side by side; the library takes one channel of one window a call, about 0.2 ms each."""

    name: ClassVar[str] = "catch22"
    control: ClassVar[bool] = True
    any_length: ClassVar[bool] = True

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Check that the library is there: nothing is learned.

        Raises:
            InputError: The library is not installed.
        """
        _library()

    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Return features ``(b, 1, 24 * C)``, 0 where one has no value; a missing value counts as the training mean."""
        rows = values.transpose(1, 2).flatten(0, 1).double().cpu().numpy()
        numbers = np.nan_to_num(np.array([_library()(row) for row in rows]), nan=0.0, posinf=0.0, neginf=0.0)
        features = torch.from_numpy(numbers).to(values.dtype).view(len(values), 1, -1)
        level = values.new_zeros(values.shape[0], values.shape[2])
        return Encoding(features.to(values.device), None, level, values.new_ones(len(values), 1))

    def encoder_state(self) -> dict[str, Tensor]:
        """Return no tensors."""
        return {}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Load nothing: there is no state."""


def _library() -> Callable[[Floats], list[float]]:
    try:
        import pycatch22
    except ImportError:
        raise InputError("catch22 needs a library under the GPL: pip install 'distaff[catch22]'") from None
    return lambda row: pycatch22.catch22_all(row, catch24=True)["values"]
