"""Metrics of incidents from files: what each layout means, and one clear line where something does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distaff_data.datasets.dependencies import causal_edges
from distaff_data.datasets.incidents import Case, Edge
from distaff_data.errors import DistaffError, InputError
from distaff_data.ingest.incidents import ingest_incidents
from distaff_data.tables.incidents import declare_graph, load_incidents
from distaff_data.workspace import Workspace

WIDE = "time,shop_cpu,shop_latency,db.disk,queue\n0,1,5,2,3\n1,2,5,2,3\n2,1,6,,3\n3,1,9,9,3\n"


def loaded(workspace: Workspace, path: Path, **options: Any) -> Case:
    ingest_incidents(workspace, "d", path, **options)
    return load_incidents(workspace.warehouse, "d").cases[0]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_wide_file_names_entities_by_the_documented_rule(workspace: Workspace, tmp_path: Path) -> None:
    case = loaded(workspace, write(tmp_path / "m.csv", WIDE), kpi="shop|latency", onset=3, roots=["db"])
    assert case.columns == ("shop|cpu", "shop|latency", "db|disk", "queue|value")
    assert (case.name, case.kpi, case.onset_row, case.roots) == ("m", 1, 3, ("db",))
    np.testing.assert_array_equal(case.values[:, 2], [2, 2, np.nan, 9])


def test_a_separator_and_a_table_of_names_override_the_rule(workspace: Workspace, tmp_path: Path) -> None:
    names = write(tmp_path / "names.csv", "column,entity,metric\nqueue,broker,depth\n")
    text = WIDE.replace("shop_cpu", "a_b-cpu").replace("shop_latency", "a_b-lat")
    case = loaded(workspace, write(tmp_path / "m.csv", text), separator="-", names=names)
    assert case.columns == ("a_b|cpu", "a_b|lat", "db.disk|value", "broker|depth")


def test_a_long_table_as_prometheus_exports_it_equals_the_wide_one(workspace: Workspace, tmp_path: Path) -> None:
    rows = [(t, e, m, v) for t, v in ((0, 1.0), (1, 2.0), (2, 4.0)) for e in ("a", "b") for m in ("cpu", "mem")]
    rows.remove((1, "b", "mem", 2.0))
    text = "timestamp,instance,__name__,value\n" + "".join(
        f"{1_700_000_000_000 + 1000 * t},{e},{m},{v}\n" for t, e, m, v in rows
    )
    case = loaded(workspace, write(tmp_path / "long.csv", text))
    assert case.columns == ("a|cpu", "a|mem", "b|cpu", "b|mem")
    np.testing.assert_array_equal(case.times, 1_700_000_000 + np.arange(3.0))
    np.testing.assert_array_equal(case.values[:, 3], [1, np.nan, 4])


def test_unequal_distances_become_a_grid_of_their_median(workspace: Workspace, tmp_path: Path) -> None:
    case = loaded(workspace, write(tmp_path / "m.csv", "time,x\n0,1\n10,2\n20,3\n33,4\n55,5\n65,6\n"))
    np.testing.assert_array_equal(case.times, [0, 10, 20, 30, 40, 50, 60])
    np.testing.assert_array_equal(case.values[:, 0], [1, 2, 3, np.nan, 4, np.nan, 5])


def test_a_failure_column_gives_the_onset_and_is_no_metric(workspace: Workspace, tmp_path: Path) -> None:
    case = loaded(workspace, write(tmp_path / "m.csv", "time,x,failure\n0,1,0\n1,2,0\n2,9,1\n"), label="failure")
    assert (case.columns, case.onset) == (("x|value",), 2.0)


def test_a_folder_of_cases_with_a_partial_graph(workspace: Workspace, tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    report = ingest_incidents(workspace, "d", folder)
    read = load_incidents(workspace.warehouse, "d")
    assert (report.cases, report.labelled, report.edges) == (1, 1, 2)
    prior = read.cases[0].topology(read.edges).prior()
    assert prior.known.tolist() == [[False, True], [False, False]]
    assert prior.forbidden.tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize("said", ["option", "case", "beside"])
def test_a_call_graph_is_turned_once_and_kept_as_the_file_has_it(
    said: str, workspace: Workspace, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path, **({"graph_is": "calls"} if said == "case" else {}))
    if said == "beside":
        rows = json.loads((folder / "cases.json").read_text())
        (folder / "cases.json").write_text(json.dumps({"graph_is": "calls", "cases": rows}))
    report = ingest_incidents(workspace, "d", folder, graph_is="calls" if said == "option" else None)
    assert (report.graph_is, report.edges) == ("calls", 2)
    read = load_incidents(workspace.warehouse, "d")
    assert read.graph_is == "calls"
    assert {(edge.source, edge.target, edge.known) for edge in read.edges} == {("b", "a", True), ("a", "b", False)}
    rows = workspace.warehouse.rows("SELECT source, target FROM dependencies WHERE known")
    assert rows == [{"source": "a", "target": "b"}]


def test_a_direction_is_said_once_and_forgotten_with_the_data(workspace: Workspace, tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    assert ingest_incidents(workspace, "d", folder).graph_is is None
    with pytest.raises(InputError, match="--graph-is causes"):
        causal_edges(load_incidents(workspace.warehouse, "d"))
    declare_graph(workspace.warehouse, "d", "calls")
    assert causal_edges(load_incidents(workspace.warehouse, "d"))[0] == Edge("b", "a")
    declare_graph(workspace.warehouse, "d", "causes")
    assert causal_edges(load_incidents(workspace.warehouse, "d"))[0] == Edge("a", "b")
    ingest_incidents(workspace, "d", folder, replace=True)
    assert load_incidents(workspace.warehouse, "d").graph_is is None
    for dataset, word, message in (("d", "maybe", "causes"), ("none", "calls", "none")):
        with pytest.raises(DistaffError, match=message):
            declare_graph(workspace.warehouse, dataset, word)


def test_cases_that_say_different_things_of_their_graph_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    row = json.loads((folder / "cases.json").read_text())[0]
    listed = [row | {"graph_is": "calls"}, row | {"graph_is": "causes"}]
    (folder / "cases.json").write_text(json.dumps(listed))
    refused(workspace, folder, "all say the same")


def test_edges_of_entities_without_metrics_are_left_out_when_asked(workspace: Workspace, tmp_path: Path) -> None:
    folder = make_folder(tmp_path, graph="source,target\na,b\na,z\n")
    assert ingest_incidents(workspace, "d", folder, unmeasured=True).edges == 1


def test_an_edge_that_is_listed_twice_counts_once_however_its_status_is_spelled(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path, graph="source,target,status\na,b,known\na,b, TRUE \nb,a,0\n")
    ingest_incidents(workspace, "d", folder)
    edges = load_incidents(workspace.warehouse, "d").edges
    assert {(edge.source, edge.target, edge.known) for edge in edges} == {("a", "b", True), ("b", "a", False)}
    assert len(edges) == 2


def test_a_table_of_names_with_an_empty_cell_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    names = write(tmp_path / "names.csv", "column,entity,metric\nqueue,broker,depth\nx,,y\n")
    text = "time,queue,x\n0,1,2\n1,2,1\n2,9,9\n"
    refused(
        workspace, write(tmp_path / "m.csv", text), "line 3: column, entity and metric all have a name", names=names
    )


def make_folder(root: Path, graph: str = "source,target,status\na,b,known\nb,a,forbidden\n", **fields: object) -> Path:
    folder = root / "folder"
    (folder / "cases").mkdir(parents=True)
    pq.write_table(
        pa.table({"time": [0.0, 1.0, 2.0], "a|x": [1.0, 2.0, 3.0], "b|x": [1.0, 1.0, 5.0]}), folder / "cases/c.parquet"
    )
    row = {"case": "c", "onset": 2.0, "kpi": "b|x", "root_entities": ["a"], "root_metrics": ["a|x"], "group": "g"}
    (folder / "cases.json").write_text(json.dumps([row | fields]))
    (folder / "graph.csv").write_text(graph)
    return folder


FILES: dict[str, tuple[str, dict[str, Any], str]] = {
    "empty": ("", {}, "empty"),
    "no time": ("a,b\n1,2\n2,3\n", {}, "--time"),
    "no metrics": ("time\n1\n2\n", {}, "no metrics"),
    "one row": ("time,a\n1,2\n", {}, "one row only"),
    "out of order": ("time,a\n1,2\n3,4\n2,5\n", {}, "line 4, column time, value 2.0: time stamps are out of order"),
    "same time twice": ("time,a\n1,2\n1,4\n2,5\n", {}, "out of order"),
    "all constant": ("time,a,b\n1,2,3\n2,2,3\n", {}, "constant"),
    "no number": ("time,a\n1,2\n2,low\n", {}, "line 3, column a, value 'low'"),
    "missing time": ("time,a\n1,2\n,3\n", {}, "time stamp is missing"),
    "unknown kpi": ("time,s_cpu\n1,2\n2,3\n", {"kpi": "s|cpus"}, "did you mean s|cpu"),
    "unknown root": ("time,s_cpu\n1,2\n2,3\n", {"roots": ["t"]}, "no such entity"),
    "onset outside": ("time,s_cpu\n1,2\n2,3\n", {"onset": 9.0}, "onset"),
    "onset at the first row": ("time,s_cpu\n1,2\n2,3\n", {"onset": 1.0}, "both sides"),
    "one metric twice": ("time,s_cpu,s.cpu\n1,2,3\n2,3,3\n", {}, "same metric"),
    "unknown label": ("time,s_cpu\n1,2\n2,3\n", {"label": "fail"}, "no such column"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(
    workspace: Workspace, tmp_path: Path, case: str
) -> None:
    text, options, message = FILES[case]
    refused(workspace, write(tmp_path / "m.csv", text), message, **options)


FOLDERS: dict[str, tuple[dict[str, Any], str]] = {
    "graph with an unknown entity": ({"graph": "source,target\na,z\n"}, "line 2, column target, value 'z'"),
    "graph without target": ({"graph": "source,to\na,b\n"}, "no such column"),
    "graph with an unknown status": ({"graph": "source,target,status\na,b,maybe\n"}, "known or forbidden"),
    "edge known and forbidden": ({"graph": "source,target,status\na,b,known\na,b,forbidden\n"}, "both"),
    "the first of two bad lines": (
        {"graph": "source,target,status\na,b,known\nb,a,perhaps\na,z,known\n"},
        "line 3, column status, value 'perhaps'",
    ),
    "an edge without a source": ({"graph": "source,target,status\n,b,known\n"}, "line 2, column source"),
    "unknown kpi": ({"kpi": "b|y"}, "did you mean b|x"),
    "unknown root metric": ({"root_metrics": ["a|y"]}, "no such metric"),
    "missing file": ({"case": "d"}, "no such file"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_that_does_not_fit_is_refused_and_changes_nothing(
    workspace: Workspace, tmp_path: Path, case: str
) -> None:
    fields, message = FOLDERS[case]
    refused(workspace, make_folder(tmp_path, **fields), message)


def test_a_folder_without_a_listing_and_one_that_is_no_json_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(workspace, tmp_path / "empty", "cases.json")
    folder = make_folder(tmp_path)
    write(folder / "cases.json", "{")
    refused(workspace, folder, "not JSON")
    write(folder / "cases.json", '[{"case": "c"}, {"case": "c"}]')
    refused(workspace, folder, "same name")


def refused(workspace: Workspace, path: Path, message: str, **options: Any) -> None:
    before = workspace.warehouse.rows("SELECT * FROM publications ORDER BY target")
    with pytest.raises(InputError) as caught:
        ingest_incidents(workspace, "new", path, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert workspace.warehouse.rows("SELECT * FROM publications ORDER BY target") == before


MANY = "time,db_cpu,db_latency_ms,web_error_rate\n0,1,5,2\n1,2,5,2\n2,1,6,1\n3,1,9,9\n"


def test_a_name_that_can_be_divided_in_two_places_is_refused_with_both(workspace: Workspace, tmp_path: Path) -> None:
    file = write(tmp_path / "m.csv", MANY)
    for separator in (None, "_"):
        with pytest.raises(InputError, match=r"db\|latency_ms or db_latency\|ms.*--divide-at"):
            ingest_incidents(workspace, "d", file, separator=separator)
    assert loaded(workspace, file, divide_at="first").columns == ("db|cpu", "db|latency_ms", "web|error_rate")
    assert loaded(workspace, file, divide_at="last", replace=True).columns == (
        *("db|cpu", "db_latency|ms", "web_error|rate"),
    )
    with pytest.raises(InputError, match="did you mean last"):
        ingest_incidents(workspace, "e", file, divide_at="lst")


def test_a_graph_or_the_other_names_tell_where_a_name_is_divided(workspace: Workspace, tmp_path: Path) -> None:
    graph = write(tmp_path / "g.csv", "source,target\nweb,db\n")
    case = loaded(workspace, write(tmp_path / "m.csv", MANY), graph=graph, graph_is="calls")
    assert case.columns == ("db|cpu", "db|latency_ms", "web|error_rate")
    known = "time,db_cpu,db_latency_ms\n0,1,5\n1,2,5\n2,1,6\n3,1,9\n"
    assert loaded(workspace, write(tmp_path / "k.csv", known), replace=True).columns == ("db|cpu", "db|latency_ms")


def test_metrics_whose_dates_have_the_day_first_are_read_when_a_person_says_so(
    workspace: Workspace, tmp_path: Path
) -> None:
    text = "time,a_x\n05.02.2024 00:00,1\n05.02.2024 00:01,2\n05.02.2024 00:02,4\n"
    file = write(tmp_path / "m.csv", text)
    with pytest.raises(InputError, match="--day-first"):
        ingest_incidents(workspace, "d", file)
    np.testing.assert_array_equal(loaded(workspace, file, day_first=True).times, 1_707_091_200 + 60 * np.arange(3.0))


@pytest.mark.parametrize("onset", ["2023-11-14T22:13:22Z", "2023-11-14 22:13:22", 1_700_000_002_000, 1_700_000_002.0])
def test_an_onset_is_read_as_times_are(workspace: Workspace, tmp_path: Path, onset: str | float) -> None:
    rows = "".join(f"{1_700_000_000_000 + 1000 * t},{t % 2},{t}\n" for t in range(4))
    path = write(tmp_path / "m.csv", "time,a|cpu,b|cpu\n" + rows)
    assert loaded(workspace, path, onset=onset).onset_row == 2
    with pytest.raises(InputError, match="1700000003 seconds"):
        loaded(workspace, path, onset=1_800_000_000, replace=True)
    with pytest.raises(InputError, match="ISO date"):
        loaded(workspace, path, onset="at night", replace=True)
