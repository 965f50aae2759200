"""The worker processes of a sweep: started, watched, replaced when they are killed, and stopped with it.

They are processes of this machine, or tasks on a Ray cluster; what each does is :func:`distaff.sweeps.worker.work`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import optuna

from distaff import engines, lifeline
from distaff.sweeps import STORAGE, journal, trials
from distaff.sweeps.worker import work
from distaff_data.errors import DistaffError
from distaff_data.workspace import Workspace

_POLL = 0.5  # seconds
_DEATHS = 3  # processes that are replaced, in one sweep


@dataclass(frozen=True)
class _Worker:
    """A worker process, and where its output goes."""

    process: subprocess.Popen[bytes]
    log: Path


def watch(
    workspace: Workspace,
    study: optuna.Study,
    workers: int,
    timeout: float | None,
    storage: str | None,
    follow: Callable[[], None],
    engine: str = "local",
) -> None:
    """Keep worker processes going until the budget is met; those that were killed are replaced."""
    until, deaths = time.monotonic() + (timeout or float("inf")), 0
    workers = min(workers, max(trials.budget(study) - trials.spent(study), 0))
    if engine == "ray":
        tasks = [(workspace.root.resolve(), study.study_name, storage, timeout)] * workers
        for _ in engines.ray_each(_work, tasks, workers=workers, meanwhile=follow):
            pass
        return
    going = [_start(workspace, study.study_name, n, workers, timeout, storage) for n in range(workers)]
    try:
        while going:
            time.sleep(_POLL)
            follow()
            for worker in [worker for worker in going if worker.process.poll() is not None]:
                going.remove(worker)
                lifeline.release(worker.process)
                code = worker.process.returncode
                if code > 0:
                    raise DistaffError(f"a worker of {study.study_name} failed: {_last_words(worker.log)}")
                deaths += code < 0
                if deaths > _DEATHS:
                    raise DistaffError(f"{deaths} workers were killed, by signal {-code}; the same command goes on")
                if code < 0:
                    seconds_left = None if timeout is None else max(until - time.monotonic(), 0.01)
                    going.append(_start(workspace, study.study_name, workers + deaths, workers, seconds_left, storage))
    finally:
        for worker in going:
            worker.process.send_signal(signal.SIGINT)
        for worker in going:
            worker.process.wait()
            lifeline.release(worker.process)


def _work(task: tuple[Path, str, str | None, float | None]) -> int:
    """Work on a study as a worker of a cluster."""
    root, name, storage, timeout = task
    return work(Workspace.open(root), name, storage=storage, timeout=timeout)


def _start(
    workspace: Workspace, name: str, number: int, workers: int, timeout: float | None, storage: str | None
) -> _Worker:
    """Return a worker process with its share of the cores, through the verb that other machines use."""
    command = [sys.executable, "-c", "from distaff.cli import main; main()", "--workspace", str(workspace.root)]
    command += ["tune", "worker", name, *([] if timeout is None else ["--timeout", str(timeout)])]
    environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // workers)), **os.environ}
    if storage is not None:
        environment[STORAGE] = storage
    file = _log(workspace, name, number)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as log:
        process = lifeline.start(command, environment, log)
    return _Worker(process, file)


def _log(workspace: Workspace, name: str, number: int) -> Path:
    return journal.sweep_folder(workspace, name) / f"worker-{number}.log"


def _last_words(log: Path) -> str:
    """Return the last line of a worker's log."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else f"it left nothing in {log}"
