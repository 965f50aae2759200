"""Jobs that fit on everything first: once a state of the dataset, under an alias, earlier ones retired in time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from published import publish

from distaff import jobs
from distaff.audit.figures import fitted_to_the_dataset
from distaff.audit.history import Records
from distaff.jobs import Job
from distaff.recommenders.base import Recommender
from distaff.runs import aliases, records, training
from distaff.scheduling import executions, history
from distaff.scheduling.history import Execution
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StillClock:
    """A clock that stands where the test puts it."""

    time = START

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here is tried again")


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """A measured run of EASE, the champion, and a job that scores by a fit on everything."""
    publish(workspace, checkerboard(20, 20, n_blocks=2, held_out=2))
    run = training.train(workspace, "ease", "checkerboard", settings={"penalty": 3.0}, device="cpu")
    aliases.promote(workspace, run.run, "champion")
    jobs.add(workspace, parse())
    return workspace


def parse(**settings: object) -> Job:
    return Job.parse(
        "nightly", {"cron": "0 3 * * *", "model": "champion", "refit": "production", "keep_hours": 24} | settings
    )


def carry_out(workspace: Workspace, clock: StillClock) -> Execution:
    (job,) = jobs.read(workspace)
    return executions.execute(workspace, job, clock.now(), 0, clock, lambda text: None)


def refits(workspace: Workspace, status: str = "done") -> list[str]:
    found = records.listing(workspace, "checkerboard")
    return [run.run for run in found if run.fitted_on == records.ALL and run.status == status]


def test_lists_are_made_by_a_fit_on_everything_and_the_champion_stays_the_run_that_was_measured(
    filled: Workspace,
) -> None:
    champion = aliases.current(filled)["champion"]
    done = carry_out(filled, StillClock())
    assert (done.status, done.message) == ("done", None)
    assert aliases.current(filled) == {"champion": champion, "production": done.run}
    assert done.run is not None
    run = records.find(filled, done.run)
    assert (run.fitted_on, run.refit_of, json.loads(run.settings)) == (records.ALL, champion, {"penalty": 3.0})
    model = Recommender.load(records.model_folder(filled, done.run))
    assert model.data.valid.nnz == model.data.test.nnz == 0
    (published,) = filled.warehouse.rows("SELECT DISTINCT run FROM recommendations")
    assert published["run"] == done.run
    assert fitted_to_the_dataset(Records.of(filled, "checkerboard", run), run).verdict == "pass"


def test_the_same_data_are_fitted_once(filled: Workspace) -> None:
    first, again = carry_out(filled, StillClock()), carry_out(filled, StillClock())
    assert first.run == again.run
    assert len(refits(filled)) == 1


def test_new_data_are_fitted_anew_and_what_was_replaced_goes_when_it_need_not_be_kept(filled: Workspace) -> None:
    clock = StillClock()
    first = carry_out(filled, clock)
    publish(filled, checkerboard(24, 20, n_blocks=2, held_out=2))
    clock.time = START + timedelta(hours=3)
    second = carry_out(filled, clock)
    assert first.run != second.run
    assert aliases.current(filled)["production"] == second.run
    assert set(refits(filled)) == {first.run, second.run}
    clock.time = START + timedelta(hours=30)
    assert carry_out(filled, clock).run == second.run
    assert refits(filled) == [second.run]
    assert refits(filled, "retired") == [first.run]
    assert first.run is not None
    assert not (records.run_folder(filled, first.run) / "model").exists()
    assert filled.warehouse.live(f"recommendations/{first.run}") is None
    assert records.find(filled, aliases.current(filled)["champion"]).status == "done"


def test_fits_that_a_person_made_or_named_stay(filled: Workspace) -> None:
    from distaff.runs.refit import plan_refit

    clock, champion = StillClock(), aliases.current(filled)["champion"]
    first = carry_out(filled, clock)
    assert first.run is not None
    aliases.promote(filled, first.run, "mine")
    publish(filled, checkerboard(24, 20, n_blocks=2, held_out=2))
    by_hand = training.train(filled, "ease", "checkerboard", refit=plan_refit(filled, champion), seed=7, device="cpu")
    clock.time = START + timedelta(hours=30)
    second = carry_out(filled, clock)
    assert second.run != by_hand.run
    assert set(refits(filled)) == {first.run, by_hand.run, second.run}


def test_an_interrupted_execution_is_taken_up_where_it_was(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("distaff.scheduling.executions.perform", stopped)
        with pytest.raises(KeyboardInterrupt):
            carry_out(filled, StillClock())
    (left,) = refits(filled)
    assert "production" not in aliases.current(filled)
    assert carry_out(filled, StillClock()).run == left
    assert {e.status for e in history.history(filled, "nightly")} == {"done", "interrupted"}


def test_what_cannot_be_fitted_on_everything_is_refused_when_the_job_is_added(filled: Workspace) -> None:
    with pytest.raises(InputError, match="refit goes with the task score"):
        parse(task="embed")
    with pytest.raises(InputError, match="another name than model"):
        parse(refit="champion")
    executions.check(filled, parse())
    run = records.find(filled, aliases.current(filled)["champion"])
    filled.warehouse.drop("dataset/checkerboard")
    with pytest.raises(InputError, match="is gone"):
        executions.check(filled, parse(model=run.run))
