"""A day of scheduled scoring under a fast clock, with the dashboard open all the while."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dashboard_pages import APP, turn_to
from published import publish
from streamlit.testing.v1 import AppTest

from distaff import jobs
from distaff.jobs import Job
from distaff.recommenders.score import Scored, score_run
from distaff.runs import aliases, training
from distaff.scheduling import history, scheduler
from distaff.scheduling.history import Execution
from distaff.testing.data import checkerboard
from distaff_dashboards.reads.source import Source
from distaff_dashboards.views.jobs import reads
from distaff_data.workspace import Workspace

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
USERS, TOP_K = 40, 3


class FastClock:
    """A clock that moves when it is slept on, and ends the day, or the scheduler's life, at ``end``."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.time, self.end = start, end

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        if self.time >= self.end:
            raise KeyboardInterrupt


@contextmanager
def looking(workspace: Workspace) -> Iterator[list[str]]:
    """Read what the page reads, and the lists, again and again in another thread; gives what went wrong."""
    wrong: list[str] = []
    stop, sizes = threading.Event(), set()

    def look() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            try:
                source = Source(str(workspace.root), str(turn))
                configured, _ = reads.configured(source)
                reads.overview(source, configured, MIDNIGHT)
                sizes.add(workspace.warehouse.rows("SELECT count(*) AS n FROM recommendations")[0]["n"])
            except Exception as error:
                wrong.append(repr(error))
            stop.wait(1.0)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join()
        if not sizes <= {0, USERS * TOP_K}:
            wrong.append(f"half a list was read: {sorted(sizes)}")


def test_missed_overlapping_and_failing_runs_of_a_day(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(workspace, checkerboard())
    run = training.train(workspace, "popularity", "checkerboard", device="cpu").run
    aliases.promote(workspace, run, "champion")
    common = {"model": "champion", "top_k": TOP_K}
    for name, cron, more in (
        ("lists", "0 */6 * * *", {"retries": 2}),
        ("slow", "30 */4 * * *", {"retries": 0}),  # takes three hours at 4:30
        ("wrong", "0 12 * * *", {"dataset": "other"}),
    ):
        jobs.add(workspace, Job.parse(name, {"cron": cron, **common, **more}))
    clock = FastClock(MIDNIGHT, MIDNIGHT + 8.2 * HOUR)
    failures = {18: 5}  # attempts that fail at the hour
    score = score_run

    def troubled(*args: Any, **options: Any) -> Scored:
        if clock.time.hour == 4 and clock.time.minute >= 30:
            clock.time += 3 * HOUR
        if failures.get(clock.time.hour, 0) and clock.time.minute < 30:
            failures[clock.time.hour] -= 1
            raise OSError("the disk is full")
        return score(*args, **options)

    monkeypatch.setattr("distaff.scheduling.tasks.score_run", troubled)
    monkeypatch.setattr("distaff.scheduling.scheduler._LOOK", 1800.0)  # at distaff.toml: fewer looks, a shorter test
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(workspace.root))
    done: list[Execution] = []
    with looking(workspace) as wrong:
        with pytest.raises(KeyboardInterrupt):
            scheduler.serve(workspace, clock=clock, done=done.append)
        app = turn_to(AppTest.from_file(str(APP), default_timeout=600).run(), "jobs").run()
        assert not app.exception
        clock.time, clock.end = MIDNIGHT + 14.6 * HOUR, MIDNIGHT + 24 * HOUR  # it was down for six hours
        with pytest.raises(KeyboardInterrupt):
            scheduler.serve(workspace, clock=clock, done=done.append)
        app.run()
        assert not app.exception
    assert wrong == []

    def of(job: str) -> list[tuple[float, str, int, int]]:
        return [
            ((e.due_at - MIDNIGHT) / HOUR, e.status, e.missed, e.attempts)
            for e in reversed(history.history(workspace, job))
            if e.status != "added"
        ]

    assert of("lists") == [
        (6, "done", 0, 1),  # waited for the slow job
        (12, "done", 0, 1),  # the scheduler was down at the time; made up for when it came back
        (18, "failed", 0, 3),  # as often as it may, after waits that double
    ]
    assert of("slow") == [
        (0.5, "done", 0, 1),
        (4.5, "done", 0, 1),
        (12.5, "done", 1, 1),  # 8:30 was missed too; once is enough for both
        (16.5, "done", 0, 1),
        (20.5, "done", 0, 1),
    ]
    assert of("wrong") == [(12, "failed", 0, 1)]
    spans = sorted((e.started_at, e.started_at + timedelta(seconds=e.seconds or 0)) for e in done)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans)), "two ran at once"
    assert Counter(e.exit_status for e in done) == {0: len(done) - 2, 1: 1, 2: 1}
    assert len(workspace.warehouse.rows("SELECT * FROM recommendations")) == USERS * TOP_K
