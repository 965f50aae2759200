"""How far the data at a scoring is from the data that the run was fitted to.

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
import numpy.typing as npt
import pyarrow as pa

from distaff.incidents.base import Diagnoser, normal_rows
from distaff.model.base import Model
from distaff.recommenders.base import Recommender
from distaff.runs.runs import model_folder
from distaff.series.model import SeriesModel
from distaff.stats.moments import Moments, normal_moments
from distaff_data.datasets.incidents import Incidents
from distaff_data.datasets.interactions import Interactions
from distaff_data.datasets.series import Series
from distaff_data.errors import UnsupportedError
from distaff_data.workspace import Workspace

Floats = npt.NDArray[np.float64]

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
        """Whether it is further than sampling explains, and far enough to matter."""
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


def warning(found: Sequence[Drift]) -> str | None:
    """One line about what has drifted; None when nothing has."""
    told = [
        f"{drift.part} {drift.name}".strip() + f" ({drift.measure} {drift.value:.3g}, limit {drift.limit:.3g})"
        for drift in found
        if drift.drifted
    ]
    more = f" and {len(told) - 3} more" if len(told) > 3 else ""
    return f"drift since training: {', '.join(told[:3])}{more}" if told else None


# ------------------------------------------------------------------------------------------------------- interactions


def _interactions(model: Recommender, now: Interactions) -> list[Drift]:
    from scipy.sparse import csr_matrix, vstack

    before = model.data
    strangers = now.item_ids.filter(pa.compute.invert(pa.compute.is_in(now.item_ids, before.item_ids)))
    ids = pa.concat_arrays([before.item_ids, strangers])
    to = pa.compute.index_in(now.item_ids, ids).to_numpy(zero_copy_only=False)
    old, new = before.train.scipy(), now.train.scipy()
    old = csr_matrix((old.data, old.indices, old.indptr), shape=(old.shape[0], len(ids)))
    new = csr_matrix((new.data, to[new.indices], new.indptr), shape=(new.shape[0], len(ids)))
    taken = vstack([old, new]).astype(np.float64).tocsr()
    taken = taken[np.asarray(taken.sum(1)).ravel() > 0]
    n_old = int((before.train.counts() > 0).sum())
    first = np.arange(taken.shape[0]) < n_old
    strange = float(new[:, before.n_items :].sum() / max(new.sum(), 1))

    def of_items(mask: npt.NDArray[np.bool_]) -> Floats:
        counts = np.asarray(taken.T @ mask.astype(np.float64)).ravel()
        shares: Floats = counts / max(counts.sum(), 1.0)
        return shares

    def items(mask: npt.NDArray[np.bool_]) -> float:
        return _variation(of_items(mask), of_items(~mask))

    activity = np.asarray(taken.sum(1)).ravel()
    edges = np.unique(np.quantile(activity[first], _TENTHS))
    tenth = np.searchsorted(edges, activity, side="left")

    def active(mask: npt.NDArray[np.bool_]) -> float:
        return _psi(*(np.bincount(tenth[side], minlength=len(edges) + 1) for side in (mask, ~mask)))

    then, today = of_items(first), of_items(~first)
    most = int(np.abs(today - then).argmax())
    detail = f"item {ids[most].as_py()} from {then[most]:.2%} to {today[most]:.2%} of the interactions"
    detail += f"; {strange:.1%} are with items that the model does not know" if strange else ""
    found = [
        _shuffled("items", "total variation", items, first, detail),
        _shuffled("activity", "psi", active, first, _means("interactions a user", activity, first)),
    ]
    shares = _shares(model)
    if shares is not None:
        known_items = taken[:, : before.n_items]
        mixes = (known_items @ shares) / np.maximum(np.asarray(known_items.sum(1)), 1.0)

        def factors(mask: npt.NDArray[np.bool_]) -> float:
            return _variation(mixes[mask].sum(0), mixes[~mask].sum(0))

        gap = mixes[~first].mean(0) - mixes[first].mean(0)
        most = int(np.abs(gap).argmax())
        detail = f"factor {most} from {mixes[first].mean(0)[most]:.3f} to {mixes[~first].mean(0)[most]:.3f} of a user"
        found.append(_shuffled("factors", "total variation", factors, first, detail))
    return found


def _shares(model: Recommender) -> Floats | None:
    try:
        shares: Floats = model.intents().items.double().cpu().numpy()
    except UnsupportedError:
        return None
    return shares


def _shuffled(
    part: str,
    measure: str,
    of: Callable[[npt.NDArray[np.bool_]], float],
    first: npt.NDArray[np.bool_],
    detail: str | None,
) -> Drift:
    """A measure between the first users and the others, and what it is between groups drawn from all of them."""
    draw = np.random.default_rng(0)
    if first.all() or not first.any():
        return Drift(part, "", measure, 0.0, _MARGINS[measure], "one side has no interactions")
    floor = np.array([of(draw.permutation(first)) for _ in range(_SHUFFLES)])
    limit = float(floor.mean() + _SIGMAS * floor.std(ddof=1)) + _MARGINS[measure]
    return Drift(part, "", measure, of(first), limit, detail)


def _variation(one: Floats, other: Floats) -> float:
    """Half the summed distance of two distributions: the share that would have to move."""
    return float(np.abs(one / max(one.sum(), 1e-12) - other / max(other.sum(), 1e-12)).sum() / 2)


def _psi(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> float:
    """Population stability index of counts, each bin with half a count more, so that none is empty."""
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (one, other))
    return float(((p - q) * np.log(p / q)).sum())


def _means(what: str, values: Floats, first: npt.NDArray[np.bool_]) -> str:
    return f"{what}: mean {values[first].mean():.3g} then, {values[~first].mean():.3g} now"


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


def _moments(data: Series, length: int, rows: npt.NDArray[np.int64]) -> dict[str, Moments | None]:
    """Moments of each channel; a block is ``length`` rows of an entity, or an entity that is one window."""
    entity = data.entity_of_row().numpy()
    within = np.arange(len(entity)) - data.offsets.numpy()[entity]
    block = entity * (int(within.max(initial=0)) // length + 1) + (0 if data.whole else within // length)
    values = np.where(data.mask.numpy(), data.values.double().numpy(), np.nan)[rows]
    return {name: Moments.of(values[:, at], block[rows]) for at, name in enumerate(data.channels)}


def _channels(before: dict[str, Moments], now: dict[str, Moments]) -> list[Drift]:
    found = []
    for name in (name for name in before if name in now):
        old, new = before[name], now[name]
        scale = old.std or 1.0
        shift = abs(new.mean - old.mean) / scale
        error = math.hypot(old.mean_error, new.mean_error * new.std / scale)
        detail = f"mean {old.mean:.4g} then, {new.mean:.4g} now; spread {old.std:.4g} then, {new.std:.4g} now"
        found.append(_channel(name, "shift of the mean", shift, error, detail))
        if old.std > 0 and new.std > 0:
            ratio = abs(math.log(new.std / old.std))
            error = math.hypot(old.spread_error, new.spread_error)
            found.append(_channel(name, "ratio of the spreads", ratio, error, detail))
    return found


def _channel(name: str, measure: str, value: float, error: float, detail: str) -> Drift:
    return Drift("channels", name, measure, value, _SIGMAS * error + _MARGINS[measure], detail)
