"""Metrics that grow: a file or standard input read in batches, diagnosed as they come, resumed after a kill.

After each batch the stream's small state and the place in the input are written as one file that replaces the older one; a
stream that starts again goes on from there. Rows that were already taken are known by their times, so standard input may be
replayed from its beginning.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import torch

from distaff.incidents.base import Diagnoser
from distaff.incidents.rankings import Diagnosis
from distaff.incidents.tables import publish_diagnoses, target_of
from distaff.model.checkpoints import read_checkpoint, write_checkpoint
from distaff_data.arrays import Floats
from distaff_data.datasets.dependencies import causal_edges, ties
from distaff_data.datasets.incidents import Incidents, Topology
from distaff_data.errors import InputError
from distaff_data.tables.incidents import load_incidents
from distaff_data.workspace import Workspace

_BATCH = 60  # rows
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
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    kpi: str | None = None,
    batch: int | None = None,
    idle: float | None = None,
    speed: float | None = None,
    report: Callable[[Update], None] = lambda _: None,
) -> None:
    """Diagnose a wide CSV stream of metrics: a header ``time,entity|metric,...``, then rows.

    Args:
        workspace: Where rankings and state go.
        dataset: A dataset of incidents that gives the KPI and what is known of dependencies; also names the stream.
        source: The stream, opened for reading bytes.
        model: A diagnoser that can follow.
        settings: Configuration that differs from the defaults.
        seed: Seed of random draws.
        kpi: The KPI; the dataset's when None.
        batch: Rows at a time, two or more; the model's setting ``batch`` when None.
        idle: Stop after so many seconds without a new row; never when None. A pipe ends when it closes.
        speed: Replay rows this many times as fast as their times say; as fast as it can when None.
        report: Called with every ranking.

    Raises:
        InputError: The stream has no header with a time, a row that is no numbers, times that do not rise, or an unknown
            KPI; a setting is wrong, the speed not above 0, or the batch below 2; or the stream was begun with other metrics,
            settings or another seed.
        UnsupportedError: The model cannot follow.
    """
    throttle = _Throttle(speed)
    diagnoser = Diagnoser.named(model)(**(settings or {}))
    incidents = load_incidents(workspace.warehouse, dataset)
    folder, run = workspace.root / "watches", f"watch-{model}-{dataset}"  # where 0.1 has them
    n_rows = int(diagnoser.get_params().get("batch", _BATCH)) if batch is None else batch
    if n_rows < 2:
        raise InputError("a stream is read by two rows or more at a time", column="batch", value=n_rows)
    settings = {name: value for name, value in diagnoser.config.changed().items() if name not in ("batch", "onset")}
    checkpoint = read_checkpoint(folder, run)
    columns = _header(source)
    stream = diagnoser.stream(_topology(columns, kpi, incidents), seed=seed)
    if checkpoint is not None:
        tensors, state = checkpoint
        _check_same(state, list(columns), settings, seed, folder / f"{run}.safetensors")
        stream.load_state({name: tensor.numpy() for name, tensor in tensors.items()})
        if source.seekable():
            source.seek(int(str(state["offset"])))
    for lines, offset in _batches(source, n_rows, idle):
        times, rows = _parse(lines, 1 + len(columns))
        fresh = times > (-np.inf if stream.last_time is None else stream.last_time)
        throttle.wait(times[fresh])
        diagnosis = stream.update(times[fresh], rows[fresh])
        if diagnosis is not None:
            target = f"{target_of(run)}/{diagnosis.case}"
            publish_diagnoses(workspace.warehouse, run, [diagnosis], target=target, converged=stream.converged)
            report(Update(diagnosis, stream.converged))
        tensors = {name: torch.from_numpy(np.array(value, order="C")) for name, value in stream.state().items()}
        begun = {"columns": list(columns), "settings": settings, "seed": seed}
        write_checkpoint(folder, run, tensors, begun | {"offset": offset})


def _check_same(
    state: Mapping[str, Any], columns: Sequence[str], settings: Mapping[str, Any], seed: int, file: Path
) -> None:
    """Refuse to go on from a state that belongs to another stream; 0.1 had default settings and the seed 0.

    Raises:
        InputError: Metrics, settings or seed differ.
    """
    for what, before, now in (
        ("metrics", state["columns"], columns),
        ("settings", state.get("settings", {}), settings),
        ("seed", state.get("seed", 0), seed),
    ):
        if before != now:
            begun = "" if what == "metrics" else f", {before}"
            raise InputError(f"the stream has other {what} than before{begun}; remove {file} to begin anew")


def _header(source: BinaryIO) -> tuple[str, ...]:
    """Read the first line of a stream; return the names of its metrics.

    Raises:
        InputError: It does not begin with a time, or names no metric.
    """
    line = source.readline().decode().strip()
    time_name, *columns = line.split(",")
    if time_name != "time" or not columns:
        raise InputError("the first line of the stream is: time,entity|metric,...", line=1, value=line[:80])
    return tuple(columns)


def _topology(columns: tuple[str, ...], kpi: str | None, incidents: Incidents) -> Topology:
    """Return a stream's metrics, its KPI or else that of a dataset, and what the dataset knows of dependencies.

    Raises:
        InputError: The stream has no such KPI.
    """
    if kpi is None:
        names = (case.columns[case.kpi] for case in incidents.cases if case.kpi is not None)
        kpi = next((name for name in names if name in columns), None)
    if kpi is not None and kpi not in columns:
        raise InputError("the stream has no such metric", column="kpi", value=kpi)
    edges = causal_edges(incidents)
    if incidents.graph_is == "calls" and kpi is not None:
        edges += ties(edges, [kpi])
    return Topology(columns, None if kpi is None else columns.index(kpi), edges)


class _Throttle:
    """Holds batches back until their last row would have been measured, at ``speed`` times real time.

    Raises:
        InputError: The speed is not above 0.
    """

    def __init__(self, speed: float | None) -> None:
        if speed is not None and not speed > 0:
            raise InputError("must be above 0", column="speed", value=speed)
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
    """Yield whole lines by batches, and the offset behind each; a shorter batch only at the end of waiting."""
    lines: list[bytes] = []
    partial, last_row_at = b"", time.monotonic()
    while True:
        piece = source.readline()
        partial += piece
        if partial.endswith(b"\n"):
            lines.append(partial)
            partial, last_row_at = b"", time.monotonic()
            if len(lines) == batch:
                yield lines, source.tell() if source.seekable() else 0
                lines = []
        elif not piece:
            if not source.seekable() or (idle is not None and time.monotonic() - last_row_at >= idle):
                break
            time.sleep(_POLL)
    if lines:
        yield lines, source.tell() - len(partial) if source.seekable() else 0


def _parse(lines: Sequence[bytes], width: int) -> tuple[Floats, Floats]:
    """Return times and values ``(n, M)``; an empty field is missing.

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
    """Open a file to follow, or standard input for ``-``.

    Raises:
        InputError: There is no such file.
    """
    import sys

    if path == "-":
        return sys.stdin.buffer
    if not Path(path).is_file():
        raise InputError("there is no such file", path=path)
    return Path(path).open("rb")
