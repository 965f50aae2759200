"""The SQL behind a page: kept with what is cached, written so that it can be asked again, and true."""

from __future__ import annotations

import datetime
import itertools
from functools import partial
from pathlib import Path

import pytest
from dashboard_pages import opened

from distaff.factors.intents.evidence import explain_run
from distaff.runs import training
from distaff_dashboards.reads.source import Source
from distaff_dashboards.statements import ask, cached, looking, written
from distaff_data.warehouse import Scratch
from distaff_data.workspace import Workspace


def test_a_read_that_is_answered_from_the_cache_tells_what_it_asked() -> None:
    computed = itertools.count()

    @cached(max_entries=4)
    def inner(name: str) -> int:
        ask("SELECT ?", [name])
        return next(computed)

    @cached(max_entries=4)
    def outer(name: str) -> int:
        ask("SELECT 1", [])
        return inner(name)

    told = []
    for _ in range(3):
        with looking() as asked:
            assert outer("a") == 0
        told.append(asked)
    assert told == 3 * [[("SELECT 1", ()), ("SELECT ?", ("a",))]]
    with looking() as asked:
        assert inner("a") == 0
    assert asked == [("SELECT ?", ("a",))]


def test_nothing_is_kept_where_nobody_looks() -> None:
    ask("SELECT 1", [])
    with looking() as asked:
        pass
    assert asked == []


@pytest.mark.parametrize(
    "value", ["it's", "", "a?b", 3, -2.5, True, None, ["x", "y'"], datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)]
)
def test_parameters_are_written_as_what_they_are(value: object, tmp_path: Path) -> None:
    sql = """SELECT CAST(? AS VARCHAR) AS "what?", 'why?' AS b"""
    with Scratch(tmp_path / "scratch", []) as scratch:
        asked, again = scratch.rows(sql, [value]), scratch.rows(written([(sql, (value,))]).removesuffix(";"))
    assert asked == again


def test_every_statement_behind_a_page_can_be_asked_again(bare: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run = training.train(bare, "nmf", "shop", device="cpu", settings={"n_intents": 3})
    explain_run(bare, run.run)
    at = partial(opened, monkeypatch)
    seen = 0
    for page in ("", "factor", "person", "board", "jobs"):
        shown = at(bare.root, page)
        assert not shown.exception
        told = [box.value for box in shown.code if "SELECT" in box.value and box.value.endswith(";")]
        assert told, page
        for statement in told[0].split(";\n\n"):
            bare.warehouse.select(statement.removesuffix(";"), limit=5)
            seen += 1
    assert seen > 10


def test_statements_are_those_of_the_frame(bare: Workspace) -> None:
    source = Source(str(bare.root), "")
    with looking() as asked:
        frame = source.frame("SELECT count(*) AS n FROM interactions WHERE dataset = ?", ["shop"])
    again = bare.warehouse.select(written(asked).removesuffix(";"), limit=5)
    assert again.table.to_pylist() == frame.to_dicts()
