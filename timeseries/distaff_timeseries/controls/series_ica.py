"""Independent components of whole windows."""

from __future__ import annotations

import warnings
from typing import ClassVar

import torch
from torch import Tensor

from distaff.model.base import Session
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import slide
from distaff_timeseries.controls.pca import MOST, PCA

_LEAST = 1e-5  # deviation of a principal component, of the largest one's


class SeriesICA(PCA):
    """The subspace of PCA in the axes that are as independent as can be (Hyvärinen and Oja, Neural Networks 2000).

    Recommenders have an ``ica`` of their own.
    """

    name: ClassVar[str] = "series_ica"

    def _fit_encoder(self, data: Series, session: Session) -> None:
        """Fit principal components to the training windows, and their rotation by FastICA; scores have unit variance."""
        from sklearn.decomposition import FastICA
        from sklearn.exceptions import ConvergenceWarning

        super()._fit_encoder(data, session)
        windows = slide(data, self.length_for(data), split="train")
        chosen = torch.linspace(0, len(windows) - 1, min(len(windows), MOST)).long()
        blocks = [self.encode(*self.take(windows, block)).instances[:, 0] for block in chosen.split(1024)]
        scores = torch.cat(blocks).cpu()
        spread = scores.std(0, correction=0)
        varies = spread > _LEAST * spread.max()  # the others are rounding, which has no axes to find
        if not bool(varies.any()):
            return
        self._components, scores = self._components[varies.to(session.device)], scores[:, varies]
        model = FastICA(whiten="unit-variance", random_state=session.seed, max_iter=500, tol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scores.double().numpy())
        axes: Tensor = torch.from_numpy(model.components_).float().to(session.device)
        self._components = axes @ self._components
