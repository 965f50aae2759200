"""Notes of analysts on factors: an own name, a text, merging, hiding.

Notes live in a log of their own, apart from the model, and survive retraining: a new run's factors are matched one to one
with noted factors of earlier runs on the dataset, by the correlation of item shares, and a note moves over where that is
high. To be recognised later, a noted factor is stored with its shares in the most taken items.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from distaff.factors.stability import correlations
from distaff.runs import records
from distaff.runs.marks import naming
from distaff_data.arrays import Floats, Ints
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

CARRIED = 0.7  # correlation of item shares from which a factor counts as the noted one
_SIGNATURE = 1000  # items
_COMMON = 10  # items two signatures share at least, to be compared at all
_COLUMNS = "run, factor, name, note, merged_into, hidden, origin, match, signature_items, signature"


@dataclass(frozen=True)
class Note:
    """An analyst's word on one factor; field by field the table ``factor_notes``."""

    run: str
    factor: int
    name: str | None = None
    note: str | None = None
    merged_into: int | None = None
    hidden: bool = False
    origin: str = ""
    match: float | None = None
    signature_items: tuple[str, ...] = ()
    signature: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return what a person wrote, without what the factor is recognised by."""
        hidden = ("signature_items", "signature")
        return {key: value for key, value in asdict(self).items() if key not in hidden}


def notes_of(workspace: Workspace, run_id: str) -> dict[int, Note]:
    """Return the notes on a run's factors, by factor."""
    rows = workspace.warehouse.rows(f"SELECT {_COLUMNS} FROM factor_notes WHERE run = ? ORDER BY factor", [run_id])
    return {row["factor"]: _note(row) for row in rows}


def mentioning(workspace: Workspace, run_ids: Sequence[str], words: Sequence[str]) -> list[Note]:
    """Return the notes on runs' factors whose name or text has one of the words; a short one not inside another word."""
    sql = f"SELECT {_COLUMNS} FROM factor_notes WHERE list_contains(?, run) ORDER BY run, factor"
    pattern = naming(words)
    notes = (_note(row) for row in workspace.warehouse.rows(sql, [list(run_ids)]))
    return [note for note in notes if pattern.search(f"{note.name or ''}\n{note.note or ''}")]


def annotate(
    workspace: Workspace,
    run_id: str,
    factor: int,
    *,
    name: str | None = None,
    note: str | None = None,
    hidden: bool | None = None,
    merged_into: int | None = None,
) -> Note:
    """Say something about a factor; what is left None stays as it is.

    Args:
        workspace: Where the run is.
        run_id: A run whose factors have been computed.
        factor: Its id.
        name: Own name, shown instead of the automatic one; empty to take it back.
        note: Free text; empty to take it back.
        hidden: Leave the factor out of lists, or show it again.
        merged_into: Show it together with this factor; its own id to take it back.

    Raises:
        InputError: Unknown run or factor, factors not computed yet, nothing said, or a merge into a merged factor.
    """
    if name is None and note is None and hidden is None and merged_into is None:
        raise InputError("say something: a name, a note, hide or show, or what to merge into")
    records.find(workspace, run_id)
    factors = {factor} if merged_into is None else {factor, merged_into}
    existing = notes_of(workspace, run_id)
    fresh = _fresh(workspace, run_id, factors - existing.keys())
    notes = existing | fresh
    if merged_into is not None and merged_into != factor:
        _check_merge(notes, factor, merged_into)
    changed = notes[factor]
    if name is not None:
        changed = replace(changed, name=name.strip() or None)
    if note is not None:
        changed = replace(changed, note=note.strip() or None)
    if hidden is not None:
        changed = replace(changed, hidden=hidden)
    if merged_into is not None:
        changed = replace(changed, merged_into=None if merged_into == factor else merged_into)
    # What it is merged into is kept with a signature too, or the merge could not be carried over.
    _write(workspace, [changed, *(n for k, n in fresh.items() if k != factor)])
    return changed


def carry_over(workspace: Workspace, run_id: str, item_ids: pa.StringArray, shares: torch.Tensor) -> dict[int, Note]:
    """Move notes from earlier runs on the same dataset to those factors of a run that have none, and write them.

    Args:
        workspace: Where the runs are.
        run_id: The run.
        item_ids: Its items.
        shares: Their shares of its factors, ``(n_items, K)``.

    Returns:
        All notes on the run's factors, by factor.
    """
    notes = notes_of(workspace, run_id)
    pool = _earlier(workspace, run_id)
    free = [k for k in range(shares.shape[1]) if k not in notes]
    if not pool or not free:
        return notes
    origins = {note.origin for note in notes.values()}
    pool = [note for note in pool if note.origin not in origins]
    likeness = np.array([_likeness(note, item_ids, shares)[free] for note in pool]).reshape(len(pool), len(free))
    rows, cols = linear_sum_assignment(-likeness)
    pairs = [(pool[r], free[c], likeness[r, c]) for r, c in zip(rows, cols, strict=True) if likeness[r, c] >= CARRIED]
    places: dict[tuple[str, int | None], int] = {(note.run, note.factor): factor for note, factor, _ in pairs}
    carried = [
        replace(note, run=run_id, factor=k, match=float(match), merged_into=places.get((note.run, note.merged_into)))
        for note, k, match in pairs
    ]
    _write(workspace, carried)
    return notes | {note.factor: note for note in carried}


