"""Statements that people type: one SELECT, in a process of its own with hard limits of memory and time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from subprocess import PIPE
from typing import IO, Any

import duckdb
import pyarrow as pa

from distaff_data.errors import InputError, first_line
from distaff_data.warehouse import engine
from distaff_data.warehouse.places import Place

_MEMORY = 2 << 30  # bytes that a statement may take
_LARGEST = 512 << 20  # bytes that its answer may have
_REFUSED = 3  # the sandbox's exit status
_KILLED = {-signal.SIGKILL, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS}  # how a process ends that gets no memory


@dataclass(frozen=True)
class Selection:
    """Result of one read-only statement: the first rows, and whether more were left."""

    table: pa.Table
    truncated: bool


def select(place: Place, sql: str, *, limit: int, seconds: float, memory: int = _MEMORY) -> Selection:
    """Run one SELECT a person typed, with no way out of the warehouse.

    Args:
        place: The warehouse.
        sql: The statement.
        limit: Rows that are returned at most.
        seconds: After which the statement's process ends.
        memory: Bytes that the statement's process may take; on Linux the system holds it to them.

    Raises:
        InputError: Not exactly one SELECT, an SQL error, or a statement that took too much time or memory.
    """
    _check(sql)
    request = {"location": place.location, "sql": sql, "rows": limit + 1, "seconds": seconds, "memory": memory,
               "largest": _LARGEST}  # fmt: skip
    table = _ask(request)
    return Selection(table.slice(0, limit), table.num_rows > limit)


def _check(sql: str) -> None:
    with engine.connect() as con:
        try:
            statements = con.extract_statements(sql)
        except duckdb.Error as error:
            raise InputError(f"cannot read the statement: {first_line(error)}") from None
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise InputError("give exactly one SELECT statement; everything else is refused")


def _ask(request: Mapping[str, Any]) -> pa.Table:
    """Return the sandbox's answer to a request.

    Raises:
        InputError: It has none.
    """
    command = [sys.executable, "-m", "distaff_data.warehouse.sandbox"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with process.stdin as sent:
                sent.write(json.dumps(request).encode())
            table = _received(process.stdout)
            message = process.stderr.read().decode(errors="replace").strip()
            status = process.wait()
        finally:
            process.kill()  # it has ended, unless this process was interrupted
    if status == 0 and table is not None:
        return table
    raise InputError(_reason(status, message, request))


def _received(stream: IO[bytes]) -> pa.Table | None:
    """Return the rows of an Arrow stream; None where it breaks off."""
    try:
        with pa.ipc.open_stream(stream) as reader:
            return reader.read_all()
    except (pa.ArrowException, OSError):
        return None


def _reason(status: int, message: str, request: Mapping[str, Any]) -> str:
    if status == _REFUSED:
        return message
    if status == -signal.SIGALRM:
        return f"the statement ran longer than {request['seconds']:g} s and was stopped"
    if status in _KILLED or "MemoryError" in message or "bad_alloc" in message:
        return f"the statement takes more than {request['memory'] / 2**30:.3g} GiB of memory and was stopped"
    return f"the statement failed: {message.splitlines()[-1] if message else f'its process ended with status {status}'}"
