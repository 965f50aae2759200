"""Shares of components in a blend: not negative, of sum 1, and of least squared error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

_BANDS = 4  # steps of the first band; each next one ends at four times as many
_FEW = 8  # cells of a band and channel below which those of all bands are judged together
_OWN = 60.0  # independent stretches of an entity's errors that weigh as much as those of all entities


def least_squares_shares(gram: Tensor) -> Tensor:
    """Return the w of least w' G w among those that are not negative and sum to 1, ``(..., K)``, of ``(..., K, K)``.

    The least lies inside one face of the simplex, where it is a linear system: all faces of a few components are tried.
    """
    n, problems = gram.shape[-1], gram.flatten(0, -3) if gram.dim() > 2 else gram.unsqueeze(0)
    best = problems.new_full((len(problems),), torch.inf)
    chosen = problems.new_zeros(len(problems), n)
    chosen[:, 0] = 1
    for size in range(1, n + 1):
        eye = torch.eye(size, dtype=gram.dtype)
        for face in map(list, combinations(range(n), size)):
            within = problems[:, face][:, :, face]
            jitter = 1e-9 * within.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-30)
            share = torch.linalg.solve(within + jitter.view(-1, 1, 1) * eye, torch.ones(size, dtype=gram.dtype))
            share = share / share.sum(1, keepdim=True)
            error = torch.einsum("nk,nkl,nl->n", share, within, share)
            better = (share >= 0).all(1) & (error < best * (1 - 1e-6))
            best = torch.where(better, error, best)
            wide = torch.zeros_like(chosen)
            wide[:, face] = share
            chosen = torch.where(better.unsqueeze(1), wide, chosen)
    return chosen.view(*gram.shape[:-1]).float()


def drawn_together(grams: Tensor, stretches: Tensor) -> Tensor:
    """Return each entity's products of errors with those of all mixed in, in units of its best component's.

    Args:
        grams: Mean products of components' errors, float64 ``(E, C, K, K)``; 0 of an entity without any.
        stretches: How many independent stretches they are of, ``(E,)``.

    Returns:
        ``(E + 1, C, K, K)``, the last of which is of an entity about which nothing is known.
    """
    least = grams.diagonal(dim1=2, dim2=3).amin(2)
    known = least > 0
    own = torch.where(known[..., None, None], grams / least.clamp(min=1e-30)[..., None, None], 0.0)
    common = own.sum(0) / known.sum(0).clamp(min=1)[..., None, None]
    weight = torch.where(known, stretches.unsqueeze(1), 0.0)[..., None, None]
    return torch.cat([weight * own + _OWN * common, common.unsqueeze(0)])


def _over_channels(grams: Tensor) -> Tensor:
    """Return mean products ``(E, bands, C, K, K)``, in units of each channel's best component, their mean over channels."""
    least = grams.diagonal(dim1=3, dim2=4).amin(3)
    units = torch.where((least > 0)[..., None, None], grams / least.clamp(min=1e-30)[..., None, None], 0.0)
    mean = units.sum(2, keepdim=True) / (least > 0).sum(2, keepdim=True).clamp(min=1)[..., None, None]
    return mean.expand_as(grams)


