"""A k-sparse autoencoder of vectors: each is rebuilt from the few directions, of many, that it has most of.

z = top_k(relu(W (e - b) + c)), e' = D z + b, with columns of D of unit length (Makhzani and Frey, ICLR 2014). Directions
that nothing has used for a while are trained on what the others leave over, so that none stays dead (Gao et al., *Scaling
and evaluating sparse autoencoders*, 2024).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distaff.model.base import Session
from distaff.model.distributed import World
from distaff.model.gradient import GradientConfig, train

_DEAD_AFTER = 20  # steps
_LEFT_OVER = 1 / 32  # weight of what the dead are trained on


class SparseAutoencoder(nn.Module):
    """The directions, and what a vector has of them.

    Args:
        width: Numbers in a vector.
        n_codes: Directions.
        n_active: Directions that a vector is rebuilt from.
        generator: Of the directions to begin with.
    """

    centre: Tensor
    size: Tensor
    idle: Tensor

    def __init__(self, width: int, n_codes: int, n_active: int, generator: torch.Generator) -> None:
        super().__init__()
        directions = F.normalize(torch.randn(width, n_codes, generator=generator), dim=0)
        self.n_active = min(n_active, n_codes)
        self.directions = nn.Parameter(directions)
        self.encoder = nn.Parameter(directions.T.clone())
        self.bias = nn.Parameter(torch.zeros(n_codes))
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("size", torch.ones(()))
        self.register_buffer("idle", torch.zeros(n_codes, dtype=torch.long))

    def set_units(self, vectors: Tensor) -> None:
        """Take the mean of vectors ``(n, D)`` as the origin, and their mean distance from it, over sqrt(D), as unit."""
        self.centre.copy_(vectors.mean(0))
        self.size.copy_((vectors - self.centre).square().mean().sqrt().clamp(min=1e-12))

    def amounts(self, vectors: Tensor) -> Tensor:
        """Return how much vectors ``(b, D)`` have of every direction before the few are chosen, ``(b, K)``."""
        return F.relu(((vectors - self.centre) / self.size) @ self.encoder.T + self.bias)

    def codes(self, vectors: Tensor) -> Tensor:
        """Return how much vectors have of their directions, ``(b, K)``; 0 but for the few."""
        return _largest(self.amounts(vectors), self.n_active)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the vectors of codes, ``(b, D)``."""
        return codes @ F.normalize(self.directions, dim=0).T * self.size + self.centre

    def losses(self, vectors: Tensor) -> dict[str, Tensor]:
        """Return the share of the vectors' variance that is not explained, and of the rest what the dead leave, weighted."""
        amounts = self.amounts(vectors)
        codes = _largest(amounts, self.n_active)
        axes, away = F.normalize(self.directions, dim=0), (vectors - self.centre) / self.size
        rest = away - codes @ axes.T
        with torch.no_grad():
            self.idle.add_(1).masked_fill_((codes > 0).any(0), 0)
            dead = self.idle > _DEAD_AFTER
        revived = _largest(amounts.masked_fill(~dead, 0), self.n_active) @ axes.T
        lost = (rest.detach() - revived).square().mean() - rest.detach().square().mean()
        return {"unexplained": rest.square().mean(), "idle": _LEFT_OVER * lost}

    @torch.no_grad()
    def explained(self, vectors: Tensor) -> float:
        """Return the share of the variance of vectors ``(n, D)`` that their codes explain."""
        left = (vectors - self.decode(self.codes(vectors))).double().square().sum()
        return 1.0 - float(left / (vectors - vectors.mean(0)).double().square().sum().clamp(min=1e-300))


@dataclass
class _Vectors:
    """The object of the training loop: an autoencoder and the vectors that it is trained on."""

    network: nn.Module
    world: World
    vectors: Tensor
    config: GradientConfig

    def batches(self, data: object, generator: torch.Generator) -> Iterator[Tensor]:
        order = torch.randperm(len(self.vectors), generator=generator)
        for block in order.split(self.config.batch_size):
            yield self.vectors[block.to(self.vectors.device)]

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        assert isinstance(self.network, SparseAutoencoder)
        return self.network.losses(batch)

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.network.parameters(), lr=self.config.lr)

    def finalize(self) -> None:
        """Compute nothing: codes come from the network as it stands."""


def fit_autoencoder(
    vectors: Tensor,
    valid: Tensor,
    n_codes: int,
    n_active: int,
    config: GradientConfig,
    session: Session,
    checkpoint: str,
) -> SparseAutoencoder:
    """Return an autoencoder of vectors ``(n, D)``, its epoch chosen by what it explains of others ``(m, D)``, if any.

    Args:
        vectors: Of training windows.
        valid: Of validation windows.
        n_codes: Directions.
        n_active: Directions that a vector is rebuilt from.
        config: Of the training.
        session: Of the fit.
        checkpoint: Name of this training's checkpoint.
    """
    network = SparseAutoencoder(vectors.shape[1], n_codes, n_active, session.generator(-1)).to(vectors.device)
    network.set_units(vectors)
    objective = _Vectors(network, session.world, vectors, config)
    validate = (lambda: {"explained": network.explained(valid)}) if len(valid) > 1 else None
    alone = replace(session, validate=validate)
    train(objective, None, alone, config.schedule, monitor="explained", minimize=False, checkpoint=checkpoint)
    return network.eval()


def shuffled_columns(vectors: Tensor, generator: torch.Generator) -> Tensor:
    """Return vectors ``(n, D)`` of which each number is that of another row: the same columns, and nothing in common."""
    order = torch.rand(vectors.shape, generator=generator).argsort(0)
    return vectors.gather(0, order.to(vectors.device))


def _largest(amounts: Tensor, n: int) -> Tensor:
    """Return amounts ``(b, K)``, all but the n largest of each row 0."""
    values, places = amounts.topk(n, dim=1)
    return torch.zeros_like(amounts).scatter(1, places, values)
