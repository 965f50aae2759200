"""PureSVD's subspace, turned so that each item loads on few intents (Rohe and Zeng, JRSS B 2023)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.inner_products import InnerProducts, sum_rows
from distaff_graph.controls.puresvd import PureSVDConfig, fix_signs, right_singular_vectors
from distaff_graph.factorisation import varimax


class Varimax(InnerProducts):
    """PureSVD with V R instead of V, where the rotation R maximises the variance of squared loadings.

    Scores are PureSVD's, since R R^T = I: what changes is what each intent means, at no cost in accuracy. Intents are
    ordered by how much of the training matrix they explain.
    """

    name: ClassVar[str] = "varimax"
    Config: ClassVar[type[ModelConfig]] = PureSVDConfig
    config: PureSVDConfig

    def item_vectors(self, data: Interactions, session: Session) -> Tensor:
        """Return V R, ``(n_items, K)``."""
        vectors = right_singular_vectors(data.train, self.config.n_intents, session.seed)
        rotated = fix_signs((vectors.double() @ varimax(vectors)).float())
        explained = sum_rows(data.train, rotated).square().sum(0)
        return rotated[:, explained.argsort(descending=True, stable=True)]

    def project(self, history: Csr, items: Tensor) -> Tensor:
        """Return X V R."""
        return sum_rows(history, items)
