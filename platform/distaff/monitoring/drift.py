"""The distance between the data at a scoring and the data that the run was fitted to.

* **Interactions**: which items are taken (total variation), how active users are (population stability index over tenths of
  the training users), and how common each factor is (total variation of mean shares, an item's shares held fixed).
* **Series**: mean and spread of each channel over all rows, in units of the training rows' scaler.
* **Incidents**: the same of each metric over normal rows.

Two samples of one population differ too. For interactions the limit is what shuffling users between the two samples gives:
their mean and four standard deviations; for channels it is four standard errors over blocks of rows. On top comes a margin,
below which a change is of no consequence however sure it is.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from distaff.incidents.base import Diagnoser, normal_rows
from distaff.model.base import Model
from distaff.recommenders.base import Recommender
from distaff.runs.records import model_folder
from distaff.series.model import SeriesModel
from distaff.stats.moments import ChannelMoments, normal_moments
from distaff_data.arrays import Bools, Floats, Ints
from distaff_data.datasets.incidents import Incidents
from distaff_data.datasets.interactions import Interactions
from distaff_data.datasets.series import Series
from distaff_data.errors import UnsupportedError
from distaff_data.workspace import Workspace

_SHUFFLES = 40
_SIGMAS = 4.0
_MARGINS = {"total variation": 0.02, "psi": 0.05, "shift of the mean": 0.1, "ratio of the spreads": 0.1}
_TENTHS = np.arange(0.1, 1.0, 0.1)


@dataclass(frozen=True)
class Drift:
    """One comparison; field by field the table ``drifts``, less what is the same for all of a scoring."""

    part: str
    name: str
    measure: str
    value: float
    limit: float
    detail: str | None = None

    @property
    def drifted(self) -> bool:
        """True where the distance is larger than sampling explains, and large enough to matter."""
        return self.value > self.limit


def measure(
    workspace: Workspace, run_id: str, execution: str | None = None, *, model: Model[Any] | None = None
) -> list[Drift]:
    """Compare a run's training data with its dataset as it is now, and store the comparison.

    Args:
        workspace: Where both are.
        run_id: A finished run.
        execution: The scheduled execution that asks.
        model: The run's model, where the caller has it in memory.

    Returns:
        The comparisons; none where the dataset is gone.
    """
    model = model or Model.load(model_folder(workspace, run_id))
    if workspace.warehouse.live(f"dataset/{model.data.name}") is None:
        return []
    drifts = compare(model, model.read(workspace.warehouse, model.data.name))
    rows = [{**vars(drift), "drifted": drift.drifted} for drift in drifts]
    constants = {"drift": uuid.uuid4().hex[:12], "run": run_id, "dataset": model.data.name, "execution": execution}
    workspace.warehouse.append("drifts", rows, written_at=datetime.now(UTC), **constants)
    return drifts


def compare(model: Model[Any], now: object) -> list[Drift]:
    """Compare a fitted model's training data with other data of its kind."""
    if isinstance(model, Recommender) and isinstance(now, Interactions):
        return _interactions(model, now)
    if isinstance(model, SeriesModel) and isinstance(now, Series):
        return _series(model, now)
    if isinstance(model, Diagnoser) and isinstance(now, Incidents):
        return _channels(model.normal, normal_moments([normal_rows(case) for case in now.cases]))
    return []


def warning(drifts: Sequence[Drift]) -> str | None:
    """Return one line about what has drifted; None when nothing has."""
    messages = [
        f"{drift.part} {drift.name}".strip() + f" ({drift.measure} {drift.value:.3g}, limit {drift.limit:.3g})"
        for drift in drifts
        if drift.drifted
    ]
    rest = f" and {len(messages) - 3} more" if len(messages) > 3 else ""
    return f"drift since training: {', '.join(messages[:3])}{rest}" if messages else None


# ------------------------------------------------------------------------------------------------------- interactions


