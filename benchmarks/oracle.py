"""How well users' intents could be told at best: their posterior mean where the generator's own parameters are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distaff_data.datasets.csr import Csr
from distaff_data.planted.interactions import Planted

Floats = NDArray[np.float64]

_SWEEPS, _BURN_IN = 150, 30


def posterior_mix(observed: Csr, chance_kept: float, chances: Floats, planted: Planted, seed: int) -> Floats:
    """Return the posterior mean of users' shares given what they took and the true chances of items, by Gibbs sampling.

    It has the least expected squared error of any estimate from the same observations, and is given more than any model
    knows: which items belong to which intent. A sweep draws which unobserved items were taken and held out, how often
    each item was taken, of which intent each time, and the user's rates, Gamma distributed with the planted concentration.

    Args:
        observed: What is observed of it, ``(n_users, n_items)``.
        chance_kept: The chance that what was taken is observed.
        chances: Chances of items given each intent, noise included, columns summing to 1, ``(n_items, K)``.
        planted: For the concentration of users' shares.
        seed: Of the sampler.
    """
    rng = np.random.default_rng(seed)
    present = observed.dense().numpy() > 0
    n_users, n_intents = len(present), chances.shape[1]
    rates = np.repeat(present.sum(1, keepdims=True) / n_intents, n_intents, axis=1)
    total = np.zeros_like(rates)
    for sweep in range(_SWEEPS):
        expected = rates @ chances.T
        chance_taken = -np.expm1(-expected)
        chance_absent = 1 - chance_kept * chance_taken
        hidden = ~present & (rng.random(present.shape) * chance_absent < (1 - chance_kept) * chance_taken)
        users, items = np.nonzero(present | hidden)
        by_intent = rates[users] * chances[items]
        by_intent /= by_intent.sum(1, keepdims=True)
        counts = rng.multinomial(_at_least_once(expected[users, items], rng), by_intent)
        sums = np.stack([np.bincount(users, counts[:, k], n_users) for k in range(n_intents)], axis=1)
        rates = rng.gamma(planted.parameters.theta_alpha + sums)
        if sweep >= _BURN_IN:
            total += rates / rates.sum(1, keepdims=True)
    return total / (_SWEEPS - _BURN_IN)


def true_chances(planted: Planted, phi: Floats, popularity: Floats) -> Floats:
    """Return the chances of items given each intent, ``(n_items, K)``, noise included, from the truth by item."""
    weights = popularity[:, None] * phi
    noise = planted.parameters.noise
    mixed: Floats = (1 - noise) * weights / weights.sum(0) + noise * (weights.sum(1) / weights.sum())[:, None]
    return mixed


def _at_least_once(mean: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return Poisson draws that are not 0: the first event falls before time 1, the others after it."""
    first = -np.log1p(rng.random(mean.shape) * np.expm1(-mean))
    draws: NDArray[np.int64] = 1 + rng.poisson(np.maximum(mean - first, 0.0))
    return draws
