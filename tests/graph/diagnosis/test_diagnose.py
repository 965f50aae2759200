"""Diagnoses from the warehouse to the tables: every diagnoser, the verb, and a watch that is killed and resumed."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from distaff.board.board import board
from distaff.cli.app import app
from distaff.incidents import diagnose as diagnosing
from distaff.incidents import follow as following
from distaff.incidents.base import Diagnoser, Evidence
from distaff.model import registry
from distaff_data.datasets.incidents import Case, Edge, Incidents
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.planted.incidents import planted_incidents
from distaff_data.tables.incidents import load_incidents, publish_incidents
from distaff_data.workspace import Workspace
from distaff_graph.diagnosis.controls.graphs import PCPageRank

NAMES = (
    "baro",
    "coral",
    "floor_z",
    "kpi_correlation",
    "nsigma",
    "onset_order",
    "pagerank",
    "random",
    "recency",
    "traversal",
)


@pytest.fixture(scope="module")
def data() -> Incidents:
    return planted_incidents(n_cases=6, n_entities=4, n_normal=200, n_fault=100, invisible_share=0, seed=1)


@pytest.fixture(scope="module")
def settled(data: Incidents, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.create(tmp_path_factory.mktemp("settled") / "workspace")
    publish_incidents(workspace.warehouse, data, source="", settings={})
    return workspace


def chain() -> tuple[Case, tuple[Edge, ...]]:
    """A fault at c that reaches the KPI over b, late; d is quiet."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 4))
    values[200:, 2] += 30
    values[205:, 1] += 30
    values[210:, 0] += 30
    columns = ("kpi|x", "b|x", "c|x", "d|x")
    case = Case("chain", columns, np.arange(300.0), values, 200.0, 0, ("c",), ("c|x",))
    return case, (Edge("c", "b"), Edge("b", "kpi"), Edge("d", "kpi"))


@pytest.mark.parametrize("name", NAMES)
def test_every_diagnoser_ranks_all_entities_but_the_kpi_the_same_way_twice(name: str, data: Incidents) -> None:
    model = registry.model_class(name)()
    assert isinstance(model, Diagnoser)
    first, again = (model.diagnose(data.cases[0], seed=3) for _ in range(2))
    assert first == again
    assert set(first.entities) == {e for e in data.cases[0].entities if e != "entry"}
    assert all(np.isfinite(cause.score) or cause.score == -np.inf for cause in first.causes)


@pytest.mark.parametrize("name", ["coral", "onset_order", "pagerank", "traversal"])
def test_a_fault_that_spreads_is_traced_to_its_origin(name: str) -> None:
    case, edges = chain()
    model = registry.model_class(name)()
    assert isinstance(model, Diagnoser)
    for given in (edges, tuple(Edge(e.target, e.source) for e in edges)):  # causal graph, or call graph
        assert model.diagnose(case, given).entities[0] == "c"


def test_recency_puts_the_direct_cause_that_changed_last_first() -> None:
    values = np.zeros((60, 5))
    values[40:, 1] = 1  # a direct cause, early
    values[45:, 2] = 1  # a direct cause, late
    values[47:, 3] = 1  # changes last of all, but acts on nothing
    values[48:, 0] = 1
    values[52:, 4] = 1  # after the alarm
    columns = ("alarm|x", "a|x", "b|x", "c|x", "d|x")
    case = Case("alarm", columns, np.arange(60.0), values, 39.0, 0)
    model = registry.model_class("recency")()
    assert isinstance(model, Diagnoser)
    assert model.diagnose(case, (Edge("a", "alarm"), Edge("b", "alarm"))).entities == ["b", "a", "c", "d"]
    assert model.diagnose(case).entities == ["c", "b", "a", "d"]


def test_traversal_sums_scores_along_the_way_and_takes_circles_as_one() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((120, 6))
    values[100:, :5] += np.array([20.0, 10.0, 30.0, 40.0, 15.0])
    columns = ("kpi|x", "b|x", "c|x", "d|x", "e|x", "f|x")
    case = Case("way", columns, np.arange(120.0), values, 100.0, 0)
    # c and d call one another and reach the KPI over b; e reaches it alone; f is calm.
    edges = tuple(Edge(*pair) for pair in (("b", "kpi"), ("c", "b"), ("c", "d"), ("d", "c"), ("e", "kpi"), ("f", "e")))
    model = registry.model_class("traversal")()
    assert isinstance(model, Diagnoser)
    scores = {cause.column[0]: cause.score for cause in model.diagnose(case, edges).causes}
    assert scores["c"] == scores["d"] > scores["e"] > 1
    assert scores["b"] < 1
    assert scores["f"] < 1


