"""Division of series into train, valid and test: the specification people type, and its effect on rows.

==============================  ======================================================================================
``ratio:0.7,0.1,0.2``           each entity's rows in time order; windows and labelled entities are divided one by one
``rows:8640,2880,2880``         each entity's first rows, so many each; later rows are left out
``dates:2017-06-26,2017-10-24`` valid begins at the first moment, test at the second
``random:0.7,0.1,0.2``          entities drawn at random, each class in proportion
``groups:0.7,0.1,0.2``          whole groups, such as subjects, drawn at random
``groups:valid=1,3;test=2,4``   the groups named; the rest is train
==============================  ======================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from distaff_data.arrays import Floats, Ints
from distaff_data.datasets.division import SPLITS
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError

_LEAST = 4  # training rows beyond a horizon, below which nothing is learned
Codes = npt.NDArray[np.int8]
_HELP = (
    "write ratio:0.7,0.1,0.2, rows:8640,2880,2880, dates:2017-06-26,2017-10-24, random:0.7,0.1,0.2, "
    "groups:0.7,0.1,0.2 or groups:valid=1,3;test=2,4"
)


def default_split(data: Series) -> str:
    """Return the default split: whole groups, else windows or labelled entities at random, else rows in time order."""
    if data.groups.null_count == 0 and len(data.groups.unique()) > 2:
        return "groups:0.7,0.1,0.2"
    return "random:0.7,0.1,0.2" if data.whole or data.classes else "ratio:0.7,0.1,0.2"


def divide(data: Series, spec: str, seed: int = 0) -> Series:
    """Divide series as a specification says; see the module.

    Args:
        data: The series; its present division is ignored.
        spec: The specification.
        seed: Seed of a random split.

    Raises:
        InputError: Not a specification, one that does not fit the data, or one that leaves nothing to train on.
    """
    kind, _, arguments = spec.strip().partition(":")
    if kind not in _KINDS:
        raise InputError(f"there is no split {spec!r}; {_HELP}", column="split", value=spec)
    if data.classes and kind in ("rows", "dates"):
        raise InputError(
            "labels are of entities, whose rows would be in train and test; divide whole ones: random:0.7,0.1,0.2",
            column="split",
            value=spec,
        )
    divided = _KINDS[kind](data, arguments, seed)
    if not bool(divided.rows_of("train").any()):
        raise InputError("the split leaves nothing to train on", column="split", value=spec)
    return divided


def with_room(data: Series, horizon: int) -> Series:
    """Return series whose entities have ``horizon`` validation rows, the last training rows where there were fewer.

    No forecast that far ahead could be validated otherwise. An entity keeps its rows where it has no validation rows at
    all, or where too few would be left to train on; test rows stay what they are.
    """
    if data.whole or data.classes:
        return data
    entity, n = data.entity_of_row(), data.n_entities
    train, valid = data.rows_of("train"), data.rows_of("valid")
    n_train, n_valid = (torch.zeros(n, dtype=torch.long).index_add_(0, entity, rows.long()) for rows in (train, valid))
    wanted = (horizon - n_valid).clamp(min=0)
    wanted[(n_valid == 0) | (n_train - wanted < horizon + _LEAST)] = 0
    later = n_train.cumsum(0)[entity] - train.long().cumsum(0)  # training rows of the entity that come after a row
    moved = train & (later < wanted[entity])
    return data.with_splits(torch.where(moved, SPLITS.index("valid"), data.splits)) if bool(moved.any()) else data


def hold_out(data: Series, share: float, seed: int = 0) -> Series:
    """Move a share of the training windows, or of their groups where they have some, to validation.

    For sources that bring train and test but nothing to select on: selecting on test would be looking at the answers.
    """
    train = data.rows_of("train")[data.offsets[:-1]].numpy()
    codes = np.zeros(data.n_entities, dtype=np.int8)
    codes[~train] = data.splits[data.offsets[:-1]].numpy()[~train]
    shares = (1 - share, share, 0.0)
    grouped = data.groups.null_count == 0
    units = data.groups.to_numpy(zero_copy_only=False)[train] if grouped else None
    codes[train] = (
        _draw_groups(units, shares, seed) if units is not None else _draw(data.labels.numpy()[train], shares, seed)
    )
    return data.with_splits(_of_entities(data, codes))


def _ratio(data: Series, arguments: str, seed: int) -> Series:
    shares = _shares(arguments)
    if data.whole or data.classes:  # a label is its entity's: rows of one on both sides would be the answer
        place = (np.arange(data.n_entities) + 0.5) / data.n_entities
        return data.with_splits(_of_entities(data, _cut(place, shares)))
    entity = data.entity_of_row()
    length = data.lengths[entity]
    local = torch.arange(len(data.values)) - data.offsets[entity]
    # Borders are whole rows, as field's protocols have them: int(0.7 n) and int(0.2 n) from the end.
    first, last = (length * shares[0]).long(), (length * shares[2] + 1e-9).long()
    return data.with_splits(((local >= first).char() + (local >= length - last).char()).to(torch.int8))


def _rows(data: Series, arguments: str, seed: int) -> Series:
    try:
        counts = [int(count) for count in arguments.split(",")]
    except ValueError:
        counts = []
    if len(counts) != 3 or min(counts, default=-1) < 0:
        raise InputError(f"rows takes three whole numbers; {_HELP}", column="split", value=f"rows:{arguments}")
    if int(data.lengths.min()) < sum(counts):
        short = data.entity_ids[int(data.lengths.argmin())].as_py()
        raise InputError(
            f"entity {short!r} has {int(data.lengths.min())} rows, fewer than {sum(counts)}",
            column="split",
            value=f"rows:{arguments}",
        )
    local = torch.arange(len(data.values)) - data.offsets[data.entity_of_row()]
    inside = local < sum(counts)
    offsets = torch.arange(data.n_entities + 1) * sum(counts)
    splits = (local >= counts[0]).char() + (local >= counts[0] + counts[1]).char()
    return replace(data.of_rows(inside), offsets=offsets, splits=splits[inside].to(torch.int8))


def _dates(data: Series, arguments: str, seed: int) -> Series:
    moments = arguments.split(",")
    if len(moments) != 2:
        raise InputError(f"dates takes two moments; {_HELP}", column="split", value=f"dates:{arguments}")
    first, second = map(_moment, moments)
    if first > second:
        raise InputError("the test begins before the validation", column="split", value=f"dates:{arguments}")
    return data.with_splits(((data.times >= first).char() + (data.times >= second).char()).to(torch.int8))


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"neither a number nor a date; {_HELP}", column="split", value=text) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _random(data: Series, arguments: str, seed: int) -> Series:
    return data.with_splits(_of_entities(data, _draw(data.labels.numpy(), _shares(arguments), seed)))


def _groups(data: Series, arguments: str, seed: int) -> Series:
    if data.groups.null_count:
        raise InputError("there is an entity without a group; name the groups' column with --group", column="split")
    names = data.groups.to_numpy(zero_copy_only=False)
    if "=" not in arguments:
        return data.with_splits(_of_entities(data, _draw_groups(names, _shares(arguments), seed)))
    codes = np.zeros(data.n_entities, dtype=np.int8)
    groups = set(names)
    for clause in arguments.split(";"):
        split, _, listing = clause.partition("=")
        if split.strip() not in ("valid", "test"):
            raise InputError(f"groups are named for valid and test; {_HELP}", column="split", value=clause)
        chosen = [name.strip() for name in listing.split(",") if name.strip()]
        strange = next((name for name in chosen if name not in groups), None)
        if strange is not None:
            raise InputError("no entity has this group", column="split", value=strange)
        codes[np.isin(names, chosen)] = 1 if split.strip() == "valid" else 2
    return data.with_splits(_of_entities(data, codes))


def _shares(text: str) -> tuple[float, float, float]:
    try:
        shares = tuple(float(share) for share in text.split(","))
    except ValueError:
        shares = ()
    if len(shares) != 3 or not math.isclose(sum(shares), 1.0, abs_tol=1e-6) or min(shares) < 0 or shares[0] == 0:
        raise InputError(
            f"a split has three shares that sum to 1, the first above 0; {_HELP}", column="split", value=text
        )
    return shares[0], shares[1], shares[2]


def _draw(strata: Ints, shares: tuple[float, float, float], seed: int) -> Codes:
    """Return the codes drawn at random, each stratum in proportion."""
    lots = np.random.default_rng(seed).random(len(strata))
    order = np.lexsort((lots, strata))
    counts = np.unique(strata, return_counts=True)[1]
    place = np.empty(len(strata))
    local = np.arange(len(strata)) - np.repeat(np.cumsum(counts) - counts, counts)
    place[order] = (local + 0.5) / np.repeat(counts, counts)
    return _cut(place, shares)


def _draw_groups(names: npt.NDArray[np.object_], shares: tuple[float, float, float], seed: int) -> Codes:
    """Return the codes of whole groups; shares are of groups."""
    groups, codes = np.unique(names.astype(str), return_inverse=True)
    place = (np.random.default_rng(seed).permutation(len(groups)) + 0.5) / len(groups)
    splits: Codes = _cut(place, shares)[codes]
    return splits


def _cut(place: Floats, shares: tuple[float, float, float]) -> Codes:
    codes: Codes = ((place >= shares[0]).astype(np.int8) + (place >= 1 - shares[2])).astype(np.int8)
    return codes


def _of_entities(data: Series, codes: Codes) -> Tensor:
    return torch.from_numpy(codes)[data.entity_of_row()]


_KINDS: dict[str, Callable[[Series, str, int], Series]] = {
    "ratio": _ratio,
    "rows": _rows,
    "dates": _dates,
    "random": _random,
    "groups": _groups,
}
