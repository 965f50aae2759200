"""Jobs under a clock that the test moves: missed, overlapping, failing, interrupted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from published import publish

from distaff import jobs
from distaff.jobs import Job
from distaff.model import saving
from distaff.recommenders.score import score_run
from distaff.runs import aliases, training
from distaff.scheduling import history, scheduler
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

START = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


class FastClock:
    """A clock that moves when it is slept on, and stops everything at ``end``."""

    def __init__(self, end: datetime | None = None) -> None:
        self.time, self.end, self.naps = START, end, list[float]()

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.time += timedelta(seconds=seconds)
        if self.end is not None and self.time >= self.end:
            raise KeyboardInterrupt


@pytest.fixture
def scorer(workspace: Workspace) -> Workspace:
    publish(workspace, checkerboard())
    run = training.train(workspace, "popularity", "checkerboard").run
    aliases.promote(workspace, run, "champion")
    return workspace


def add(workspace: Workspace, **settings: Any) -> Job:
    job = Job.parse("hourly", {"cron": "0 * * * *", "model": "champion", "top_k": 3, **settings})
    jobs.add(workspace, job)
    return job


def lists(workspace: Workspace) -> int:
    return int(workspace.warehouse.rows("SELECT count(*) AS n FROM recommendations")[0]["n"])


def test_job_runs_when_due_and_publishes(scorer: Workspace) -> None:
    add(scorer, out="lists.parquet")
    clock = FastClock(START + 2.5 * HOUR)
    with pytest.raises(KeyboardInterrupt):
        scheduler.serve(scorer, clock=clock)
    past = [e for e in history.history(scorer) if e.status == "done"]
    assert [e.due_at.hour for e in past] == [14, 13]
    assert {(e.missed, e.exit_status, e.users, e.rows, e.attempts) for e in past} == {(0, 0, 40, 120, 1)}
    assert lists(scorer) == 120
    assert (scorer.root / "lists.parquet").exists()


def test_nothing_is_due_before_the_job_is_known(scorer: Workspace) -> None:
    add(scorer)
    assert scheduler.run_due(scorer, clock=FastClock()) == []
    assert scheduler.run_due(scorer, clock=FastClock()) == []
    assert [e.status for e in history.history(scorer)] == ["added"]


def test_missed_times_are_made_up_for_once(scorer: Workspace) -> None:
    add(scorer)
    clock = FastClock()
    scheduler.run_due(scorer, clock=clock)
    clock.time += 5 * HOUR
    (execution,) = scheduler.run_due(scorer, clock=clock)
    assert (execution.missed, execution.due_at.hour, execution.status) == (4, 17, "done")
    assert scheduler.run_due(scorer, clock=clock) == []


def test_job_that_another_process_executes_is_left_to_it(scorer: Workspace) -> None:
    add(scorer)
    clock, told = FastClock(), list[str]()
    scheduler.run_due(scorer, clock=clock)
    clock.time += HOUR
    with scorer.warehouse.lock("job/hourly"):
        assert scheduler.run_due(scorer, clock=clock, talk=told.append) == []
    assert told == ["hourly: another process is at it"]
    assert len(scheduler.run_due(scorer, clock=clock)) == 1


def test_run_that_is_being_scored_is_waited_for(scorer: Workspace) -> None:
    add(scorer)
    clock = FastClock()
    scheduler.run_due(scorer, clock=clock)
    clock.time += HOUR
    busy = scorer.warehouse.lock(f"scoring/{aliases.resolve(scorer, 'champion')}")
    busy.acquire()
    clock.sleep = lambda seconds: busy.release()  # type: ignore[method-assign]
    (execution,) = scheduler.run_due(scorer, clock=clock)
    assert (execution.status, execution.attempts) == ("done", 2)


def test_the_model_is_loaded_once_for_scoring_and_drift(scorer: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    add(scorer)
    clock = FastClock()
    scheduler.run_due(scorer, clock=clock)
    clock.time += HOUR
    loads: list[Path] = []
    load = saving.load

    def counted(folder: Path) -> Any:
        loads.append(folder)
        return load(folder)

    monkeypatch.setattr(saving, "load", counted)
    (execution,) = scheduler.run_due(scorer, clock=clock)
    assert execution.status == "done"
    assert len(loads) == 1
    measured = scorer.warehouse.rows("SELECT run FROM drifts WHERE execution = ?", [execution.execution])
    assert {row["run"] for row in measured} == {execution.run}


def failing(monkeypatch: pytest.MonkeyPatch, times: int, error: Exception) -> None:
    calls = iter(range(1_000))

    def score(*args: Any, **options: Any) -> Any:
        if next(calls) < times:
            raise error
        return score_run(*args, **options)

    monkeypatch.setattr("distaff.scheduling.tasks.score_run", score)


def test_failures_are_tried_again_after_waits_that_double(scorer: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    add(scorer)
    clock = FastClock()
    scheduler.run_due(scorer, clock=clock)
    clock.time += HOUR
    failing(monkeypatch, 2, OSError("the disk is full"))
    (execution,) = scheduler.run_due(scorer, clock=clock)
    assert (execution.status, execution.attempts, execution.seconds) == ("done", 3, 90.0)
    assert clock.naps == [30.0, 60.0]


def test_lasting_failure_is_recorded_and_the_next_time_is_a_new_chance(
    scorer: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(scorer, retries=1)
    clock = FastClock()
    scheduler.run_due(scorer, clock=clock)
    clock.time += HOUR
    failing(monkeypatch, 2, OSError("the disk is full"))
    (execution,) = scheduler.run_due(scorer, clock=clock)
    assert (execution.status, execution.attempts, execution.exit_status) == ("failed", 2, 1)
    assert "the disk is full" in str(execution.message)
    assert lists(scorer) == 0
    assert scheduler.run_due(scorer, clock=clock) == []
    clock.time += HOUR
    assert [e.status for e in scheduler.run_due(scorer, clock=clock)] == ["done"]


@pytest.mark.parametrize(
    ("settings", "message"), [({"model": "nobody"}, "no run named"), ({"dataset": "other"}, "not on 'other'")]
)
def test_wrong_job_fails_at_once(scorer: Workspace, settings: dict[str, Any], message: str) -> None:
    add(scorer, **settings)
    clock = FastClock()
    scheduler.run_due(scorer, clock=clock)
    clock.time += HOUR
    (execution,) = scheduler.run_due(scorer, clock=clock)
    assert (execution.status, execution.exit_status, execution.attempts, clock.naps) == ("failed", 2, 1, [])
    assert message in str(execution.message)


def test_killed_execution_is_done_again_and_marked(scorer: Workspace) -> None:
    job = add(scorer)
    clock = FastClock()
    scheduler.run_due(scorer, clock=clock)
    clock.time += HOUR
    killed = history.begin(scorer, job.name, job.model, "running", clock, clock.time.replace(minute=0, second=0))
    (execution,) = scheduler.run_due(scorer, clock=clock)
    assert (execution.status, execution.due_at) == ("done", killed.due_at)
    assert [e.status for e in history.history(scorer) if e.execution == killed.execution] == ["interrupted"]


def test_stopped_execution_is_marked_and_due_again(scorer: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    add(scorer)
    clock = FastClock()
    scheduler.run_due(scorer, clock=clock)
    clock.time += HOUR
    failing(monkeypatch, 1, KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        scheduler.run_due(scorer, clock=clock)
    assert history.history(scorer)[0].status == "interrupted"
    assert [e.status for e in scheduler.run_due(scorer, clock=clock)] == ["done"]


def test_promotion_decides_what_the_next_execution_scores(scorer: Workspace) -> None:
    add(scorer)
    clock = FastClock()
    scheduler.run_due(scorer, clock=clock)
    newer = training.train(scorer, "popularity", "checkerboard", seed=1).run
    aliases.promote(scorer, newer, "champion")
    clock.time += HOUR
    assert [e.run for e in scheduler.run_due(scorer, clock=clock)] == [newer]


def test_changed_jobs_are_taken_up_and_broken_ones_told(scorer: Workspace) -> None:
    clock, told = FastClock(START + 2.5 * HOUR), list[str]()
    good = '[schedule.late]\ncron = "0 * * * *"\nmodel = "champion"\n'

    def sleep(seconds: float) -> None:
        FastClock.sleep(clock, seconds)
        scorer.config.write_text(good if clock.time < START + HOUR else "[schedule.late]\ncron = 1\n")

    clock.sleep = sleep  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        scheduler.serve(scorer, clock=clock, talk=told.append)
    assert [e.due_at.hour for e in history.history(scorer) if e.status == "done"] == [14, 13]
    assert any("the jobs stay as they were" in text for text in told)


def test_replaced_lists_are_removed_after_their_time(scorer: Workspace) -> None:
    add(scorer, keep_hours=0)
    clock = FastClock()
    scheduler.run_due(scorer, clock=clock)
    for _ in range(3):
        clock.time += HOUR
        (execution,) = scheduler.run_due(scorer, clock=clock)
        assert execution.message is None
    assert lists(scorer) == 120
    stored = sum(1 for _ in (scorer.root / "warehouse" / "recommendations").glob("*.parquet"))
    assert stored <= 2  # a generation of the present second is as young as the live one


def test_jobs_are_written_beside_what_is_in_the_file(workspace: Workspace) -> None:
    workspace.config.write_text("# mine\n[other]\nx = 1 # kept\n")
    add(workspace, timezone="Europe/Berlin")
    assert workspace.config.read_text().startswith("# mine\n[other]\nx = 1 # kept\n")
    assert jobs.read(workspace) == [
        Job(name="hourly", cron="0 * * * *", model="champion", top_k=3, timezone="Europe/Berlin")
    ]
    with pytest.raises(InputError, match="remove it first"):
        add(workspace)
    jobs.remove(workspace, "hourly")
    assert jobs.read(workspace) == []
    with pytest.raises(InputError, match="no job named"):
        jobs.remove(workspace, "hourly")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cron": "61 * * * *"}, "no cron expression"),
        ({"cron": "0 0 31 2 *"}, "no cron expression"),
        ({"timezone": "Mars"}, "no time zone"),
        ({"top_k": 0}, "greater than or equal to 1"),
        ({"topk": 5}, "topk: Extra inputs"),
    ],
)
def test_wrong_jobs_are_refused(workspace: Workspace, settings: dict[str, Any], message: str) -> None:
    before = workspace.config.read_text()
    with pytest.raises(InputError, match=message):
        add(workspace, **settings)
    assert workspace.config.read_text() == before


def test_local_time_is_meant_where_a_time_zone_is_named() -> None:
    job = Job.parse("x", {"cron": "0 3 * * *", "model": "m", "timezone": "Europe/Berlin"})
    times = job.times(datetime(2026, 3, 27, 12, tzinfo=UTC))
    assert [next(times).hour for _ in range(3)] == [2, 1, 1]  # summer time begins on 29 March