def test_coral_tells_the_path_and_the_onset() -> None:
    case, edges = chain()
    model = registry.model_class("coral")()
    assert isinstance(model, Diagnoser)
    cause = model.diagnose(case, edges).causes[0]
    assert cause.path == ("c|x", "b|x", "kpi|x")
    assert cause.onset == 200.0


@pytest.mark.parametrize("name", ["coral", "floor_z", "onset_order", "traversal"])
def test_units_do_not_matter(name: str, data: Incidents) -> None:
    case = data.cases[1]
    factors = np.random.default_rng(0).lognormal(0, 5, len(case.columns))
    scaled = Case(**{**vars(case), "values": case.values * factors})
    model = registry.model_class(name)()
    assert isinstance(model, Diagnoser)
    assert model.diagnose(case).columns == model.diagnose(scaled).columns


def test_an_onset_that_is_unknown_or_leaves_no_rows_is_refused(data: Incidents) -> None:
    model = registry.model_class("floor_z")()
    assert isinstance(model, Diagnoser)
    with pytest.raises(InputError, match="no known onset"):
        model.diagnose(Case(**{**vars(data.cases[0]), "onset": None}))
    with pytest.raises(InputError, match="no rows"):
        model.diagnose(data.cases[0], at=-5.0)


def test_a_diagnosis_is_a_run_on_the_board_and_its_causes_are_a_table(settled: Workspace, data: Incidents) -> None:
    report = diagnosing.diagnose(settled, data.name, model="coral", onset="detected")
    diagnosing.diagnose(settled, data.name, model="floor_z")
    rows = settled.warehouse.rows('SELECT * FROM causes WHERE run = ? ORDER BY "case", rank', [report.run.run])
    expected = [cause.column for d in sorted(report.diagnoses, key=lambda d: d.case) for cause in d.causes]
    assert [row["metric"] for row in rows] == expected
    found = board(settled, data.name)
    assert {row.model for row in found.rows} == {"coral", "floor_z"}
    assert found.metric == "avg@5"
    assert found.best_control == "floor_z"
    assert 0 < found.noise_floor["ac@1"] < 0.5
    assert set(report.as_dict()) >= {"dataset", "model", "onset", "metrics", "trigger", "cases"}


def test_the_verb_prints_the_shape_and_refuses_what_is_wrong(settled: Workspace, data: Incidents) -> None:
    run = CliRunner().invoke(
        app, ["--workspace", str(settled.root), "diagnose", data.name, "--model", "nsigma", "--json"]
    )
    printed = json.loads(run.stdout)
    assert {"ac@1", "ac@3", "ac@5", "avg@5", "map@3", "mrr"} <= set(printed["metrics"]["entity"])
    assert printed["cases"][0]["causes"][0]["rank"] == 1
    before = settled.warehouse.rows("SELECT * FROM runs ORDER BY run")
    for options in (["--model", "ease"], ["--onset", "guessed"], ["--model", "cora"], ["--set", "bach=3"]):
        wrong = CliRunner().invoke(app, ["--workspace", str(settled.root), "diagnose", data.name, *options])
        assert isinstance(wrong.exception, InputError)
    assert settled.warehouse.rows("SELECT * FROM runs ORDER BY run") == before


class KilledError(Exception):
    """Stands for a kill: nothing after it runs."""


