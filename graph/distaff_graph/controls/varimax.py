"""PureSVD's subspace, turned so that each item loads on few intents (Rohe and Zeng, JRSS B 2023)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from distaff.model.config import ModelConfig
from distaff.recommenders.base import Session
from distaff_data.datasets.interactions import Interactions
from distaff_graph.controls.puresvd import PureSVD, PureSVDConfig, fix_signs, right_singular_vectors


class Varimax(PureSVD):
    """PureSVD with V R instead of V, where the rotation R maximises the variance of squared loadings.

    Scores are PureSVD's, since R R^T = I: what changes is what each intent means, at no cost in accuracy. Intents are
    ordered by how much of the training matrix they explain.
    """

    name: ClassVar[str] = "varimax"
    Config: ClassVar[type[ModelConfig]] = PureSVDConfig

    def item_vectors(self, data: Interactions, session: Session) -> Tensor:
        """V R, ``(n_items, K)``."""
        vectors = right_singular_vectors(data.train, self.config.n_intents, session.seed)
        rotated = fix_signs((vectors.double() @ varimax(vectors)).float())
        explained = self.project(data.train, rotated).square().sum(0)
        return rotated[:, explained.argsort(descending=True, stable=True)]


def varimax(loadings: Tensor, *, max_iterations: int = 500, tolerance: float = 1e-6) -> Tensor:
    """The rotation that maximises the summed column variances of squared ``loadings @ R`` (Kaiser 1958).

    Ascends by the polar factor of the criterion's gradient until it gains less than ``tolerance`` of itself.

    Args:
        loadings: ``(n, k)``.
        max_iterations: Upper limit of steps.
        tolerance: When to stop.

    Returns:
        Orthogonal, float64 ``(k, k)``.
    """
    a = loadings.double()
    rotation = torch.eye(a.shape[1], dtype=torch.float64)
    reached = 0.0
    for _ in range(max_iterations):
        b = a @ rotation
        gradient = a.T @ (b.pow(3) - b * b.square().mean(0))
        u, values, vt = torch.linalg.svd(gradient)
        rotation = u @ vt
        value = float(values.sum())
        if value <= reached * (1.0 + tolerance):
            break
        reached = value
    return rotation