def signature_of(
    item_ids: pa.StringArray, shares: NDArray[np.float32], counts: Ints
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the most taken items and their shares ``(n_items,)`` of one factor: what the factor is recognised by."""
    popular = np.argsort(-counts, kind="stable")[:_SIGNATURE]
    return tuple(item_ids.take(pa.array(popular)).to_pylist()), tuple(shares[popular].tolist())


def _note(row: Mapping[str, Any]) -> Note:
    lists = {key: tuple(row[key] or ()) for key in ("signature_items", "signature")}
    return Note(**{**row, **lists, "hidden": bool(row["hidden"])})


def _write(workspace: Workspace, notes: Iterable[Note]) -> None:
    rows = [{**asdict(n), "signature_items": list(n.signature_items), "signature": list(n.signature)} for n in notes]
    if rows:
        workspace.warehouse.append("factor_notes", rows, written_at=datetime.now(UTC))


def _check_merge(notes: Mapping[int, Note], factor: int, into: int) -> None:
    if notes[into].merged_into is not None:
        raise InputError(f"factor {into} is itself merged into {notes[into].merged_into}; merge into that", value=into)
    others = sorted(k for k, n in notes.items() if n.merged_into == factor)
    if others:
        raise InputError(f"factor {others[0]} is merged into {factor}; merge that one first", value=factor)


def _fresh(workspace: Workspace, run_id: str, factors: set[int]) -> dict[int, Note]:
    """Return empty notes with signatures, from the shares that were published for the run.

    Raises:
        InputError: No shares were published, or there is no such factor.
    """
    if not factors:
        return {}
    table = workspace.warehouse.frame(
        "SELECT l.id, l.shares, coalesce(i.n_train, 0) AS n FROM loadings l JOIN runs r ON r.run = l.run "
        "LEFT JOIN items i ON i.dataset = r.dataset AND i.item_id = l.id WHERE l.run = ? AND l.entity = 'item' "
        "ORDER BY l.id",
        [run_id],
    )
    if table.is_empty():
        raise InputError(f"the factors of this run have not been computed; do it with: distaff factors {run_id}")
    ids = table["id"].to_arrow().cast(pa.string())
    shares = table["shares"].explode().to_numpy().reshape(table.height, -1)
    unknown = sorted(k for k in factors if not 0 <= k < shares.shape[1])
    if unknown:
        raise InputError(f"there is no such factor; there are 0 to {shares.shape[1] - 1}", value=unknown[0])
    counts = table["n"].to_numpy()
    return {
        k: Note(run_id, k, None, None, None, False, f"{run_id}/{k}", None, *signature_of(ids, shares[:, k], counts))
        for k in factors
    }


def _earlier(workspace: Workspace, run_id: str) -> list[Note]:
    """Return the newest note of every origin, from other runs on the run's dataset."""
    rows = workspace.warehouse.rows(
        "SELECT n.run, n.factor, n.name, n.note, n.merged_into, n.hidden, n.origin, n.match, n.signature_items, "
        "n.signature FROM factor_notes n JOIN runs r ON r.run = n.run "
        "WHERE n.run <> ? AND r.dataset = (SELECT dataset FROM runs WHERE run = ?) "
        "QUALIFY row_number() OVER (PARTITION BY n.origin ORDER BY n.written_at DESC) = 1 ORDER BY n.origin",
        [run_id, run_id],
    )
    return [_note(row) for row in rows]


def _likeness(note: Note, item_ids: pa.StringArray, shares: torch.Tensor) -> Floats:
    """Return the correlation of a noted factor with a run's, ``(K,)``, over items that both know; 0 with too few."""
    both = pl.DataFrame(
        {"id": note.signature_items, "share": note.signature}, schema={"id": pl.String, "share": pl.Float64}
    ).join(pl.DataFrame({"id": item_ids}).with_row_index("row"), on="id", maintain_order="left")
    if both.height < _COMMON:
        return np.zeros(shares.shape[1])
    theirs = torch.from_numpy(both["share"].to_numpy().copy()).unsqueeze(1)
    ours = shares[torch.from_numpy(both["row"].to_numpy().astype(np.int64))]
    return np.asarray(correlations(theirs, ours)[0])