def stream_file(path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((900, 4))
    rows[420:, 2] += 15
    rows[424:, 1] += 15
    rows[428:, 0] += 15
    lines = [",".join([str(float(t)), *map(repr, map(float, row))]) for t, row in enumerate(rows)]
    path.write_text("time,kpi|x,b|x,c|x,d|x\n" + "\n".join(lines) + "\n")
    return path


def chain_workspace(root: Path) -> Workspace:
    """A workspace with the chain and its graph as the dataset ``d``."""
    workspace = Workspace.create(root)
    case, edges = chain()
    publish_incidents(workspace.warehouse, Incidents("d", (case,), edges), source="", settings={})
    return workspace


def watch(root: Path, path: Path, kill_after: int | None = None) -> list[tuple[Any, ...]]:
    """Rankings of one watch; killed after so many and then resumed."""
    workspace = chain_workspace(root)
    seen: list[tuple[Any, ...]] = []

    def note(update: following.Update) -> None:
        seen.append((update.diagnosis.case, tuple(update.diagnosis.causes), update.converged))
        if len(seen) == kill_after:
            raise KilledError

    for _ in range(2):
        try:
            with path.open("rb") as source:
                following.follow(workspace, "d", source, batch=30, idle=0, report=note)
        except KilledError:
            seen.pop()  # its state was not kept, so the batch comes again
            kill_after = None
    return seen


def test_a_watch_that_is_killed_and_resumed_says_what_one_that_ran_through_says(tmp_path: Path) -> None:
    path = stream_file(tmp_path / "m.csv")
    through = watch(tmp_path / "a", path)
    assert through[0][0].startswith("incident-4")
    assert through[0][1][0].column == "c|x"
    assert through[-1][2] or len(through) > 3
    for kill_after in (1, 2):
        assert watch(tmp_path / f"b{kill_after}", path, kill_after) == through


def test_the_state_of_a_watch_does_not_grow(tmp_path: Path) -> None:
    model = registry.model_class("coral")()
    assert isinstance(model, Diagnoser)
    stream = model.stream(("a|x", "b|x", "c|x"), 0, ())
    rng, sizes = np.random.default_rng(0), []
    for batch in range(60):
        stream.take(np.arange(60.0) + 60 * batch, rng.standard_normal((60, 3)))
        sizes.append(sum(value.nbytes for value in stream.state().values()))
    assert max(sizes[30:]) <= 1.1 * max(sizes[12:30])


def test_a_stream_without_header_or_with_words_is_refused(settled: Workspace, data: Incidents, tmp_path: Path) -> None:
    for text, message in (
        ("1,2\n", "first line"),
        ("time,a\n1,x\n", "cannot be read"),
        ("time,a\n1,2,3\n", "cannot be read"),
    ):
        (tmp_path / "s.csv").write_text(text)
        with (tmp_path / "s.csv").open("rb") as source, pytest.raises(InputError, match=message):
            following.follow(settled, data.name, source, idle=0)
    with (tmp_path / "s.csv").open("rb") as source, pytest.raises(UnsupportedError, match="coral can"):
        following.follow(settled, data.name, source, model="baro", idle=0)
    assert load_incidents(settled.warehouse, data.name).cases


def test_replay_keeps_the_pace_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr("distaff.incidents.follow.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("distaff.incidents.follow.time.sleep", sleep)
    path = stream_file(tmp_path / "m.csv")
    workspace = chain_workspace(tmp_path / "w")
    with path.open("rb") as source:
        following.follow(workspace, "d", source, batch=300, idle=0, speed=60)
    # 900 rows of a second each at sixty times real time: 300 rows are due after 299 / 60 seconds, and so on.
    assert np.cumsum(waits).tolist() == pytest.approx([299 / 60, 599 / 60, 899 / 60])
    with path.open("rb") as source, pytest.raises(InputError, match="above 0"):
        following.follow(workspace, "d", source, idle=0, speed=0)


_WATCH = """
import sys
from pathlib import Path
from distaff import following
from distaff_data.workspace import Workspace
from distaff_graph.diagnosis.controls.graphs import PCPageRank

with Path(sys.argv[2]).open("rb") as source:
    following.follow(Workspace.open(sys.argv[1]), "d", source, batch=30, report=lambda _: print("one", flush=True))
"""


def rankings(workspace: Workspace, path: Path) -> list[tuple[Any, ...]]:
    """What a watch that goes on to the end of the file says."""
    seen: list[tuple[Any, ...]] = []
    with path.open("rb") as source:
        following.follow(
            workspace,
            "d",
            source,
            batch=30,
            idle=0,
            report=lambda update: seen.append((update.diagnosis.case, update.diagnosis.causes, update.converged)),
        )
    return seen


def test_a_process_that_is_killed_outright_and_started_again_ends_with_the_same_ranking(tmp_path: Path) -> None:
    path = stream_file(tmp_path / "m.csv")
    through = rankings(chain_workspace(tmp_path / "a"), path)
    workspace = chain_workspace(tmp_path / "b")
    command = [sys.executable, "-c", _WATCH, str(workspace.root), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "one\n"
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    again = rankings(workspace, path)
    # Nothing is left to say if it was through before the signal came; the stored ranking is the same in any case.
    assert again == through[len(through) - len(again) :]
    last = workspace.warehouse.rows("SELECT metric, score FROM causes ORDER BY rank")
    assert [(row["metric"], row["score"]) for row in last] == [(c.column, c.score) for c in through[-1][1]]


def test_rows_that_a_process_appends_are_diagnosed_as_they_come(tmp_path: Path) -> None:
    whole = stream_file(tmp_path / "whole.csv").read_text().splitlines(keepends=True)
    path = tmp_path / "live.csv"
    path.write_text(whole[0])
    append = (
        "import sys, time\n"
        "rows = open(sys.argv[1]).readlines()[1:]\n"
        "for start in range(0, len(rows), 25):\n"
        "    with open(sys.argv[2], 'a') as out:\n"
        "        out.writelines(rows[start : start + 25])\n"
        "    time.sleep(0.01)\n"
    )
    seen: list[str] = []

    def report(update: following.Update) -> None:
        seen.append(update.diagnosis.causes[0].column)
        if update.converged:
            raise KilledError

    writer = subprocess.Popen([sys.executable, "-c", append, str(tmp_path / "whole.csv"), str(path)])
    with path.open("rb") as source, contextlib.suppress(KilledError):
        following.follow(chain_workspace(tmp_path / "w"), "d", source, batch=30, idle=20, report=report)
    assert writer.wait() == 0
    assert seen[-1] == "c|x"


def test_bad_streams_are_refused_in_one_line_and_leave_no_state(
    settled: Workspace, data: Incidents, tmp_path: Path
) -> None:
    path = tmp_path / "s.csv"
    path.write_text("time,a|x\n1,2\n3,4\n2,5\n")
    with path.open("rb") as source, pytest.raises(InputError, match="have to rise") as caught:
        following.follow(settled, data.name, source, idle=0)
    assert "\n" not in str(caught.value)
    with path.open("rb") as source, pytest.raises(InputError, match="no such metric"):
        following.follow(settled, data.name, source, kpi="b|x", idle=0)
    assert not list((settled.root / "watches").glob("watch-coral-*"))


@pytest.mark.parametrize("rows", [1, 900])
def test_one_row_or_metrics_that_never_move_raise_no_alarm(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("time,kpi|x,b|x\n" + "".join(f"{t},1.0,2.0\n" for t in range(rows)))
    seen: list[following.Update] = []
    with path.open("rb") as source:
        following.follow(chain_workspace(tmp_path / "w"), "d", source, idle=0, report=seen.append)
    assert seen == []


def test_pc_learns_a_graph_whose_directions_can_be_told() -> None:
    pytest.importorskip("causallearn")
    rng = np.random.default_rng(5)
    values = rng.standard_normal((600, 5))
    values[:, 2] += values[:, 3] + values[:, 4]  # two causes of one effect: PC directs them and what follows
    values[:, 1] += values[:, 2]
    values[:, 0] += values[:, 1]
    values[:, 0] *= 1e6
    columns = ("kpi|x", "b|x", "c|x", "d|x", "e|x", "constant|x")
    values = np.hstack([values, np.ones((600, 1))])
    case = Case("collider", columns, np.arange(600.0), values, 400.0, 0)
    found = PCPageRank().edges(Evidence(case, values[:400], values[400:], (), rng))
    assert set(zip(*map(np.ndarray.tolist, found.nonzero()), strict=True)) == {(1, 0), (2, 1), (3, 2), (4, 2)}
    assert PCPageRank().diagnose(case).entities[0] == "c"  # where all that acts on the KPI comes together


def test_pagerank_on_pc_says_which_package_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "causallearn.search.ConstraintBased.PC", None)
    with pytest.raises(InputError, match="causal-learn"):
        PCPageRank().diagnose(chain()[0])
