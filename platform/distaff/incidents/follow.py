"""Metrics that grow: a file or standard input read in batches, diagnosed as they come, resumed after a kill.

After each batch the stream's small state and the place in the input are written as one file that replaces the older one; a
stream that starts again goes on from there. Rows that were already taken are known by their times, so standard input may be
replayed from its beginning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from distaff.incidents.base import Diagnoser
from distaff.incidents.feed import Feed, Rows
from distaff.incidents.pace import Pace
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
_NO_SECONDS = 1e11  # since 1970: the year 5138


@dataclass(frozen=True)
class Update:
    """A ranking after one batch, and whether it is the last one of its incident."""

    diagnosis: Diagnosis
    converged: bool


class SetAside:
    """Rows that a stream did without, kept in a file.

    Attributes:
        file: A line of why for each, and the row; it is not there where there were none.
        rows: How many.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.rows = file, 0

    def add(self, bad: Sequence[tuple[str, bytes]]) -> None:
        """Keep rows, each with the reason."""
        if bad:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("ab") as out:
                out.writelines(f"{reason}: ".encode() + line.rstrip(b"\r\n") + b"\n" for reason, line in bad)
            self.rows += len(bad)


def follow(
    workspace: Workspace,
    dataset: str,
    source: BinaryIO | Rows,
    *,
    model: str = "coral",
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    kpi: str | None = None,
    batch: int | None = None,
    idle: float | None = None,
    speed: float | None = None,
    report: Callable[[Update], None] = lambda _: None,
) -> SetAside:
    """Diagnose metrics as they come: a server's, or a wide CSV stream, a header ``time,entity|metric,...`` and then rows.

    Args:
        workspace: Where rankings and state go.
        dataset: A dataset of incidents that gives the KPI and what is known of dependencies; also names the stream.
        source: The stream, opened for reading bytes, or rows such as :class:`~distaff.incidents.poll.PrometheusRows`.
        model: A diagnoser that can follow.
        settings: Configuration that differs from the defaults.
        seed: Seed of random draws.
        kpi: The KPI; the dataset's when None.
        batch: Rows at a time, two or more; the model's setting ``batch`` when None.
        idle: Stop after so many seconds without a new row; never when None. A pipe ends when it closes, and a server is
            quiet when a whole batch is missing.
        speed: Replay rows this many times as fast as their times say; as fast as it can when None.
        report: Called with every ranking.

    Returns:
        The rows that were set aside: those that cannot be read, that came too late, or whose step has another row.

    Raises:
        InputError: The stream has no header with a time, no row that can be read to begin with, or an unknown KPI; a setting
            is wrong, the speed not above 0, or the batch below 2; or the stream was begun with other metrics, settings or
            another seed.
        UnsupportedError: The model cannot follow.
    """
    throttle = _Throttle(speed)
    diagnoser = Diagnoser.named(model)(**(settings or {}))
    incidents = load_incidents(workspace.warehouse, dataset)
    folder, run = workspace.root / "watches", f"watch-{model}-{dataset}"  # where 0.1 has them
    n_rows = int(diagnoser.get_params().get("batch", _BATCH)) if batch is None else batch
    if n_rows < 2:
        raise InputError("a stream is read by two rows or more at a time", column="batch", value=n_rows)
    settings = {
        name: value
        for name, value in diagnoser.config.changed().items()
        if name not in ("batch", "onset", "changes", "changes_within")
    }
    checkpoint = read_checkpoint(folder, run)
    feed = source if isinstance(source, Rows) else Feed(source)
    if checkpoint is not None:
        feed.skip_to(int(str(checkpoint[1]["offset"])), str(checkpoint[1].get("mark", "")).encode("latin-1"))
    columns = feed.columns
    stream, pace = diagnoser.stream(_topology(columns, kpi, incidents), seed=seed), Pace()
    if checkpoint is not None:
        tensors, state = checkpoint
        _check_same(state, list(columns), settings, seed, folder / f"{run}.safetensors")
        stream.load_state({name: tensor.numpy() for name, tensor in tensors.items()})
        if (stream.last_time or 0.0) >= _NO_SECONDS:
            file = folder / f"{run}.safetensors"
            raise InputError(f"0.1 took the stream's milliseconds for seconds; remove {file} to begin anew")
        if isinstance(paced := state.get("pace"), dict):  # 0.1 had none
            pace.load_state(paced)
    aside = SetAside(folder / f"{run}.rejects.txt")
    for piece in feed.batches(n_rows, idle):
        if piece.bad and not len(piece.times) and stream.last_time is None:
            raise InputError(f"a row of the stream cannot be read: {piece.bad[0][0]}")
        aside.add(piece.bad)
        fresh = piece.times > (-np.inf if stream.last_time is None else stream.last_time)
        times, rows, doubled = pace.even(piece.times[fresh], piece.values[fresh])
        aside.add([("another row of its step counts", f"{moment}".encode()) for moment in doubled])
        throttle.wait(times)
        diagnosis = stream.update(times, rows, onset=piece.onset)
        if diagnosis is not None:
            target = f"{target_of(run)}/{diagnosis.case}"
            publish_diagnoses(workspace.warehouse, run, [diagnosis], target=target, converged=stream.converged)
            report(Update(diagnosis, stream.converged))
        tensors = {name: torch.from_numpy(np.array(value, order="C")) for name, value in stream.state().items()}
        begun = {"columns": list(columns), "settings": settings, "seed": seed, "pace": pace.state()}
        write_checkpoint(folder, run, tensors, begun | {"offset": piece.offset, "mark": piece.mark.decode("latin-1")})
    return aside


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
