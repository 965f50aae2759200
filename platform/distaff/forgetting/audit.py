"""The record of a forgetting, which must not name the person: the tables ``forgettings`` and ``forgotten_models``.

People are told by keyed hashes. The key is a file of the workspace. Whoever has it can check whether an id was forgotten by
hashing it, and nobody can without: ids are too easily guessed for a hash alone. Throw the key away, and not even that is
possible.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from distaff_data.atomic import replacing
from distaff_data.errors import DistaffError, InputError
from distaff_data.workspace import Workspace

KEY = "forget.key"
_KEY_TEXT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Request:
    """One request; field by field the table ``forgettings``."""

    forgetting: str
    dataset: str
    subjects: list[str]
    status: str
    requested_at: datetime
    completed_at: datetime | None = None
    rows: int = 0
    files: int = 0


@dataclass(frozen=True)
class ModelRecord:
    """The change to one run's model; field by field the table ``forgotten_models``."""

    forgetting: str
    run: str
    method: str | None
    status: str
    replacement: str | None = None
    own_before: float | None = None
    before: float | None = None
    after: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    detectable: float | None = None
    proof: str | None = None
    message: str | None = None


def hashes(workspace: Workspace, dataset: str, people: Iterable[str]) -> list[str]:
    """Return the people's keyed hashes, sorted: HMAC-SHA256 of dataset and id; the key is made when there is none.

    Raises:
        InputError: The key's file does not hold a key.
        DistaffError: It cannot be written.
    """
    key = _key(workspace)
    return sorted(hmac.digest(key, f"{dataset}\0{person}".encode(), "sha256").hex() for person in people)


def _key(workspace: Workspace) -> bytes:
    """Return the key; without one, a new one is written whole, or not at all."""
    file = workspace.root / KEY
    with workspace.warehouse.lock(KEY):
        if not file.exists():
            try:
                _write_key(file)
            except OSError as error:
                raise DistaffError(f"cannot write {file}: {error.strerror}; nothing was forgotten") from None
    text = file.read_bytes().decode("ascii", "replace").strip()
    if not _KEY_TEXT.fullmatch(text):
        why = (
            "restore it, or delete it: then a new one is made, and who was forgotten before cannot be checked any more"
        )
        raise InputError(f"the file does not hold a key of 64 hexadecimal digits; {why}", path=file)
    return bytes.fromhex(text)


def _write_key(file: Path) -> None:
    with replacing(file) as temporary:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_hex(32))
            out.flush()
            os.fsync(out.fileno())


def begin(workspace: Workspace, dataset: str, people: Sequence[str]) -> Request:
    """Record that people are to be forgotten; a request for them that was begun and not finished goes on."""
    subjects = hashes(workspace, dataset, people)
    for request in unfinished_requests(workspace):
        if request.dataset == dataset and request.subjects == subjects:
            return request
    request = Request(uuid.uuid4().hex[:12], dataset, subjects, "begun", datetime.now(UTC))
    record(workspace, request)
    return request


def unfinished_requests(workspace: Workspace) -> list[Request]:
    """Return the requests that were begun and not finished, oldest first."""
    rows = workspace.warehouse.rows(
        "SELECT * EXCLUDE (written_at) FROM forgettings WHERE status = 'begun' ORDER BY requested_at"
    )
    return [Request(**row) for row in rows]


def counted(workspace: Workspace, request: Request, *, rows: int = 0, files: int = 0) -> Request:
    """Add to what went away, and record it."""
    more = replace(request, rows=request.rows + rows, files=request.files + files)
    record(workspace, more)
    return more


def finish(workspace: Workspace, request: Request) -> Request:
    """Record that a request was carried out."""
    done = replace(request, status="done", completed_at=datetime.now(UTC))
    record(workspace, done)
    return done


def record(workspace: Workspace, request: Request) -> None:
    """Append a request's present state; the newest row counts."""
    workspace.warehouse.append("forgettings", [vars(request)], written_at=datetime.now(UTC))


def record_models(workspace: Workspace, records: Sequence[ModelRecord]) -> None:
    """Append what was done to models."""
    workspace.warehouse.append("forgotten_models", [vars(r) for r in records], written_at=datetime.now(UTC))


def touched(workspace: Workspace, run: str) -> bool:
    """Tell whether people were taken out of a run's model after its fit."""
    return bool(workspace.warehouse.rows("SELECT 1 FROM forgotten_models WHERE run = ?", [run]))


def models(workspace: Workspace, *, forgetting: str | None = None, status: str | None = None) -> list[ModelRecord]:
    """Return the changes to models: those of one request, or with one status, or all; oldest first."""
    rows = workspace.warehouse.rows(
        "SELECT * EXCLUDE (written_at) FROM forgotten_models "
        "WHERE forgetting = coalesce(?, forgetting) AND status = coalesce(?, status) ORDER BY written_at, run",
        [forgetting, status],
    )
    return [ModelRecord(**row) for row in rows]
