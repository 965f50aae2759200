"""What people say about runs and datasets: a title, a note, tags, and whether it is put aside.

An archived run keeps all that it has: it is only left out of boards, listings and menus, until it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from distaff.runs import records
from distaff_data.errors import InputError
from distaff_data.tables.datasets import kind_of
from distaff_data.workspace import Workspace

RUN, DATASET = "run", "dataset"
_TAG = re.compile(r"\w[\w.:/ -]*")
_LONG = 4  # characters from which an id is looked for inside longer words too


@dataclass(frozen=True)
class Annotation:
    """What is said about one run or dataset; field by field the table ``marks``."""

    kind: str
    name: str
    title: str | None = None
    note: str | None = None
    tags: tuple[str, ...] = ()
    archived: bool = False


def marks_of(workspace: Workspace, kind: str) -> dict[str, Annotation]:
    """Return what is said about the runs or the datasets, by their ids or names."""
    rows = workspace.warehouse.rows("SELECT kind, name, title, note, tags, archived FROM marks WHERE kind = ?", [kind])
    return {row["name"]: Annotation(**{**row, "tags": tuple(row["tags"] or ()), "archived": bool(row["archived"])})
            for row in rows}  # fmt: skip


def archived(workspace: Workspace, kind: str) -> set[str]:
    """Return the runs or datasets that are put aside."""
    return {name for name, mark in marks_of(workspace, kind).items() if mark.archived}


def mark(
    workspace: Workspace,
    kind: str,
    name: str,
    *,
    title: str | None = None,
    note: str | None = None,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    archived: bool | None = None,
) -> Annotation:
    """Say something about a run or a dataset; what is left out stays as it is.

    Args:
        workspace: Where it is.
        kind: ``run`` or ``dataset``.
        name: A run's id, or a dataset's name.
        title: Shown beside it; empty to take it back.
        note: Free text; empty to take it back.
        add: Tags that it gets.
        remove: Tags that it loses.
        archived: Put it aside, or take it up again.

    Raises:
        UnknownNameError: There is none of that name.
        InputError: A tag is no good name, or it does not have a tag that it should lose.
    """
    if kind == RUN:
        records.find(workspace, name)
    else:
        kind_of(workspace.warehouse, name)
    wrong = next((tag for tag in add if not _TAG.fullmatch(tag)), None)
    if wrong is not None:
        raise InputError("a tag is letters, digits, spaces and . : / - _, a letter or digit first", value=wrong)
    with workspace.warehouse.lock("marks"):
        before = marks_of(workspace, kind).get(name, Annotation(kind, name))
        missing = next((tag for tag in remove if tag not in before.tags), None)
        if missing is not None:
            raise InputError(f"it has no such tag; it has: {', '.join(before.tags) or 'none'}", value=missing)
        tags = tuple(tag for tag in dict.fromkeys((*before.tags, *add)) if tag not in remove)
        after = replace(
            before,
            title=before.title if title is None else title.strip() or None,
            note=before.note if note is None else note.strip() or None,
            tags=tags,
            archived=before.archived if archived is None else archived,
        )
        row = asdict(after) | {"tags": list(after.tags)}
        workspace.warehouse.append("marks", [row], written_at=datetime.now(UTC))
    return after


def mentioning(workspace: Workspace, names: Sequence[str], words: Sequence[str]) -> list[str]:
    """Return those of some runs and datasets of which something is said that has one of the words in it."""
    pattern = naming(words)
    marks = [mark for kind in (RUN, DATASET) for mark in marks_of(workspace, kind).values() if mark.name in names]
    return [m.name for m in marks if pattern.search("\n".join([m.title or "", m.note or "", *m.tags]))]


def naming(words: Sequence[str]) -> re.Pattern[str]:
    """Return the pattern of a text that has one of the words in it; a short one not inside another word."""
    short = [rf"(?<!\w){re.escape(word)}(?!\w)" for word in words if len(word) < _LONG]
    return re.compile("|".join(short + [re.escape(word) for word in words if len(word) >= _LONG]))