@dataclass(frozen=True)
class ErrorProducts:
    """Sums of products of the errors of K components over windows.

    Attributes:
        grams: Float64 ``(E, bands, C, K, K)``.
        counts: Values that they are of, ``(E, bands, C)``.
        stretches: How many stretches as long as the steps up to a band's end the windows make up, ``(E, bands)``.
        bands: Band of each step, ``(H,)``.
    """

    grams: Tensor
    counts: Tensor
    stretches: Tensor
    bands: Tensor

    @classmethod
    def none(cls, n_entities: int, bands: Tensor, n_channels: int, n: int) -> ErrorProducts:
        """Return the products of no windows."""
        shape = (n_entities, int(bands[-1]) + 1, n_channels)
        sizes = ((*shape, n, n), shape, shape[:2])
        grams, counts, stretches = (torch.zeros(size, dtype=torch.float64) for size in sizes)
        return cls(grams, counts, stretches, bands)

    def add(self, errors: Tensor, measured: Tensor, codes: Tensor) -> None:
        """Add windows: errors ``(b, H, C, K)``, 0 where nothing was measured, where it was, and entities ``(b,)``."""
        for band in range(self.grams.shape[1]):
            inside = self.bands == band
            of_band = errors[:, inside]
            self.grams[:, band].index_add_(0, codes, torch.einsum("bhck,bhcl->bckl", of_band, of_band))
            self.counts[:, band].index_add_(0, codes, measured[:, inside].sum(1).double())
            ends = torch.full((len(codes),), 1.0 / int((self.bands <= band).sum()), dtype=torch.float64)
            self.stretches[:, band].index_add_(0, codes, ends)

    def __add__(self, other: ErrorProducts) -> ErrorProducts:
        return ErrorProducts(
            self.grams + other.grams, self.counts + other.counts, self.stretches + other.stretches, self.bands
        )

    def among(self, chosen: Tensor) -> ErrorProducts:
        """Return the products of some components alone."""
        return ErrorProducts(self.grams[..., chosen, :][..., chosen], self.counts, self.stretches, self.bands)

    def mean(self) -> Tensor:
        """Return the mean products."""
        return self.grams / self.counts.clamp(min=1)[..., None, None]

    def shares(self, *, of_all_channels: bool = False) -> Tensor:
        """Return weights of least error of each entity, drawn together, and of one unknown, ``(E + 1, bands, C, K)``.

        Args:
            of_all_channels: Channels have the same weights, each of them in units of its best component's error.
        """
        grams = self.mean()
        grams = _over_channels(grams) if of_all_channels else grams
        stretches = self.stretches + (self.stretches > 0)  # the last window ends a stretch
        each = [
            least_squares_shares(drawn_together(grams[:, band], stretches[:, band])) for band in range(grams.shape[1])
        ]
        return torch.stack(each, 1)


def worth(judged: Sequence[tuple[ErrorProducts, Tensor, Tensor]], *, channels_together: bool = False) -> Tensor:
    """Return how far weights are worth going to from simpler ones, 0 to 1, for each band and channel ``(bands, C)``.

    With g the mean share of the squared error that they save, and s its standard error over entities and what judges them,
    that is 1 - s^2 / g^2, as James and Stein (1961) draw a mean to a first guess; 0 where nothing is saved. Channels are
    judged apart, since one may be a season and the next a walk, unless they have the same weights; bands together where
    there are few entities.

    Args:
        judged: products of errors, weights ``(E, bands, C, K)`` that were found without them, and the simpler weights.
        channels_together: All channels go equally far.
    """
    cells = []
    for products, weights, simpler in judged:
        grams = products.mean()
        theirs, ours = (torch.einsum("ebck,ebckl,ebcl->bec", w.double(), grams, w.double()) for w in (simpler, weights))
        cells.append(torch.where(theirs > 0, 1 - ours / theirs.clamp(min=1e-30), torch.nan))
    saved = torch.cat(cells, 1)
    if channels_together:
        return _worth_of_channel(saved.flatten(1)).unsqueeze(1).expand(-1, saved.shape[2])
    return torch.stack([_worth_of_channel(saved[:, :, channel]) for channel in range(saved.shape[2])], 1)


def _worth_of_channel(saved: Tensor) -> Tensor:
    """Return how far weights are worth going in each band, from the shares that they save ``(bands, n)``."""
    of_band = [row[torch.isfinite(row)] for row in saved]
    if min(len(row) for row in of_band) < _FEW:
        of_band = [torch.cat(of_band)] * len(of_band)
    return torch.tensor([_drawn_to_zero(row) for row in of_band])


def _drawn_to_zero(saved: Tensor) -> float:
    if len(saved) < 2:
        return 1.0
    gain, error = float(saved.mean()), float(saved.std()) / math.sqrt(len(saved))
    return max(0.0, 1 - (error / gain) ** 2) if gain > 0 else 0.0


def band_of(steps: int) -> Tensor:
    """Return the band of each step, ``(H,)``."""
    bands, stop = torch.zeros(steps, dtype=torch.long), _BANDS
    while stop < steps:
        bands[stop:] += 1
        stop *= 4
    return bands
