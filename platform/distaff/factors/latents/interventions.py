"""What latents do: cards of their effects on windows, one latent's traversal, and windows beside their reconstruction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distaff.factors.effects import EffectCard, Ladder, effect_card
from distaff.factors.latents.properties import PHASE, window_properties
from distaff.factors.latents.representations import Held
from distaff.series.latents import Latent
from distaff.series.model import SeriesModel

Floats = NDArray[np.float64]

_STEADY = 1e-4  # deviation of a property, in scaled units, below which it is the arithmetic's
_ANY_PHASE = 12**-0.5  # deviation of a phase of which nothing is known, in turns
_SAMPLE = 64  # windows whose latents are moved
_EACH = 6  # windows of which reconstructions are kept


@dataclass(frozen=True)
class Traversal:
    """The window of the mean latents as one of them moves.

    Attributes:
        ladder: Where to.
        windows: In the channels' own units, ``(L, T, C)``.
    """

    ladder: Ladder
    windows: Tensor


class Mover:
    """Moves the latents of a sample of windows and decodes them.

    Args:
        model: A model with latents.
        held: Windows it was not trained on.
    """

    def __init__(self, model: SeriesModel, held: Held) -> None:
        assert isinstance(model, Latent)
        assert held.codes is not None
        self.model, self.latent, self.held = model, model, held
        self.means = held.codes.means.double().numpy()
        self.sample = np.linspace(0, len(self.means) - 1, min(_SAMPLE, len(self.means))).astype(int)
        observed = window_properties(held.values, held.mask, model.data.channels)
        spread = {name: float(values.std()) for name, values in observed.items()}
        self.spread = {name: value if value > _STEADY else 1.0 for name, value in spread.items()}
        self.spread |= {name: _ANY_PHASE for name in spread if name.endswith(PHASE)}

    def decode(self, codes: Floats) -> tuple[Tensor, Tensor]:
        """Mean and noise variance of windows, scaled, ``(b, T, C)`` and ``(b, C)``."""
        z = torch.from_numpy(codes).float().to(self.model.device)
        return self.latent.decode(z).cpu(), self.latent.noise_variance(z).cpu()

    def card(self, factor: int, *, seed: int = 0) -> EffectCard | None:
        """Effects on the windows' properties, in units of each property's deviation over windows; None of a constant."""
        values = self.means[:, factor]
        if np.ptp(values) < 1e-9:
            return None
        periods = {name: 1.0 / value for name, value in self.spread.items() if name.endswith(PHASE)}
        sample, ladder = self.means[self.sample], Ladder.from_values(values)
        return effect_card(sample, factor, ladder, self.decode, self._properties, periods=periods, seed=seed)

    def _properties(self, decoded: tuple[Tensor, Tensor]) -> dict[str, Floats]:
        windows, noise = decoded
        found = window_properties(windows, torch.ones_like(windows, dtype=torch.bool), self.model.data.channels)
        found["variance"] = found["variance"] + noise.mean(1)
        return {name: (values / self.spread[name]).double().numpy() for name, values in found.items()}

    def effects(self) -> Floats:
        """Share of what is decoded, mean and noise, that changes when a latent is held at its mean; ``(K,)``.

        The change of the mean is measured against its variance over windows, that of the noise against the noise's.
        """
        middle = self.means.mean(0)
        base, base_noise = self.decode(self.means)
        total = float((base - base.mean(0)).square().sum()) + float(base_noise.sum()) * base.shape[1]
        found = np.zeros(self.means.shape[1])
        for k in range(len(found)):
            held = self.means.copy()
            held[:, k] = middle[k]
            windows, noise = self.decode(held)
            change = float((windows - base).square().sum()) + float((noise - base_noise).abs().sum()) * base.shape[1]
            found[k] = change / max(total, 1e-12)
        return np.minimum(found, 1.0)

    def traversal(self, factor: int) -> Traversal:
        """From the mean of all latents, over the factor's ladder."""
        ladder = Ladder.from_values(self.means[:, factor])
        codes = np.repeat(self.means.mean(0)[None], len(ladder.levels), axis=0)
        codes[:, factor] = ladder.levels
        assert self.model.scaler is not None
        windows, _ = self.decode(codes)
        return Traversal(ladder, self.model.scaler.to(torch.device("cpu")).invert(windows))

    def reconstructions(self) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
        """Some windows: position, what was measured (NaN where missing), its reconstruction, noise ``(C,)``; own units."""
        assert self.model.scaler is not None
        scaler = self.model.scaler.to(torch.device("cpu"))
        chosen = np.linspace(0, len(self.means) - 1, min(_EACH, len(self.means))).astype(int)
        windows, noise = self.decode(self.means[chosen])
        for at, place in enumerate(chosen.tolist()):
            measured = torch.where(self.held.mask[place], scaler.invert(self.held.values[place]), torch.nan)
            yield place, measured, scaler.invert(windows[at]), noise[at].sqrt() * scaler.std
