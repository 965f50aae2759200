"""PureSVD's subspace in non-negative parts of users: semi-NMF (Ding, Li and Jordan, PAMI 2010)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from distaff.model.base import Session
from distaff.model.config import ModelConfig
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.inner_products import InnerProducts, sum_rows
from distaff_graph.controls.puresvd import PureSVDConfig, right_singular_vectors
from distaff_graph.factorisation import non_negative_weights, semi_nmf


class SemiNMF(InnerProducts):
    """PureSVD whose users X V are approximated by G F^T with G >= 0 and K columns, F of any sign.

    Scores are G (V F)^T. Unlike NMF an intent may also speak against items; a user never has less than none of one.
    """

    name: ClassVar[str] = "seminmf"
    Config: ClassVar[type[ModelConfig]] = PureSVDConfig
    config: PureSVDConfig

    def item_vectors(self, data: Interactions, session: Session) -> Tensor:
        """Return V F, ``(n_items, K)``."""
        vectors = right_singular_vectors(data.train, self.config.n_intents, session.seed)
        factorisation = semi_nmf(sum_rows(data.train, vectors), vectors.shape[1], session.seed)
        return vectors @ factorisation.axes

    def project(self, history: Csr, items: Tensor) -> Tensor:
        """Return G, by non-negative least squares of X V on F, whose products with V F and F are X V F and F^T F."""
        return non_negative_weights(sum_rows(history, items), items.T @ items)
