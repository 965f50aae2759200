"""Principal components of whole windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import Choices, ModelConfig
from distaff.series.contract import SeriesConfig
from distaff.series.forecasting import Encoding
from distaff.series.model import SeriesModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import slide

MOST = 20_000
"""Windows, evenly spaced, that components are computed from."""


class PCAConfig(SeriesConfig):
    """Settings of PCA.

    Attributes:
        n_components: Components kept; at most as many as there are numbers in a window or windows.
    """

    n_components: Annotated[int, Field(ge=1), Choices(6, 16, 32, 64)] = 32


class PCA(SeriesModel):
    """Scores of the leading principal components of scaled windows, all channels together."""

    name: ClassVar[str] = "pca"
    control: ClassVar[bool] = True
    Config: ClassVar[type[ModelConfig]] = PCAConfig
    config: PCAConfig

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Fit components to the training windows; exact up to 1000 numbers a window, else by a seeded random sketch."""
        from sklearn.decomposition import PCA as Components  # noqa: N811 - seconds, and a fitted model does without

        windows = slide(data, self.length_for(data), split="train")
        chosen = torch.linspace(0, len(windows) - 1, min(len(windows), MOST)).long()
        x = self.take(windows, chosen)[0].flatten(1).numpy()
        k = min(self.config.n_components, *x.shape)
        exact = min(x.shape) <= 1000
        components = Components(k, svd_solver="full" if exact else "randomized", random_state=session.seed)
        with np.errstate(invalid="ignore"):  # of windows that are all the same, no share of the variance is explained
            fitted = components.fit(x)
        self._mean = torch.from_numpy(fitted.mean_).float().to(session.device)
        self._components = torch.from_numpy(fitted.components_).float().contiguous().to(session.device)

    def encode(self, values: Tensor, mask: Tensor) -> Encoding:
        """Return one vector of scores ``(b, 1, K)``; a missing value counts as the training mean."""
        scores = (values.flatten(1) - self._mean) @ self._components.T
        level = values.new_zeros(values.shape[0], values.shape[2])
        return Encoding(scores.unsqueeze(1), None, level, values.new_ones(len(values), 1))

    def reconstruct(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return the point of the components' subspace that is nearest to the window."""
        axes = self._components
        scores = (values.flatten(1) - self._mean) @ torch.linalg.pinv(axes)  # rows may be no orthonormal basis
        nearest: Tensor = scores @ axes + self._mean
        return nearest.view_as(values)

    def encoder_state(self) -> dict[str, Tensor]:
        """Return mean and components."""
        return {"mean": self._mean, "components": self._components}

    def load_encoder_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back mean and components."""
        self._mean, self._components = tensors["mean"], tensors["components"]
