"""Interventions on latents: cards of their effects on windows, one latent's traversal, and reconstructions of windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from distaff.factors.effects import EffectCard, Ladder, effect_card
from distaff.factors.latents.properties import PHASE, window_properties
from distaff.factors.latents.representations import EncodedWindows
from distaff.series.latents import Latent
from distaff.series.model import SeriesModel
from distaff_data.arrays import Floats

_CONSTANT = 1e-9  # range of a latent that has no card
_STEADY = 1e-4  # deviation of a property, in scaled units, below which it is the arithmetic's
_ANY_PHASE = 12**-0.5  # deviation of a phase of which nothing is known, in turns
_SAMPLE = 64  # windows whose latents are moved
_EACH = 6  # windows of which reconstructions are kept


@dataclass(frozen=True)
class LatentTraversal:
    """The window of the mean latents as one of them moves.

    Attributes:
        ladder: Where to.
        windows: In the channels' own units, ``(L, T, C)``.
    """

    ladder: Ladder
    windows: Tensor


class LatentInterventions:
    """Interventions on the latents of a sample of windows: they are moved and decoded.

    Args:
        model: A model with latents.
        encoded: Windows it was not trained on.
    """

    def __init__(self, model: SeriesModel, encoded: EncodedWindows) -> None:
        assert isinstance(model, Latent)
        assert encoded.codes is not None
        self.model, self.latent, self.encoded = model, model, encoded
        self.means = encoded.codes.means.double().numpy()
        self.sample = np.linspace(0, len(self.means) - 1, min(_SAMPLE, len(self.means))).astype(int)
        observed = window_properties(encoded.values, encoded.mask, model.data.channels)
        spread = {name: float(values.std()) for name, values in observed.items()}
        self.spread = {name: value if value > _STEADY else 1.0 for name, value in spread.items()}
        self.spread |= {name: _ANY_PHASE for name in spread if name.endswith(PHASE)}

    def decode(self, codes: Floats) -> tuple[Tensor, Tensor]:
        """Return mean and noise variance of windows, scaled, ``(b, T, C)`` and ``(b, C)``."""
        z = torch.from_numpy(codes).float().to(self.model.device)
        return self.latent.decode(z).cpu(), self.latent.noise_variance(z).cpu()

    def card(self, factor: int, *, seed: int = 0) -> EffectCard | None:
        """Return effects on windows' properties, in units of each property's deviation; None of a constant latent."""
        values = self.means[:, factor]
        if np.ptp(values) < _CONSTANT:
            return None
        periods = {name: 1.0 / value for name, value in self.spread.items() if name.endswith(PHASE)}
        sample, ladder = self.means[self.sample], Ladder.from_values(values)
        n_factors = int((np.ptp(self.means, axis=0) >= _CONSTANT).sum())
        return effect_card(
            sample, factor, ladder, self.decode, self._properties, periods=periods, n_factors=n_factors, seed=seed
        )

    def _properties(self, decoded: tuple[Tensor, Tensor]) -> dict[str, Floats]:
        windows, noise = decoded
        properties = window_properties(windows, torch.ones_like(windows, dtype=torch.bool), self.model.data.channels)
        properties["variance"] = properties["variance"] + noise.mean(1)
        return {name: (values / self.spread[name]).double().numpy() for name, values in properties.items()}

    def effects(self) -> Floats:
        """Return the share of decoded windows, mean and noise, that changes when a latent is held at its mean; ``(K,)``.

        The change of the mean is measured against its variance over windows, that of the noise against the noise's.
        """
        centre = self.means.mean(0)
        base, base_noise = self.decode(self.means)
        total = float((base - base.mean(0)).square().sum()) + float(base_noise.sum()) * base.shape[1]
        shares = np.zeros(self.means.shape[1])
        for k in range(len(shares)):
            fixed = self.means.copy()
            fixed[:, k] = centre[k]
            windows, noise = self.decode(fixed)
            change = float((windows - base).square().sum()) + float((noise - base_noise).abs().sum()) * base.shape[1]
            shares[k] = change / max(total, 1e-12)
        return np.minimum(shares, 1.0)

    def traversal(self, factor: int) -> LatentTraversal:
        """Return windows from the mean of all latents, over the factor's ladder."""
        ladder = Ladder.from_values(self.means[:, factor])
        codes = np.repeat(self.means.mean(0)[None], len(ladder.levels), axis=0)
        codes[:, factor] = ladder.levels
        assert self.model.scaler is not None
        windows, _ = self.decode(codes)
        return LatentTraversal(ladder, self.model.scaler.to(torch.device("cpu")).typical().invert(windows))

    def reconstructions(self) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
        """Yield some windows: position, measured values (NaN where missing), reconstruction, noise ``(C,)``; own units."""
        encoded = self.encoded.windows
        chosen = np.linspace(0, len(self.means) - 1, min(_EACH, len(self.means))).astype(int)
        windows, noise = self.decode(self.means[chosen])
        for row, position in enumerate(chosen.tolist()):
            values, mask = self.encoded.values[position], self.encoded.mask[position]
            scaler = self.model.scaler_for(encoded.data, encoded.entities[position], of="rows").to(torch.device("cpu"))
            measured = torch.where(mask, scaler.invert(values), torch.nan)
            yield position, measured, scaler.invert(windows[row]), noise[row].sqrt() * scaler.std
