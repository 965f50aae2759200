"""The report of one incident and what changed before it: complete, escaped, and by hand where it is a figure."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from distaff.cli.app import app
from distaff.exports import write_files
from distaff.incidents.changes import recent_changes
from distaff.incidents.diagnose import diagnose
from distaff.incidents.rankings import Cause, Diagnosis
from distaff.incidents.report import report_of
from distaff_data.datasets.incidents import Case
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.ingest.changes import SystemChange, read_changes
from distaff_data.planted.incidents import planted_incidents
from distaff_data.tables.incidents import publish_incidents
from distaff_data.workspace import Workspace


def _case(name: str = "first") -> Case:
    columns = ("shop|latency", "db|<cpu>", "web|cpu")
    return Case(name, columns, np.arange(100.0), np.arange(300.0).reshape(100, 3), onset=60.0, kpi=0)


def test_changes_are_read_by_time_and_what_is_wrong_is_said(tmp_path: Path) -> None:
    file = tmp_path / "deploys.csv"
    file.write_text("what,time,entity\nnew version,2024-01-01T00:01:00Z,db\nflag on,2024-01-01 00:00:00Z,web\n")
    assert read_changes(file) == (
        SystemChange(1704067200.0, "web", "flag on"),
        SystemChange(1704067260.0, "db", "new version"),
    )
    file.write_text("time,entity,what\n30,7,restart\n")
    assert read_changes(file) == (SystemChange(30.0, "7", "restart"),)
    for text, error in (("time,entity\n1,a\n", "lacks the column what"), ("time,entity,what\nsoon,a,b\n", "time")):
        file.write_text(text)
        with pytest.raises(InputError, match=error):
            read_changes(file)
    with pytest.raises(InputError, match="there is no file of changes"):
        read_changes(tmp_path / "none.csv")


def test_a_change_before_the_onset_has_the_chance_of_one_at_random() -> None:
    changes = [SystemChange(10.0, "busy", str(i)) for i in range(9)] + [
        SystemChange(50.0, "busy", "x"),
        SystemChange(52.0, "db", "v2"),
    ]
    changes += [SystemChange(61.0, "late", "after"), SystemChange(5.0, "old", "before")]
    found = recent_changes(sorted(changes, key=lambda c: c.time), _case(), 60.0, within=20.0)
    assert [(recent.change.entity, recent.lead) for recent in found] == [("db", 8.0), ("busy", 10.0)]
    assert found[0].chance == pytest.approx(8 / 99)
    assert found[1].chance == pytest.approx(1 - (1 - 10 / 99) ** 10)
    draws = np.random.default_rng(0).uniform(0, 99, (4000, 10))
    at_random = ((60 - draws >= 0) & (60 - draws <= 10)).any(1).mean()
    assert found[1].chance == pytest.approx(at_random, abs=0.03)
    assert recent_changes((), _case(), 60.0, 20.0) == ()


class _Tags(HTMLParser):
    """Counts open tags, and notes what would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "polyline", "line"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("polyline", "line"):
            assert self.open.pop() == tag


def test_a_report_is_whole_and_names_are_no_markup() -> None:
    causes = (
        Cause("db|<cpu>", 0.7, own=3.0, onset=61.0, path=("db|<cpu>", "web|cpu", "shop|latency"),
              new_edges=("db|<cpu> -> web|cpu",)),
        Cause("web|cpu", 0.3, own=1.5, onset=63.0),
    )  # fmt: skip
    diagnosis = Diagnosis("first", causes, 60.0, graph="given", likely=("db",), changes=("db: v2, 8 s before",))
    report = report_of(_case(), diagnosis, dataset="out*ages", model="coral", run="coral-1")
    tags = _Tags()
    tags.feed(report.html)
    assert tags.open == []
    assert tags.loads == []
    assert "cpu" not in tags.seen
    assert tags.seen.count("svg") == 3
    for text in (report.html, report.markdown):
        assert "db: v2, 8 s before" in text
        assert "in nine of ten such cases the cause is among: db" in text
        assert "an edge that the incident brought" in text
        assert "web" in text
    assert "db|&lt;cpu&gt; left its normal after 1 s" in report.html
    assert "out\\*ages" in report.markdown
    untold = report_of(_case(), Diagnosis("first", causes[1:], 60.0, likely=()), dataset="d", model="coral", run="r")
    assert "cannot be told" in untold.markdown
    assert "No path to the KPI is known." in untold.markdown


def test_files_stay_in_their_folder_whatever_a_case_is_called(tmp_path: Path) -> None:
    files = write_files(tmp_path / "new", "run-../../a b", {"md": "x", "html": "y"})
    assert [file.parent for file in files.values()] == [tmp_path / "new"] * 2
    assert files["md"].read_text() == "x"
    with pytest.raises(InputError):
        write_files(files["md"], "a", {"md": "x"})


def test_the_verbs_tell_changes_and_sets_and_write_the_report(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "workspace")
    data = planted_incidents(n_cases=2, n_entities=4, n_normal=60, n_fault=30, invisible_share=0, seed=1)
    publish_incidents(workspace.warehouse, data, source="", settings={})
    onset = data.cases[0].onset
    assert onset is not None
    deploys = tmp_path / "deploys.csv"
    deploys.write_text(f"time,entity,what\n{onset - 5},service01,version 2\n")
    at = ["--workspace", str(workspace.root)]
    call = [*at, "diagnose", data.name, "--changes", str(deploys), "--set", "changes_within=60", "--json"]
    ran = CliRunner().invoke(app, call)
    assert ran.exit_code == 0, ran.output
    printed = json.loads(ran.stdout)
    case = printed["cases"][0]
    assert case["changes"][0].startswith("service01: version 2, 5 s before")
    assert case["likely"] is not None
    assert printed["cause_sets"]["cases"] == 2
    ran = CliRunner().invoke(
        app, [*at, "report", printed["run"], case["case"], "--out", str(tmp_path / "out"), "--json"]
    )
    assert ran.exit_code == 0, ran.output
    markdown = Path(json.loads(ran.stdout)["md"]).read_text()
    assert "service01: version 2" in markdown
    with pytest.raises(InputError):
        diagnose(workspace, data.name, settings={"changes": str(tmp_path / "none.csv")})
    refused = CliRunner().invoke(app, [*at, "report", printed["run"], "none"])
    assert isinstance(refused.exception, UnknownNameError)
