"""PureSVD's subspace in the axes of independent component analysis (Hyvärinen and Oja, Neural Networks 2000)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.inner_products import InnerProducts, sum_rows
from distaff_graph.controls.puresvd import PureSVDConfig, right_singular_vectors
from distaff_graph.factorisation import independent_components


class ICA(InnerProducts):
    """PureSVD whose users X V are written as S A^T, the K columns of S as independent over users as can be.

    Scores are PureSVD's, X V V^T = S (V A)^T: what changes is what each intent means. Columns of S are turned so that
    their long tail is positive: most users have little of an intent and a few have much.
    """

    name: ClassVar[str] = "ica"
    Config: ClassVar[type[ModelConfig]] = PureSVDConfig
    config: PureSVDConfig

    def item_vectors(self, data: Interactions, session: Session) -> Tensor:
        """Return V A, ``(n_items, K)``."""
        vectors = right_singular_vectors(data.train, self.config.n_intents, session.seed)
        factorisation = independent_components(sum_rows(data.train, vectors), vectors.shape[1], session.seed)
        return vectors @ factorisation.axes

    def project(self, history: Csr, items: Tensor) -> Tensor:
        """Return S, by least squares: X V A (A^T A)^-1, since V^T V = I; the shortest S where axes coincide."""
        axes = items.double()
        inverse: Tensor = torch.linalg.pinv(axes.T @ axes, hermitian=True, rtol=1e-10)
        return sum_rows(history, items) @ inverse.float()
