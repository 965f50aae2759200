"""Questions about the split: what is in training as well, and what in training came after the test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch

from distaff.audit.finding import Finding, decided
from distaff_data.arrays import Ints
from distaff_data.datasets.incidents import Incidents
from distaff_data.datasets.series import Series
from distaff_data.tables.datasets import live_generation
from distaff_data.tables.incidents import load_incidents
from distaff_data.tables.series import load_series
from distaff_data.workspace import Workspace

_DUPLICATES, _TIME = "nothing is both trained on and tested", "nothing in training is later than the test"
_ORDERS = (("test", "train"), ("valid", "train"), ("test", "valid"))  # what is later, and than what
_WORDS = {"train": "training", "valid": "validation"}
_TIED = 0.5  # of the rows of a split, above which an order in time cannot be told
_STRETCH, _SHORTEST = 0.25, 8  # of a window's rows, and rows at least, that two windows share where they overlap
_TRACE = 0.02  # of the test windows that may share such a stretch


@dataclass(frozen=True)
class _Order:
    """The times of one split beside the last of another: how many could be compared, were earlier, were the same."""

    split: str
    before: str
    n: int
    early: int
    tied: int


def split_findings(workspace: Workspace, dataset: str, kind: str) -> list[Finding]:
    """Return the lines about the split of a dataset."""
    if kind == "interactions":
        return _of_interactions(workspace, dataset)
    if kind == "series":
        return _of_series(load_series(workspace.warehouse, dataset))
    return [_of_incidents(load_incidents(workspace.warehouse, dataset))]


def _of_incidents(data: Incidents) -> Finding:
    """Return whether an incident is there twice: it would count twice in every mean and test."""
    values = (np.where(np.isnan(case.values), np.nan, case.values) for case in data.cases)  # one form of NaN
    digests = [hashlib.sha256(rows.astype("<f8").tobytes()).digest() for rows in values]  # times may have been moved
    twice = len(digests) - len(set(digests))
    faults = [f"{twice} of {len(digests)} incidents have the rows of another"] if twice else []
    return decided(
        _DUPLICATES, faults, "incidents have no split: nothing is fitted to their causes; none is there twice"
    )


def _of_interactions(workspace: Workspace, dataset: str) -> list[Finding]:
    generation = live_generation(workspace.warehouse, dataset, "interactions")
    (pairs,) = workspace.warehouse.rows(
        "SELECT count(*) AS n, count_if(places > 1) AS twice FROM (SELECT count(DISTINCT split) AS places FROM interactions "
        "WHERE generation = ? GROUP BY user_id, item_id)",
        [generation],
    )
    twice = [f"{pairs['twice']:,} of {pairs['n']:,} user-item pairs are in two splits"] if pairs["twice"] else []
    lines = [decided(_DUPLICATES, twice, f"0 of {pairs['n']:,} user-item pairs are in two splits")]
    orders = [_order_of_interactions(workspace, generation, split, before) for split, before in _ORDERS]
    return [*lines, _in_order([order for order in orders if order.n], "interactions", "user", "have no times")]


def _order_of_interactions(workspace: Workspace, generation: str, split: str, before: str) -> _Order:
    """Return how the times of one split are to the last of the same user in another."""
    (row,) = workspace.warehouse.rows(
        "SELECT count(*) AS n, count_if(i.time < l.last) AS early, count_if(i.time = l.last) AS tied FROM interactions i "
        "JOIN (SELECT user_id, max(time) AS last FROM interactions WHERE generation = $1 AND split = $2 GROUP BY user_id) l "
        "USING (user_id) WHERE i.generation = $1 AND i.split = $3 AND i.time IS NOT NULL AND l.last IS NOT NULL",
        [generation, before, split],
    )
    return _Order(split, before, row["n"], row["early"], row["tied"])


def _in_order(orders: list[_Order], rows: str, whose: str, untimed: str) -> Finding:
    """Return whether nothing that is measured on is earlier than what came before it, and whether that can be told."""
    if not orders:
        return Finding(_TIME, "unknown", f"the {rows} {untimed}")

    def said(order: _Order, n: int, relation: str) -> str:
        return (
            f"{n:,} of {order.n:,} {order.split} {rows} are {relation} one of their {whose} in {_WORDS[order.before]}"
        )

    early = [said(order, order.early, "earlier than") for order in orders if order.early]
    tied = [said(order, order.tied, "of the very time of") for order in orders if order.tied > _TIED * order.n]
    if tied and not early:
        return Finding(_TIME, "unknown", f"{'; '.join(tied)}: their order cannot be told")
    return decided(_TIME, early, "; ".join(said(order, 0, "earlier than") for order in orders))


def _of_series(data: Series) -> list[Finding]:
    train, test = (data.rows_of(split) for split in ("train", "test"))
    entity = data.entity_of_row()
    if data.whole:
        return [
            _windows(data, train, test, entity),
            Finding(_TIME, "unknown", "windows are divided whole, not by time"),
        ]
    orders = [_order_of_rows(data, entity, split, before) for split, before in _ORDERS]
    same = "an entity's rows are in one split each"
    timed = _in_order([order for order in orders if order.n], "rows", "entity", "of the test follow no training")
    return [Finding(_DUPLICATES, "pass", same), timed]


def _order_of_rows(data: Series, entity: torch.Tensor, split: str, before: str) -> _Order:
    """Return how the times of one split are to the last of the same entity in another."""
    rows, first = data.rows_of(split), data.rows_of(before)
    last = torch.full((data.n_entities,), -torch.inf, dtype=torch.float64)
    last = last.scatter_reduce(0, entity[first], data.times[first], "amax")[entity[rows]]
    times = data.times[rows]
    return _Order(split, before, int((last > -torch.inf).sum()), int((times < last).sum()), int((times == last).sum()))


def _windows(data: Series, train: torch.Tensor, test: torch.Tensor, entity: torch.Tensor) -> Finding:
    """Return whether a window, or a group such as a subject, is on both sides."""
    sides = [set(entity[rows].unique().tolist()) for rows in (train, test)]
    digests = [
        {hashlib.sha256(data.values[data.offsets[e] : data.offsets[e + 1]].numpy().tobytes()).digest() for e in side}
        for side in sides
    ]
    groups = data.groups.to_pylist()
    shared = {groups[e] for e in sides[0]} & {groups[e] for e in sides[1]} - {None}
    same = len(digests[0] & digests[1])
    faults = [f"{same} windows of the test are in training, value for value"] if same else []
    overlapping = _overlapping(data, *sides)
    if not same and overlapping > _TRACE * len(sides[1]):
        faults.append(
            f"{overlapping} of {len(sides[1])} test windows have a stretch of a window in training, value for value"
        )
    if shared:
        faults.append(f"{len(shared)} groups, such as {min(map(str, shared))}, are in training and in the test")
    few = f"; {overlapping} have a stretch of one" if overlapping else ""
    return decided(_DUPLICATES, faults, f"0 of {len(sides[1])} test windows, and no group, are in training{few}")


def _overlapping(data: Series, train: set[int], test: set[int]) -> int:
    """Return how many test windows share a stretch with one in training, as windows that are cut with overlap do."""
    lengths = (data.offsets[1:] - data.offsets[:-1]).numpy()
    n = max(int(_STRETCH * np.median(lengths[sorted(test)])), _SHORTEST) if test else _SHORTEST
    rng = np.random.default_rng(0)
    digits, powers = (rng.integers(1, 1 << 63, size=size, dtype=np.uint64) | 1 for size in (len(data.channels), n))

    def stretches(entity: int) -> Ints:
        """Return a key of each stretch of ``n`` rows that are all different: still ones are alike by chance."""
        bits = data.values[data.offsets[entity] : data.offsets[entity + 1]].numpy().view(np.uint32).astype(np.uint64)
        rows = np.asarray(bits @ digits)
        if len(rows) < n:
            return np.empty(0, dtype=np.uint64)
        cut = np.lib.stride_tricks.sliding_window_view(rows, n)
        moving = (np.diff(np.sort(cut, axis=1), axis=1) != 0).all(1)
        return np.asarray(cut[moving] @ powers)

    known = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *(stretches(e) for e in sorted(train))]))
    return sum(bool(np.isin(stretches(e), known).any()) for e in sorted(test))