def _interactions(model: Recommender, now: Interactions) -> list[Drift]:
    from scipy.sparse import csr_matrix, vstack

    before = model.data
    to = before.item_positions(now.item_ids).numpy()
    strange_items = to < 0
    to[strange_items] = before.n_items + np.arange(int(strange_items.sum()))
    ids = pl.concat([pl.Series(before.item_ids), pl.Series(now.item_ids).filter(pl.Series(strange_items))])
    old, new = before.train.scipy(), now.train.scipy()
    old = csr_matrix((old.data, old.indices, old.indptr), shape=(old.shape[0], len(ids)))
    new = csr_matrix((new.data, to[new.indices], new.indptr), shape=(new.shape[0], len(ids)))
    taken = vstack([old, new]).astype(np.float64).tocsr()
    taken = taken[np.asarray(taken.sum(1)).ravel() > 0]
    n_old = int((before.train.counts() > 0).sum())
    first = np.arange(taken.shape[0]) < n_old
    strange = float(new[:, before.n_items :].sum() / max(new.sum(), 1))

    def of_items(mask: Bools) -> Floats:
        counts = np.asarray(taken.T @ mask.astype(np.float64)).ravel()
        shares: Floats = counts / max(counts.sum(), 1.0)
        return shares

    def items(mask: Bools) -> float:
        return _variation(of_items(mask), of_items(~mask))

    activity = np.asarray(taken.sum(1)).ravel()
    edges = np.unique(np.quantile(activity[first], _TENTHS))
    tenth = np.searchsorted(edges, activity, side="left")

    def active(mask: Bools) -> float:
        return _psi(*(np.bincount(tenth[side], minlength=len(edges) + 1) for side in (mask, ~mask)))

    old_shares, new_shares = of_items(first), of_items(~first)
    at = int(np.abs(new_shares - old_shares).argmax())
    detail = f"item {ids[at]} from {old_shares[at]:.2%} to {new_shares[at]:.2%} of the interactions"
    detail += f"; {strange:.1%} are with items that the model does not know" if strange else ""
    drifts = [
        _shuffled("items", "total variation", items, first, detail),
        _shuffled("activity", "psi", active, first, _means("interactions a user", activity, first)),
    ]
    shares = _shares(model)
    if shares is not None:
        known_items = taken[:, : before.n_items]
        mixes = (known_items @ shares) / np.maximum(np.asarray(known_items.sum(1)), 1.0)

        def factors(mask: Bools) -> float:
            return _variation(mixes[mask].sum(0), mixes[~mask].sum(0))

        gap = mixes[~first].mean(0) - mixes[first].mean(0)
        at = int(np.abs(gap).argmax())
        detail = f"factor {at} from {mixes[first].mean(0)[at]:.3f} to {mixes[~first].mean(0)[at]:.3f} of a user"
        drifts.append(_shuffled("factors", "total variation", factors, first, detail))
    return drifts


def _shares(model: Recommender) -> Floats | None:
    try:
        shares: Floats = model.intents().items.double().cpu().numpy()
    except UnsupportedError:
        return None
    return shares


def _shuffled(
    part: str,
    measure: str,
    measured: Callable[[Bools], float],
    first: Bools,
    detail: str | None,
) -> Drift:
    """Return a measure between the first users and the others, and what it is between groups drawn from all of them."""
    draw = np.random.default_rng(0)
    if first.all() or not first.any():
        return Drift(part, "", measure, 0.0, _MARGINS[measure], "one side has no interactions")
    floor = np.array([measured(draw.permutation(first)) for _ in range(_SHUFFLES)])
    limit = float(floor.mean() + _SIGMAS * floor.std(ddof=1)) + _MARGINS[measure]
    return Drift(part, "", measure, measured(first), limit, detail)


def _variation(before: Floats, now: Floats) -> float:
    """Return half the summed distance of two distributions: the share that would have to move."""
    return float(np.abs(before / max(before.sum(), 1e-12) - now / max(now.sum(), 1e-12)).sum() / 2)


def _psi(before: Ints, now: Ints) -> float:
    """Return the population stability index of counts, each bin with half a count more, so that none is empty."""
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (before, now))
    return float(((p - q) * np.log(p / q)).sum())


def _means(name: str, values: Floats, first: Bools) -> str:
    return f"{name}: mean {values[first].mean():.3g} then, {values[~first].mean():.3g} now"


# ----------------------------------------------------------------------------------------------------------- channels


def _series(model: SeriesModel, now: Series) -> list[Drift]:
    before = model.data
    rows = before.rows_of("train").numpy()
    old = {name: values for name, values in _moments(before, model.length, rows).items() if values is not None}
    new = {
        name: values
        for name, values in _moments(now, model.length, np.arange(len(now.values))).items()
        if values is not None
    }
    return _channels(old, new)


def _moments(data: Series, length: int, rows: Ints) -> dict[str, ChannelMoments | None]:
    """Return the moments of each channel; a block is ``length`` rows of an entity, or an entity that is one window."""
    entity = data.entity_of_row().numpy()
    within = np.arange(len(entity)) - data.offsets.numpy()[entity]
    block = entity * (int(within.max(initial=0)) // length + 1) + (0 if data.whole else within // length)
    values = np.where(data.mask.numpy(), data.values.double().numpy(), np.nan)[rows]
    return {name: ChannelMoments.from_blocks(values[:, at], block[rows]) for at, name in enumerate(data.channels)}


def _channels(before: dict[str, ChannelMoments], now: dict[str, ChannelMoments]) -> list[Drift]:
    drifts = []
    for name in (name for name in before if name in now):
        old, new = before[name], now[name]
        scale = old.std or 1.0
        shift = abs(new.mean - old.mean) / scale
        error = math.hypot(old.mean_error, new.mean_error * new.std / scale)
        detail = f"mean {old.mean:.4g} then, {new.mean:.4g} now; spread {old.std:.4g} then, {new.std:.4g} now"
        drifts.append(_channel(name, "shift of the mean", shift, error, detail))
        if old.std > 0 and new.std > 0:
            ratio = abs(math.log(new.std / old.std))
            error = math.hypot(old.spread_error, new.spread_error)
            drifts.append(_channel(name, "ratio of the spreads", ratio, error, detail))
    return drifts


def _channel(name: str, measure: str, value: float, error: float, detail: str) -> Drift:
    return Drift("channels", name, measure, value, _SIGMAS * error + _MARGINS[measure], detail)
