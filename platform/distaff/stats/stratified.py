"""An exact test of chosen members against a population in strata, and Holm's correction over many tests.

Whether a chosen few carry a label more often than chance depends on what else they have in common. Items that speak for a
factor are popular ones, and labels go with popularity: chance is therefore a draw of as many members from each stratum,
of items that are about as popular.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse, special

from distaff_data.arrays import Floats, Ints

STRATUM = 25  # members of a stratum, at least; fewer where there are less than ten times as many of all
_SMALLEST = 4


def strata_of(values: Floats, least: int | None = None) -> Ints:
    """Return the stratum of each value ``(n,)``: runs of at least ``least`` of them in order, equal values together.

    By default ``STRATUM``, or a tenth of all where that is less: strata of half a small catalogue hold the most and the
    least popular together, and labels that go with popularity would pass for a factor's. The last run takes the remainder.
    """
    if least is None:
        least = min(STRATUM, max(len(values) // 10, _SMALLEST))
    order = np.argsort(-values, kind="stable")
    falls = np.flatnonzero(np.diff(values[order]) < 0) + 1  # where a stratum may begin
    strata = np.zeros(len(values), dtype=np.int64)
    start = 0
    for cut in falls.tolist():
        if cut - start >= least and len(values) - cut >= least:
            strata[order[cut:]] += 1
            start = cut
    return strata


def stratified_tails(chosen: Ints, strata: Ints, carries: sparse.csr_matrix) -> Floats:
    """Return the chance that as many chosen members or more carry each label, drawn at random within strata.

    The number of carriers is a sum of hypergeometric counts, one a stratum; its distribution is their convolution, exact.
    It is the conditional test of Cochran, Mantel and Haenszel, one-sided.

    Args:
        chosen: Positions of the members, ``(k,)``.
        strata: Stratum of everybody, from 0, ``(n,)``.
        carries: Ones, ``(n, L)``.

    Returns:
        ``(L,)``.
    """
    n_labels = carries.shape[1]
    picked = np.bincount(strata[chosen], minlength=int(strata.max()) + 1)
    sizes = np.bincount(strata, minlength=len(picked))
    place = sparse.csr_matrix(
        (np.ones(len(strata)), (strata, np.arange(len(strata)))), shape=(len(picked), len(strata))
    )
    carriers = (place @ carries).toarray().astype(np.int64)
    hits = np.asarray(carries[chosen].sum(0)).ravel().astype(np.int64)
    chances = np.zeros((n_labels, len(chosen) + 1))
    chances[:, 0] = 1.0
    for stratum in np.flatnonzero(picked):
        step = _hypergeometric(int(sizes[stratum]), carriers[stratum], int(picked[stratum]))
        after = np.zeros_like(chances)
        for count in range(step.shape[1]):
            after[:, count:] += chances[:, : chances.shape[1] - count] * step[:, count, None]
        chances = after
    tails = np.cumsum(chances[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.minimum(tails[np.arange(n_labels), hits], 1.0))


def _hypergeometric(size: int, carriers: Ints, drawn: int) -> Floats:
    """Return the chances of 0, 1, ... carriers among ``drawn`` of ``size``, a row a number of carriers ``(L,)``."""
    log_factorial = special.gammaln(np.arange(size + 1) + 1.0)
    counts = np.arange(drawn + 1)
    others, rest = (size - carriers)[:, None], drawn - counts
    possible = (counts <= carriers[:, None]) & (rest <= others)
    with_label = _log_ways(log_factorial, carriers[:, None], np.minimum(counts, carriers[:, None]))
    without = _log_ways(log_factorial, others, np.minimum(rest, others))
    total = _log_ways(log_factorial, np.array(size), np.array(drawn))
    return np.asarray(np.where(possible, np.exp(with_label + without - total), 0.0))


def _log_ways(log_factorial: Floats, n: Ints, k: Ints) -> Floats:
    """Return the logarithm of n over k."""
    return np.asarray(log_factorial[n] - log_factorial[k] - log_factorial[n - k])
