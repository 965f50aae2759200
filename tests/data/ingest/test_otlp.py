"""Metrics of OpenTelemetry, as the collector's file exporter writes them: what each kind becomes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distaff.incidents.diagnose import diagnose
from distaff_data.errors import InputError
from distaff_data.ingest import ingest_incidents
from distaff_data.ingest.otlp import read_otlp
from distaff_data.tables.incidents import load_incidents
from distaff_data.workspace import Workspace

BEGIN, STEP, ROWS, ONSET = 1_700_000_000, 10, 120, 80


def attributes(labels: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": k, "value": {"intValue" if isinstance(v, int) else "stringValue": v}} for k, v in labels.items()]


def point(row: float, labels: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
    at = round((BEGIN + STEP * row) * 1e9)
    return {"attributes": attributes(labels or {}), "timeUnixNano": str(at), **body}


def request(service: str, *metrics: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": attributes({"service.name": service, "process.pid": 7})}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": {}, "metrics": list(metrics)}]}]}


def gauge(name: str, *points: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "gauge": {"dataPoints": list(points)}}


def histogram(name: str, *points: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "histogram": {"aggregationTemporality": 2, "dataPoints": list(points)}}


def write(path: Path, *requests: dict[str, Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, requests)) + "\n\n")
    return path


def columns(path: Path, **options: Any) -> dict[str, list[float]]:
    table = read_otlp(path, options.get("entity_label"), options.get("step"))
    return {name: table[name].to_pylist() for name in table.column_names}


def test_an_incident_of_open_telemetry_is_a_case_and_its_cause_is_found(workspace: Workspace, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    requests = []
    for row in range(ROWS):
        db = 1 + 6 * (row >= ONSET) + draw.normal() / 9
        shop = 1 + 4 * (row > ONSET) + draw.normal() / 9
        requests.append(request("db", gauge("cpu", point(row, asDouble=db))))
        requests.append(
            request("shop", gauge("latency", point(row + 0.02, asDouble=shop)))
        )  # the clocks of two machines
        requests.append(request("web", gauge("cpu", point(row, asDouble=draw.normal()))))
    ingest_incidents(workspace, "out", write(tmp_path / "m.jsonl", *requests), kpi="shop|latency",
                     onset=float(BEGIN + STEP * ONSET))  # fmt: skip
    (case,) = load_incidents(workspace.warehouse, "out").cases
    assert sorted(case.columns) == ["db|cpu", "shop|latency", "web|cpu"]
    assert case.times.tolist() == [BEGIN + STEP * row for row in range(ROWS)]
    assert np.isfinite(case.values).all()
    assert diagnose(workspace, "out", model="nsigma").diagnoses[0].entities[0] == "db"


def test_every_kind_of_metric_becomes_what_a_diagnosis_can_read(tmp_path: Path) -> None:
    totals, counts = [5, 25, 45, 5, 35], [10, 20, 20, 4, 14]
    sums = [3.0, 8.0, 8.0, 1.0, 6.0]
    since = str(round((BEGIN - STEP) * 1e9))
    metrics = [
        {"name": "requests", "sum": {"isMonotonic": True, "aggregationTemporality": 2, "dataPoints": [
            point(row, asInt=str(total)) for row, total in enumerate(totals)]}},
        {"name": "queue", "sum": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE", "dataPoints": [
            point(row, asInt=str(total)) for row, total in enumerate(totals)]}},
        {"name": "errors", "sum": {"isMonotonic": True, "aggregationTemporality": 1, "dataPoints": [
            point(0, startTimeUnixNano=since, asDouble=20.0)]}},
        {"name": "wait", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            point(row, count=str(count), sum=total) for row, (count, total) in enumerate(zip(counts, sums, strict=True))]}},
    ]  # fmt: skip
    found = columns(write(tmp_path / "m.jsonl", request("db", *metrics)))
    nan = [np.nan]
    np.testing.assert_allclose(found["db|requests"], [*nan, 2, 2, *nan, 3])  # by a second; the counter began anew
    np.testing.assert_allclose(found["db|queue"], totals)
    np.testing.assert_allclose(found["db|errors"], [2, *4 * nan])
    np.testing.assert_allclose(found["db|wait.rate"], [*nan, 1, 0, *nan, 1])
    np.testing.assert_allclose(found["db|wait.mean"], [*nan, 0.5, *2 * nan, 0.5])


def test_attributes_tell_series_apart_and_one_of_them_is_the_entity(tmp_path: Path) -> None:
    points = [point(row, {"core": core, "zone": "a|b"}, asDouble=row + core) for row in range(3) for core in (0, 1)]
    path = write(tmp_path / "m.jsonl", request("db", gauge("cpu", *points)))
    assert columns(path)["db|cpu{core=1}"] == [1, 2, 3]
    assert columns(path, entity_label="zone")["a/b|cpu{core=0}"] == [0, 1, 2]
    with pytest.raises(InputError, match=r"no label pod.*its labels: core, process.pid, service.name, zone"):
        columns(path, entity_label="pod")


def test_points_of_other_moments_take_the_nearest_row(tmp_path: Path) -> None:
    points = [point(row, asDouble=value) for row, value in ((0, 1), (1.1, 2), (1.9, 3), (4, 5))]
    found = columns(write(tmp_path / "m.jsonl", request("db", gauge("cpu", *points))), step=10)
    assert found["time"] == [BEGIN + 10 * row for row in range(5)]
    np.testing.assert_array_equal(found["db|cpu"], [1, 2, 3, np.nan, 5])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "has no metrics"),
        ("{", "not JSON"),
        ("[" * 90_000, "not JSON"),
        ("[1]", "no resourceMetrics"),
        ('{"resourceSpans": []}', "no resourceMetrics"),
        ('{"resourceMetrics": [1]}', "none of OpenTelemetry"),
        ('{"resourceMetrics": []}', "has no metrics"),
        (json.dumps(request("db", {"gauge": {"dataPoints": []}})), "none of OpenTelemetry"),
        (json.dumps(request("db", gauge("x", {"timeUnixNano": "soon", "asDouble": 1}))), "none of OpenTelemetry"),
        (json.dumps(request("db", gauge("x", {"timeUnixNano": "0", "asDouble": 1}))), "timeUnixNano is 0"),
        (json.dumps(request("db", gauge("x", {"timeUnixNano": "9" * 5000, "asDouble": 1}))), "none of OpenTelemetry"),
        (json.dumps(request("db", gauge("x", point(0, asDouble="much")))), "none of OpenTelemetry"),
        (json.dumps(request("", gauge("x", point(0, asDouble=1), point(1, asDouble=1)))), "none of the usual labels"),
        (json.dumps(request("db", gauge("x", point(0, asDouble=1)))), "one point only"),
        (json.dumps(request("db", gauge("x.rate", point(0)), histogram("x", point(0, sum=1, count=1)))), "two metrics"),
        (json.dumps(request("db", gauge("x", point(0, asDouble=1)), histogram("x", point(1, sum=1, count=1)))), "two ways"),
        (json.dumps(request("db", gauge("x", *[point(at, asDouble=1) for at in (0, 1e-4, 2e-4, 9e6)]))), "far more"),
    ],
)  # fmt: skip
def test_what_is_none_is_refused_in_a_line(workspace: Workspace, tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(InputError, match=problem) as refused:
        ingest_incidents(workspace, "out", tmp_path / "m.json")
    assert "\n" not in str(refused.value)
    assert workspace.warehouse.rows("SELECT * FROM datasets") == []
