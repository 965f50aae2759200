"""Drift of interactions: the pairs of user and item that a run's data did not have, beside those that it had.

Users are the units, since what one user takes hangs together. Two questions are asked apart, for each has its own chance:

* **new users** beside those who were there: users are shuffled between the two sides;
* **known users**, by what they took since beside what they had taken: each user's two sides are swapped or not.

All splits count, on both sides: a run's validation and test items are nothing new, and a history without them is shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix, diags, vstack

from distaff.monitoring.comparison import MARGINS, DriftMeasure, nothing_new
from distaff.recommenders.base import Recommender
from distaff_data.arrays import Bools, Floats, Ints
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import UnsupportedError

_SHUFFLES = 40
_SIGMAS = 4.0
_TENTHS = np.arange(0.1, 1.0, 0.1)
_NEW, _KNOWN = "new users", "known users"


def compare_interactions(model: Recommender, now: Interactions) -> list[DriftMeasure]:
    """Return how far what came since the fit is from what the model's data had."""
    old, new, ids = _since(model.data, now)
    shares = _shares(model)
    n_old, n_new = (np.asarray(side.sum(1)).ravel() for side in (old, new))
    if not n_new.any():
        parts = [("items", "total variation"), ("activity", "psi")]
        return nothing_new(parts + ([] if shares is None else [("factors", "total variation")]))
    came, stayed = (n_old == 0) & (n_new > 0), (n_old > 0) & (n_new > 0)
    drifts = []
    if came.any() and n_old.any():
        pairs = vstack([old[n_old > 0], new[came]]).tocsr()
        first = np.arange(pairs.shape[0]) < int((n_old > 0).sum())
        drifts += _of_new_users(pairs, first, ids, model.data.n_items, shares)
    if stayed.any():
        drifts += _of_known_users(old[stayed], new[stayed], ids, model.data.n_items, shares)
    return drifts


def _since(before: Interactions, now: Interactions) -> tuple[csr_matrix, csr_matrix, pl.Series]:
    """Return pairs that were there and pairs that came, users by items of both, and the items' ids."""
    rows, n_users, _ = _places(before.user_positions(now.user_ids).numpy(), before.n_users)
    cols, n_items, strange = _places(before.item_positions(now.item_ids).numpy(), before.n_items)
    ids = pl.concat([pl.Series(before.item_ids), pl.Series(now.item_ids).filter(pl.Series(strange))])
    old, current = (data.train.union(data.valid).union(data.test).scipy().tocoo() for data in (before, now))
    shape = (n_users, n_items)
    held = csr_matrix((np.ones(old.nnz), (old.row, old.col)), shape)
    holds = csr_matrix((np.ones(current.nnz), (rows[current.row], cols[current.col])), shape)
    came = (holds - holds.multiply(held)).tocsr()
    came.eliminate_zeros()
    return held, came, ids


def _places(positions: Ints, n: int) -> tuple[Ints, int, Bools]:
    """Return positions in which what is strange follows what was there, how many there are, and what is strange."""
    strange = positions < 0
    count = int(strange.sum())
    places = positions.copy()
    places[strange] = n + np.arange(count)
    return places, n + count, strange


def _of_new_users(
    pairs: csr_matrix, first: Bools, ids: pl.Series, n_known: int, shares: Floats | None
) -> list[DriftMeasure]:
    """Return the drifts between the first users of ``pairs`` and the others."""

    def of_items(mask: Bools) -> Floats:
        counts = np.asarray(pairs.T @ mask.astype(np.float64)).ravel()
        weights: Floats = counts / max(counts.sum(), 1.0)
        return weights

    def items(mask: Bools) -> float:
        return _variation(of_items(mask), of_items(~mask))

    activity = np.asarray(pairs.sum(1)).ravel()
    edges = np.unique(np.quantile(activity[first], _TENTHS))
    tenth = np.searchsorted(edges, activity, side="left")

    def active(mask: Bools) -> float:
        return _psi(*(np.bincount(tenth[side], minlength=len(edges) + 1) for side in (mask, ~mask)))

    detail = _largest(of_items(first), of_items(~first), ids, "interactions", n_known)
    means = f"interactions a user: mean {activity[first].mean():.3g} then, {activity[~first].mean():.3g} of new users"
    drifts = [
        _shuffled("items", "total variation", items, first, detail),
        _shuffled("activity", "psi", active, first, means),
    ]
    if shares is not None:
        mixes, _ = _mixes(pairs, n_known, shares)

        def factors(mask: Bools) -> float:
            return _variation(mixes[mask].sum(0), mixes[~mask].sum(0))

        detail = _factor(mixes[first].mean(0), mixes[~first].mean(0))
        drifts.append(_shuffled("factors", "total variation", factors, first, detail))
    return drifts


