"""Models that could not forget exactly are fitted anew by the scheduler, and take the old ones' place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from published import publish

from distaff.forgetting import audit, forget
from distaff.recommenders.base import Recommender
from distaff.recommenders.score import score_run
from distaff.runs import aliases, records, training
from distaff.scheduling import scheduler
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError
from distaff_data.tables.interactions import load_interactions
from distaff_data.workspace import Workspace

QUICK: dict[str, Any] = {"embedding_dim": 4, "max_epochs": 2, "batch_size": 64}


class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing to wait for")


@pytest.fixture
def forgotten(workspace: Workspace) -> tuple[Workspace, str]:
    """A champion whose lists are published, and a person who was forgotten."""
    publish(workspace, checkerboard())
    run = training.train(workspace, "lightgcn", "checkerboard", settings=QUICK, seed=3, device="cpu").run
    score_run(workspace, run, top_k=5)
    aliases.promote(workspace, run, "champion")
    forget(workspace, ["7"], "checkerboard")
    return workspace, run


def test_queued_model_is_fitted_anew_and_replaced(forgotten: tuple[Workspace, str]) -> None:
    workspace, old = forgotten
    (execution,) = scheduler.run_due(workspace, [], clock=Still())
    assert (execution.job, execution.status) == (f"retrain {old}", "done")
    new = aliases.resolve(workspace, "champion")
    assert new == execution.run != old
    data = load_interactions(workspace.warehouse, "checkerboard")
    anew = Recommender.named("lightgcn")(**QUICK).fit(data, seed=3, device="cpu")
    kept = Recommender.load(records.model_folder(workspace, new))
    everyone = torch.arange(data.n_users)
    assert torch.equal(kept.predict(everyone), anew.predict(everyone))
    assert workspace.warehouse.rows("SELECT DISTINCT run, max(rank) AS k FROM recommendations GROUP BY run") == [
        {"run": new, "k": 5}
    ]
    assert not (records.run_folder(workspace, old) / "model").exists()
    with pytest.raises(InputError, match="retired"):
        records.model_folder(workspace, old)
    (record,) = audit.models(workspace)
    assert (record.status, record.replacement) == ("replaced", new)
    assert scheduler.run_due(workspace, [], clock=Still()) == []


def test_retraining_that_was_killed_is_finished_without_a_second_fit(
    forgotten: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, _old = forgotten

    def killed(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("distaff.scheduling.retraining.score_run", killed)
    with pytest.raises(KeyboardInterrupt):
        scheduler.run_due(workspace, [], clock=Still())
    monkeypatch.undo()
    fitted = {r.run for r in records.listing(workspace)}
    assert len(fitted) == 2
    (execution,) = scheduler.run_due(workspace, [], clock=Still())
    assert execution.status == "done"
    assert {r.run for r in records.listing(workspace)} == fitted


def test_fit_that_fails_is_recorded_and_not_tried_for_ever(
    forgotten: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, old = forgotten

    def broken(*args: object, **options: object) -> None:
        raise InputError("there is no such device")

    monkeypatch.setattr("distaff.runs.training.train", broken)
    (execution,) = scheduler.run_due(workspace, [], clock=Still())
    assert execution.status == "failed"
    (record,) = audit.models(workspace, status="failed")
    assert "no such device" in str(record.message)
    assert scheduler.run_due(workspace, [], clock=Still()) == []
    assert aliases.resolve(workspace, "champion") == old
    assert Path(records.model_folder(workspace, old)).exists()
