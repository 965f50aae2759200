"""Scores for generators, whose factors can be set: FactorVAE's and beta-VAE's.

Both are blunt, so they serve as sanity checks: duplicated latents, a rotation by 15° and even most random mixtures score 1.
Chance is 1/K.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distaff.disentanglement.inputs import Floats, read_latents, varies
from distaff.disentanglement.resampling import REPLICATES
from distaff.disentanglement.result import Reading, interval
from distaff.disentanglement.threads import one_thread

Sampler = Callable[[np.random.Generator, int], NDArray[np.generic]]
Representation = Callable[[NDArray[np.generic]], ArrayLike]

_TRIALS = 800  # to learn from, and as many to score
_BATCH = 64
_PROBE = 10_000


def factor_vae_score(sample: Sampler, represent: Representation, *, seed: int = 0) -> Reading:
    """FactorVAE score (Kim and Mnih 2018): fix a factor in a batch; does the latent that varies least tell which one?

    Latents are measured in units of their own variance, and those without any are left out: they would vary least always,
    and a perfect code with dead latents would score at chance.

    Args:
        sample: Draws ``n`` rows of independent factors ``(n, K)`` given a generator and ``n``.
        represent: Latents ``(n, J)`` of factors ``(n, K)``.
        seed: Of all that is drawn.

    Returns:
        The accuracy on trials that were not learned from. The matrix counts votes ``(K, J)`` in the others.
    """
    rng = np.random.default_rng(seed)
    probe = _latents(represent, sample(rng, _PROBE))
    live = varies(probe)
    n_factors = sample(rng, 1).shape[1]
    factors = rng.integers(n_factors, size=2 * _TRIALS)
    if not live.any():
        return _verdict(np.zeros((n_factors, live.size)), factors[_TRIALS:] == 0, live, rng)
    variance = np.where(live, probe.var(0), 1.0)
    batches = _latents(represent, _fixed(sample, rng, factors, _BATCH)).reshape(len(factors), _BATCH, -1)
    votes = np.where(live, batches.var(1) / variance, np.inf).argmin(1)
    counts = np.zeros((n_factors, live.size))
    np.add.at(counts, (factors[:_TRIALS], votes[:_TRIALS]), 1)
    return _verdict(counts, counts.argmax(0)[votes[_TRIALS:]] == factors[_TRIALS:], live, rng)


@one_thread()
def beta_vae_score(sample: Sampler, represent: Representation, *, seed: int = 0) -> Reading:
    """beta-VAE score (Higgins et al. 2017): fix a factor in pairs; does a linear classifier of mean |difference| tell which?

    Args:
        sample: Draws ``n`` rows of independent factors ``(n, K)`` given a generator and ``n``.
        represent: Latents ``(n, J)`` of factors ``(n, K)``.
        seed: Of all that is drawn.

    Returns:
        The accuracy on trials that were not learned from. The matrix is each factor's mean |difference| ``(K, J)``, in
        standard deviations of the latent.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(seed)
    probe = _latents(represent, sample(rng, _PROBE))
    live = varies(probe)
    n_factors = sample(rng, 1).shape[1]
    factors = rng.integers(n_factors, size=2 * _TRIALS)
    # Each two consecutive rows share the fixed factor.
    rows = _fixed(sample, rng, np.repeat(factors, _BATCH), 2)
    latents = np.where(live, _latents(represent, rows) / np.where(live, probe.std(0), 1.0), 0.0)
    pairs = latents.reshape(len(factors), _BATCH, 2, -1)
    differences = np.abs(pairs[:, :, 0] - pairs[:, :, 1]).mean(1)
    learned, scored = differences[:_TRIALS], differences[_TRIALS:]
    matrix = np.stack([learned[factors[:_TRIALS] == k].mean(0) for k in range(n_factors)])
    if n_factors == 1:
        return _verdict(matrix, np.ones(_TRIALS, dtype=bool), live, rng)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(learned, factors[:_TRIALS])
    return _verdict(matrix, model.predict(scored) == factors[_TRIALS:], live, rng)


def _latents(represent: Representation, factors: NDArray[np.generic]) -> Floats:
    """Latents ``(n, J)``, refused when they hold no numbers."""
    latents = np.asarray(represent(factors), dtype=np.float64)
    if latents.ndim == 1:
        latents = latents[:, None]
    read_latents(latents)
    return latents


def _fixed(sample: Sampler, rng: np.random.Generator, factors: NDArray[np.int64], size: int) -> NDArray[np.generic]:
    """Return batches of ``size`` rows, each with one value of its factor in ``factors`` ``(t,)``; ``(t * size, K)``."""
    rows = np.array(sample(rng, len(factors) * size))
    fixed = np.repeat(factors, size)
    first = np.repeat(np.arange(len(factors)) * size, size)
    rows[np.arange(len(rows)), fixed] = rows[first, fixed]
    return rows


def _verdict(matrix: Floats, right: NDArray[np.bool_], live: NDArray[np.bool_], rng: np.random.Generator) -> Reading:
    """Return the accuracy over the trials that were not learned from, with what it was read from."""
    value = float(right.mean())
    low, high = interval(value, rng.binomial(right.size, value, REPLICATES) / right.size)
    return Reading(value, low, high, matrix, dead=int((~live).sum()))