def _of_known_users(
    old: csr_matrix, new: csr_matrix, ids: pl.Series, n_known: int, shares: Floats | None
) -> list[DriftMeasure]:
    """Return the drifts between what the same users, row by row, took then and since; every user counts the same."""
    then, since = _by_row(old), _by_row(new)
    mean_then, mean_since = (np.asarray(side.mean(0)).ravel() for side in (then, since))
    detail = _largest(mean_then, mean_since, ids, "choices of a user", n_known)
    drifts = [_swapped("items", since - then, detail)]
    if shares is not None:
        (before, known), (after, known_since) = (_mixes(side, n_known, shares) for side in (old, new))
        both = known & known_since
        if both.any():
            detail = _factor(before[both].mean(0), after[both].mean(0))
            drifts.append(_swapped("factors", after[both] - before[both], detail))
    return drifts


def _shuffled(part: str, measure: str, measured: Callable[[Bools], float], first: Bools, detail: str) -> DriftMeasure:
    """Return a measure between the first users and the others, and what it is between groups drawn from all of them."""
    draw = np.random.default_rng(0)
    floor = np.array([measured(draw.permutation(first)) for _ in range(_SHUFFLES)])
    return DriftMeasure(part, _NEW, measure, measured(first), _limit(floor, measure), detail)


def _swapped(part: str, gaps: Any, detail: str) -> DriftMeasure:
    """Return the total variation of users' two sides, whose differences are rows, and what it is when sides are swapped."""
    n = gaps.shape[0]
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (n, _SHUFFLES))
    floor = np.abs(np.asarray(gaps.T @ signs)).sum(0) / (2 * n)
    value = float(np.abs(np.asarray(gaps.sum(0))).sum() / (2 * n))
    return DriftMeasure(part, _KNOWN, "total variation", value, _limit(floor, "total variation"), detail)


def _limit(floor: Floats, measure: str) -> float:
    return float(floor.mean() + _SIGMAS * floor.std(ddof=1)) + MARGINS[measure]


def _shares(model: Recommender) -> Floats | None:
    try:
        shares: Floats = model.intents().items.double().cpu().numpy()
    except UnsupportedError:
        return None
    return shares


def _mixes(pairs: csr_matrix, n_known: int, shares: Floats) -> tuple[Floats, Bools]:
    """Return the mean shares of each user's items that the model knows, and which users have one."""
    known_items = pairs[:, :n_known]
    counts = np.asarray(known_items.sum(1))
    mixes: Floats = (known_items @ shares) / np.maximum(counts, 1.0)
    return mixes, counts.ravel() > 0


def _by_row(pairs: csr_matrix) -> csr_matrix:
    """Return each user's pairs as shares of that user's."""
    return diags(1.0 / np.asarray(pairs.sum(1)).ravel()) @ pairs


def _largest(then: Floats, since: Floats, ids: pl.Series, of: str, n_known: int) -> str:
    at = int(np.abs(since - then).argmax())
    strange = float(since[n_known:].sum())
    detail = f"item {ids[at]} from {then[at]:.2%} to {since[at]:.2%} of the {of}"
    return detail + (f"; {strange:.1%} are with items that the model does not know" if strange else "")


def _factor(then: Floats, since: Floats) -> str:
    at = int(np.abs(since - then).argmax())
    return f"factor {at} from {then[at]:.3f} to {since[at]:.3f} of a user"


def _variation(before: Floats, now: Floats) -> float:
    """Return half the summed distance of two distributions: the share that would have to move."""
    return float(np.abs(before / max(before.sum(), 1e-12) - now / max(now.sum(), 1e-12)).sum() / 2)


def _psi(before: Ints, now: Ints) -> float:
    """Return the population stability index of counts, each bin with half a count more, so that none is empty."""
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (before, now))
    return float(((p - q) * np.log(p / q)).sum())
