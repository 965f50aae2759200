"""Names of runs: aliases such as ``champion``, which are promoted and rolled back, and what else stands for a run.

An alias is a log in the table ``promotions``. A promotion puts a run on top; a rollback takes the top one off, however
often it is repeated. A run's id always means that run. :func:`resolve` reads every name that a person may type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from distaff.runs import records
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.workspace import Workspace

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_LATEST = re.compile(r"((?P<dataset>[^:@]+):)?(?P<model>[^:@]+)(?P<latest>@latest)?")


@dataclass(frozen=True)
class Change:
    """One change of an alias; field by field the table ``promotions``. ``run`` is what it stands for from then on."""

    alias: str
    promotion: int
    run: str
    action: str
    written_at: datetime


def promote(workspace: Workspace, run: str, alias: str) -> Change:
    """Make ``alias`` stand for a run.

    Raises:
        InputError: The run has no fitted model, it has the alias already, or the alias is no good name.
    """
    records.model_folder(workspace, run)
    if not _NAME.fullmatch(alias):
        raise InputError("an alias is letters, digits, dots, dashes and underscores, a letter first", value=alias)
    if _is_run(workspace, alias):
        raise InputError("a run has this id, so it cannot be an alias", value=alias)
    with workspace.warehouse.lock("promotions"):
        before = history(workspace, alias)
        if before and before[-1].run == run:
            raise InputError(f"{alias} is run {run!r} already")
        return _append(workspace, alias, before, run, "promote")


def rollback(workspace: Workspace, alias: str) -> Change:
    """Make ``alias`` stand for the run that it stood for before the last promotion that still holds.

    Raises:
        InputError: There is no such alias, or nothing came before.
    """
    with workspace.warehouse.lock("promotions"):
        before = history(workspace, alias)
        if not before:
            raise UnknownNameError("alias", alias, current(workspace))
        stack = _held(before)
        if len(stack) < 2:
            raise InputError(f"{alias} stood for nothing before run {stack[-1]!r}")
        records.model_folder(workspace, stack[-2])
        return _append(workspace, alias, before, stack[-2], "rollback")


def resolve(workspace: Workspace, name: str) -> str:
    """Return the run that a name stands for; a name that stands for none comes back as it is.

    In this order: a run's id; an alias; ``MODEL@latest``, ``DATASET:MODEL`` and ``DATASET:MODEL@latest`` for the newest that
    is done; the first letters of one id alone.

    Raises:
        InputError: Several ids begin so.
    """
    if _is_run(workspace, name):
        return name
    if changes := history(workspace, name):
        return changes[-1].run
    if (parts := _LATEST.fullmatch(name)) and (parts["dataset"] or parts["latest"]):
        rows = workspace.warehouse.rows(
            "SELECT run FROM runs WHERE model = ? AND dataset = coalesce(?, dataset) AND status = 'done' AND study IS NULL "
            "ORDER BY started_at DESC LIMIT 1",
            [parts["model"], parts["dataset"]],
        )
        return str(rows[0]["run"]) if rows else name
    alike = (
        workspace.warehouse.rows("SELECT run FROM runs WHERE starts_with(run, ?) ORDER BY run", [name]) if name else []
    )
    if len(alike) > 1:
        shown = ", ".join(row["run"] for row in alike[:4]) + (", ..." if len(alike) > 4 else "")
        raise InputError(f"{len(alike)} runs begin with {name!r}: {shown}; give more of the id, or MODEL@latest")
    return str(alike[0]["run"]) if alike else name


def current(workspace: Workspace) -> dict[str, str]:
    """Return the run of each alias."""
    return {change.alias: change.run for change in history(workspace)}


def history(workspace: Workspace, alias: str | None = None) -> list[Change]:
    """Return the changes of one alias, or of all, in the order they were made."""
    rows = workspace.warehouse.rows(
        "SELECT * FROM promotions WHERE alias = coalesce(?, alias) ORDER BY alias, promotion", [alias]
    )
    return [Change(**row) for row in rows]


def _append(workspace: Workspace, alias: str, before: list[Change], run: str, action: str) -> Change:
    change = Change(alias, len(before) + 1, run, action, datetime.now(UTC))
    workspace.warehouse.append("promotions", [vars(change)])
    return change


def _held(changes: list[Change]) -> list[str]:
    """Return runs under the alias, the present one last: what was promoted, less what was rolled back."""
    stack: list[str] = []
    for change in changes:
        if change.action == "promote":
            stack.append(change.run)
        else:
            stack.pop()
    return stack


def _is_run(workspace: Workspace, name: str) -> bool:
    return bool(workspace.warehouse.rows("SELECT 1 FROM runs WHERE run = ?", [name]))
