"""The input of a stream: a header, then rows of text in batches, through rotation and truncation, bad rows set aside.

A file that is followed may be moved away and begun anew, or cut to nothing, as logrotate does; what takes its place is read
from its beginning. That the file is the one that was read is told by the line before the place where reading goes on. Rows
that were taken before are known by their times, so reading too much does no harm.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from distaff_data.arrays import Floats
from distaff_data.errors import InputError
from distaff_data.ingest.times import NO_TIME, seconds_of_text

_POLL = 0.2  # seconds between looks at a file that does not grow
_MARK = 400  # bytes


@dataclass(frozen=True)
class RowBatch:
    """Rows of the input, and where it stands behind them.

    Attributes:
        times: Rising, in seconds, ``(n,)``.
        values: Of the metrics, ``(n, M)``; NaN where there is none.
        bad: Rows that cannot be used, each with the reason.
        offset: The place behind them; 0 where the input has no places.
        mark: What else the input needs to go on from there.
        onset: When an incident begins in them, where the input tells; infinite where none does, None where it never tells.
    """

    times: Floats
    values: Floats
    bad: Sequence[tuple[str, bytes]] = ()
    offset: int = 0
    mark: bytes = b""
    onset: float | None = None


@runtime_checkable
class Rows(Protocol):
    """An input of rows that grows.

    Attributes:
        columns: Its metrics.
    """

    columns: tuple[str, ...]

    def skip_to(self, offset: int, mark: bytes) -> None:
        """Go on from where a batch ended."""

    def batches(self, size: int, idle: float | None) -> Iterator[RowBatch]:
        """Yield rows by ``size``, until none came for so many seconds; without end when None."""


class Feed:
    """A stream's input.

    Attributes:
        columns: Its metrics.

    Raises:
        InputError: It does not begin with a header in UTF-8 of a time and metrics, each once.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._opened = source, False
        self._lasting = source.seekable()
        self._header = source.readline()
        self.columns = _columns(self._header)
        self._mark = self._header[-_MARK:]

    def skip_to(self, offset: int, mark: bytes) -> None:
        """Go on behind what was read before, or at the beginning where another file has taken its place."""
        if not self._lasting:
            return
        before = offset - len(mark)
        size = self._source.seek(0, os.SEEK_END)
        self._source.seek(max(before, 0))
        if before >= 0 and size >= offset and self._source.read(len(mark)) == mark:
            self._source.seek(offset)
            self._mark = mark or self._mark
        else:
            self._begin()

    def batches(self, size: int, idle: float | None) -> Iterator[RowBatch]:
        """Yield lines by ``size``; fewer only where the file was replaced, and at the end of waiting."""
        lines: list[bytes] = []
        partial, last_row_at = b"", time.monotonic()
        try:
            while True:
                piece = self._source.readline()
                partial += piece
                if partial.endswith(b"\n"):
                    lines.append(partial)
                    self._mark = partial[-_MARK:]
                    partial, last_row_at = b"", time.monotonic()
                    if len(lines) == size:
                        yield self._batch(lines, 0)
                        lines = []
                elif not piece:
                    if not self._lasting or (idle is not None and time.monotonic() - last_row_at >= idle):
                        break
                    time.sleep(_POLL)
                    if self._is_replaced(len(partial)):
                        if lines:
                            yield self._batch(lines, 0)
                        lines, partial = [], b""
                        self._begin()
            if lines:
                yield self._batch(lines, len(partial))
        finally:
            if self._opened:
                self._source.close()

    def _batch(self, lines: list[bytes], unread: int) -> RowBatch:
        times, values, bad = read_rows(lines, 1 + len(self.columns))
        if not self._lasting:
            return RowBatch(times, values, bad)
        return RowBatch(times, values, bad, self._source.tell() - unread, self._mark)

    def _is_replaced(self, unread: int) -> bool:
        """Tell whether the file under the name is another one, shorter, or has another line before the place reached."""
        now, status = self._source.tell(), os.fstat(self._source.fileno())
        path = self._path
        try:
            named = status if path is None else path.stat()
        except FileNotFoundError:
            return False  # moved away, and not begun anew yet
        if (named.st_dev, named.st_ino) != (status.st_dev, status.st_ino) or named.st_size < now:
            return True
        at = now - unread
        self._source.seek(max(at - len(self._mark), 0))
        same = self._source.read(len(self._mark)) == self._mark
        self._source.seek(now)
        return not same

    @property
    def _path(self) -> Path | None:
        name = getattr(self._source, "name", None)
        return Path(name) if isinstance(name, str) else None

    def _begin(self) -> None:
        """Go to the first row of the file that is under the name now; its header is there, or is left out.

        Raises:
            InputError: It has other metrics.
        """
        path = self._path
        if path is not None and not os.path.samestat(path.stat(), os.fstat(self._source.fileno())):
            if self._opened:
                self._source.close()
            self._source, self._opened = path.open("rb"), True
        self._source.seek(0)
        first = self._source.readline()
        if first.startswith(b"time,") and first.endswith(b"\n"):
            if _columns(first) != self.columns:
                raise InputError("the file that took the stream's place has other metrics", path=path, line=1)
            self._mark = first[-_MARK:]
        else:
            self._source.seek(0)
            self._mark = b""


