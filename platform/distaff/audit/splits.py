"""Questions about the split: what is in training as well, and what in training came after the test."""

from __future__ import annotations

import hashlib

import torch

from distaff.audit.finding import Finding, decided
from distaff_data.datasets.series import Series
from distaff_data.tables.datasets import live_generation
from distaff_data.tables.series import load_series
from distaff_data.workspace import Workspace

_DUPLICATES, _TIME = "nothing is both trained on and tested", "nothing in training is later than the test"


def split_findings(workspace: Workspace, dataset: str, kind: str) -> list[Finding]:
    """Return the lines about the split of a dataset."""
    if kind == "interactions":
        return _of_interactions(workspace, dataset)
    if kind == "series":
        return _of_series(load_series(workspace.warehouse, dataset))
    return [Finding(_DUPLICATES, "pass", "incidents have no split: nothing is fitted to their causes")]


def _of_interactions(workspace: Workspace, dataset: str) -> list[Finding]:
    generation = live_generation(workspace.warehouse, dataset, "interactions")
    (pairs,) = workspace.warehouse.rows(
        "SELECT count(*) AS n, count_if(places > 1) AS twice FROM (SELECT count(DISTINCT split) AS places FROM interactions "
        "WHERE generation = ? GROUP BY user_id, item_id)",
        [generation],
    )
    twice = [f"{pairs['twice']:,} of {pairs['n']:,} user-item pairs are in two splits"] if pairs["twice"] else []
    (late,) = workspace.warehouse.rows(
        "SELECT count(*) AS n, count_if(i.time < l.last) AS early FROM interactions i JOIN ("
        "SELECT user_id, max(time) AS last FROM interactions WHERE generation = ? AND split = 'train' GROUP BY user_id"
        ") l USING (user_id) "
        "WHERE i.generation = ? AND i.split = 'test' AND i.time IS NOT NULL AND l.last IS NOT NULL",
        [generation, generation],
    )
    lines = [decided(_DUPLICATES, twice, f"0 of {pairs['n']:,} user-item pairs are in two splits")]
    if not late["n"]:
        return [*lines, Finding(_TIME, "unknown", "the interactions have no times")]
    figure = f"{late['early']:,} of {late['n']:,} test interactions are earlier than one of their user in training"
    return [*lines, decided(_TIME, [figure] if late["early"] else [], figure)]


def _of_series(data: Series) -> list[Finding]:
    train, test = (data.rows_of(split) for split in ("train", "test"))
    entity = data.entity_of_row()
    if data.whole:
        return [
            _windows(data, train, test, entity),
            Finding(_TIME, "unknown", "windows are divided whole, not by time"),
        ]
    last = torch.full((data.n_entities,), -torch.inf, dtype=torch.float64)
    last = last.scatter_reduce(0, entity[train], data.times[train], "amax")
    early = data.times[test] <= last[entity[test]]
    n, figure = (
        int(early.sum()),
        f"{int(early.sum()):,} of {len(early):,} test rows are not later than their entity's training",
    )
    same = "an entity's rows are in one split each"
    return [Finding(_DUPLICATES, "pass", same), decided(_TIME, [figure] if n else [], figure)]


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
    if shared:
        faults.append(f"{len(shared)} groups, such as {min(map(str, shared))}, are in training and in the test")
    return decided(_DUPLICATES, faults, f"0 of {len(sides[1])} test windows, and no group, are in training")
