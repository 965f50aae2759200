"""Metrics that grow: a file or standard input read in batches, diagnosed as they come, resumed after a kill.

After each batch the stream's small state and the place in the input are written as one file that replaces the older one; a
watch that starts again goes on from there. Rows that were already taken are known by their times, so standard input may be
replayed from its beginning.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv
import torch

from distaff.incidents.base import Diagnoser
from distaff.incidents.rankings import Diagnosis
from distaff.incidents.tables import store
from distaff.model.checkpoints import read_checkpoint, write_checkpoint
from distaff_data.errors import InputError
from distaff_data.tables.incidents import load_incidents
from distaff_data.workspace import Workspace

Floats = npt.NDArray[np.float64]
_POLL = 0.2  # seconds between looks at a file that does not grow


@dataclass(frozen=True)
class Update:
    """A ranking after one batch, and whether it is the last one of its incident."""

    diagnosis: Diagnosis
    converged: bool


def follow(
    workspace: Workspace,
    dataset: str,
    source: BinaryIO,
    *,
    model: str = "coral",
    kpi: str | None = None,
    batch: int = 60,
    idle: float | None = None,
    speed: float | None = None,
    report: Callable[[Update], None] = lambda _: None,
) -> None:
    """Diagnose a wide CSV stream of metrics: a header ``time,entity|metric,...``, then rows.

    Args:
        workspace: Where rankings and state go.
        dataset: A dataset of incidents that gives the KPI and what is known of dependencies; also names the watch.
        source: The stream, opened for reading bytes.
        model: A diagnoser that can follow.
        kpi: The KPI; the dataset's when None.
        batch: Rows at a time.
        idle: Stop after so many seconds without a new row; never when None. A pipe ends when it closes.
        speed: Replay rows this many times as fast as their times say; as fast as it can when None.
        report: Called with every ranking.

    Raises:
        InputError: The stream has no header with a time, a row that is no numbers, times that do not rise, or an unknown
            KPI; or the speed is not above 0.
        UnsupportedError: The model cannot follow.
    """
    if speed is not None and not speed > 0:
        raise InputError("must be above 0", column="speed", value=speed)
    known = load_incidents(workspace.warehouse, dataset)
    folder, run = workspace.root / "watches", f"watch-{model}-{dataset}"
    kept = read_checkpoint(folder, run)
    header = source.readline()
    columns = header.decode().strip().split(",")
    if columns[0] != "time" or len(columns) < 2:
        raise InputError(
            "the first line of the stream is: time,entity|metric,...", line=1, value=header.decode().strip()[:80]
        )
    names = columns[1:]
    kpi = kpi or next((c.columns[c.kpi] for c in known.cases if c.kpi is not None and c.columns[c.kpi] in names), None)
    if kpi is not None and kpi not in names:
        raise InputError("the stream has no such metric", column="kpi", value=kpi)
    stream = Diagnoser.named(model)().stream(names, None if kpi is None else names.index(kpi), known.edges)
    if kept is not None:
        tensors, state = kept
        if state["columns"] != names:
            raise InputError(
                f"the stream has other metrics than before; remove {folder / run}.safetensors to begin anew"
            )
        stream.load_state({name: tensor.numpy() for name, tensor in tensors.items()})
        if source.seekable():
            source.seek(int(str(state["offset"])))
    pace = _Pace(speed)
    for lines, offset in _batches(source, batch, idle):
        times, rows = _parse(lines, len(columns))
        fresh = times > (-np.inf if stream.last_time is None else stream.last_time)
        pace.wait(times[fresh])
        found = stream.take(times[fresh], rows[fresh])
        if found is not None:
            store(workspace, run, [found], target=f"causes/{run}/{found.case}", converged=stream.converged)
            report(Update(found, stream.converged))
        tensors = {name: torch.from_numpy(np.array(value, order="C")) for name, value in stream.state().items()}
        write_checkpoint(folder, run, tensors, {"columns": names, "offset": offset})


class _Pace:
    """Holds batches back until their last row would have been measured, at ``speed`` times real time."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._start: tuple[float, float] | None = None  # time of the first row, and when it was taken

    def wait(self, times: Floats) -> None:
        """Wait until the last of ``times`` is due."""
        if self._speed is None or not len(times):
            return
        if self._start is None:
            self._start = float(times[0]), time.monotonic()
        first, began = self._start
        due = began + (float(times[-1]) - first) / self._speed
        time.sleep(max(due - time.monotonic(), 0.0))


def _batches(source: BinaryIO, batch: int, idle: float | None) -> Iterator[tuple[Sequence[bytes], int]]:
    """Whole lines by batches, and the offset behind each; a shorter batch only at the end of waiting."""
    lines: list[bytes] = []
    partial, quiet = b"", time.monotonic()
    while True:
        piece = source.readline()
        partial += piece
        if partial.endswith(b"\n"):
            lines.append(partial)
            partial, quiet = b"", time.monotonic()
            if len(lines) == batch:
                yield lines, source.tell() if source.seekable() else 0
                lines = []
        elif not piece:
            if not source.seekable() or (idle is not None and time.monotonic() - quiet >= idle):
                break
            time.sleep(_POLL)
    if lines:
        yield lines, source.tell() - len(partial) if source.seekable() else 0


def _parse(lines: Sequence[bytes], width: int) -> tuple[Floats, Floats]:
    """Times and values ``(n, M)``; an empty field is missing.

    Raises:
        InputError: A row with too few or too many fields, one that is no number, or times that do not rise.
    """
    names = [str(i) for i in range(width)]
    types = dict.fromkeys(names, "double")
    try:
        table = pacsv.read_csv(
            io.BytesIO(b"".join(lines)),
            read_options=pacsv.ReadOptions(column_names=names),
            convert_options=pacsv.ConvertOptions(column_types=types),
        )
    except pa.ArrowInvalid as error:
        message = str(error).split("\n", 1)[0]
        raise InputError(f"a row of the stream cannot be read: {message}") from None
    values = np.stack([column.to_numpy() for column in table.columns], axis=1)
    falls = np.flatnonzero(~(np.diff(values[:, 0]) > 0))
    if len(falls):
        raise InputError("times of the stream have to rise", column="time", value=float(values[falls[0] + 1, 0]))
    return values[:, 0], values[:, 1:]


def open_source(path: str) -> BinaryIO:
    """A file to follow, or standard input for ``-``.

    Raises:
        InputError: There is no such file.
    """
    import sys

    if path == "-":
        return sys.stdin.buffer
    if not Path(path).is_file():
        raise InputError("there is no such file", path=path)
    return Path(path).open("rb")
