"""A clock that is set back, or is another machine's, loses nothing: what is newest does not follow it."""

from __future__ import annotations

import datetime as dt
import sys
from datetime import tzinfo
from pathlib import Path

import pytest
from published import publish

from distaff.recommenders.score import score_run
from distaff.runs import records, training
from distaff.testing.data import checkerboard
from distaff_data.ingest import ingest_interactions
from distaff_data.workspace import Workspace


class Back(dt.datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
        return dt.datetime.now(tz) - dt.timedelta(hours=2)


def set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("distaff") and getattr(module, "datetime", None) is dt.datetime:
            monkeypatch.setattr(module, "datetime", Back)


def test_clock_that_is_set_back_two_hours_loses_nothing(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(workspace, checkerboard())
    run = training.train(workspace, "popularity", "checkerboard").run
    score_run(workspace, run, top_k=5)
    set_back(monkeypatch)
    score_run(workspace, run, top_k=3)
    assert workspace.warehouse.rows("SELECT max(rank) AS k FROM recommendations") == [{"k": 3}]
    later = training.train(workspace, "popularity", "checkerboard", seed=1)
    assert records.find(workspace, later.run).status == "done"
    (tmp_path / "other.csv").write_text("user,item\na,1\na,2\nb,1\n")
    ingest_interactions(workspace, "checkerboard", tmp_path / "other.csv", replace=True)
    assert workspace.warehouse.rows("SELECT count(*) AS n FROM interactions") == [{"n": 3}]
    workspace.warehouse.reclaim(dt.timedelta(0))
    assert workspace.warehouse.rows("SELECT count(*) AS n FROM interactions") == [{"n": 3}]
    assert workspace.warehouse.rows("SELECT max(rank) AS k FROM recommendations") == [{"k": 3}]