def read_rows(lines: Sequence[bytes], width: int) -> tuple[Floats, Floats, list[tuple[str, bytes]]]:
    """Return times in seconds and values ``(n, M)`` of the rows that can be read, and why which others cannot.

    A time is a number, in the unit that its size tells, or a date of ISO 8601. An empty field, and one that is infinite, is
    missing.
    """
    kept, bad = list(lines), list[tuple[str, bytes]]()
    try:
        values = _numbers(lines, width)
    except pa.ArrowInvalid:
        values, kept, bad = _one_by_one(lines, width)
    stamps = values[:, 0]
    values[:, 1:][np.isinf(values[:, 1:])] = np.nan
    before = np.concatenate([[-np.inf], np.fmax.accumulate(np.where(np.isfinite(stamps), stamps, -np.inf))[:-1]])
    late = ~(stamps > before)
    bad += [("its time does not rise" if np.isfinite(stamps[at]) else f"its time is {NO_TIME}", kept[at])
            for at in np.flatnonzero(late)]  # fmt: skip
    return stamps[~late], values[~late, 1:], bad


def _one_by_one(lines: Sequence[bytes], width: int) -> tuple[Floats, list[bytes], list[tuple[str, bytes]]]:
    rows, kept, bad = [], [], []
    for line in lines:
        try:
            rows.append(_numbers([line], width))
            kept.append(line)
        except pa.ArrowInvalid as error:
            bad.append((str(error).split("\n", 1)[0], line))
    return np.concatenate(rows) if rows else np.empty((0, width)), kept, bad


def _numbers(lines: Sequence[bytes], width: int) -> Floats:
    """Return the fields of lines ``(n, width)``, first the time, NaN where empty or no time; raises what Arrow does."""
    names = [str(i) for i in range(width)]
    table = pacsv.read_csv(
        io.BytesIO(b"".join(lines)),
        read_options=pacsv.ReadOptions(column_names=names),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, "double") | {"0": "string"}),
        parse_options=pacsv.ParseOptions(ignore_empty_lines=False),
    )
    if len(table) != len(lines):
        raise pa.ArrowInvalid("a row is not one line")
    times = np.array([seconds_of_text(text) for text in table.columns[0].to_pylist()], dtype=np.float64)
    values: Floats = np.stack([times, *(column.to_numpy() for column in table.columns[1:])], axis=1).astype(np.float64)
    return values


def _columns(header: bytes) -> tuple[str, ...]:
    try:
        line = header.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise InputError("the stream is not UTF-8; convert it first (iconv -f LATIN1 -t UTF-8)", line=1) from None
    time_name, *columns = line.split(",")
    if time_name != "time" or not columns:
        raise InputError("the first line of the stream is: time,entity|metric,...", line=1, value=line[:80])
    twice = next((name for at, name in enumerate(columns) if name in columns[:at]), None)
    if twice is not None:
        raise InputError("the stream has this metric twice", line=1, value=twice)
    return tuple(columns)
