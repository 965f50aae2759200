"""Incidents from a real Prometheus server: labels as entities, an alert as onset, and what is refused."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_server import Sample, prometheus
from typer.testing import CliRunner

from distaff.cli.app import app
from distaff.incidents.diagnose import diagnose
from distaff_data.errors import InputError
from distaff_data.ingest import ingest_incidents
from distaff_data.sources.prometheus import moment
from distaff_data.tables.incidents import load_incidents
from distaff_data.workspace import Workspace

BEGIN, STEP, ROWS, ONSET = 1_700_000_010.0, 15.0, 160, 110
MATCH = ['{__name__=~"cpu|latency"}']
SPAN: dict[str, Any] = {"start": str(BEGIN), "end": str(BEGIN + STEP * (ROWS - 1)), "match": MATCH}


def samples() -> Iterator[Sample]:
    """Yield an incident that begins at row ``ONSET`` in db and spreads to shop; at one row nothing was measured."""
    draw = np.random.default_rng(0)
    for row in range(ROWS):
        at = BEGIN + STEP * row
        broken = row >= ONSET
        yield 'cpu{service="db",zone="a"}', at, 1 + 5 * broken + draw.normal() / 9
        yield 'cpu{service="db",zone="b"}', at, 2 + draw.normal() / 9
        yield 'cpu{service="web",zone="a"}', at, 1 + draw.normal() / 9
        yield 'latency{service="shop"}', at, math.nan if row == 50 else 1 + 4 * (row > ONSET) + draw.normal() / 9
        yield 'other{service="web"}', at, float(row)
        if broken:
            yield 'ALERTS{alertname="Slow \\"shop\\"",alertstate="firing",service="shop"}', at, 1.0
            yield 'ALERTS{alertname="Calm",alertstate="pending"}', at, 1.0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), samples()) as address:
        yield address


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_series_become_metrics_of_entities_and_the_alert_the_onset(workspace: Workspace, url: str) -> None:
    ingest_incidents(workspace, "out", prometheus=url, alert='Slow "shop"', kpi="shop|latency", **SPAN)
    (case,) = load_incidents(workspace.warehouse, "out").cases
    assert sorted(case.columns) == ["db|cpu{zone=a}", "db|cpu{zone=b}", "shop|latency", "web|cpu"]
    assert case.times.tolist() == [BEGIN + STEP * row for row in range(ROWS)]
    assert case.onset == BEGIN + STEP * ONSET
    expected = [value for series, _, value in samples() if series == 'cpu{service="db",zone="a"}']
    assert case.values[:, case.columns.index("db|cpu{zone=a}")].tolist() == expected
    report = diagnose(workspace, "out", model="nsigma")
    assert report.diagnoses[0].entities[0] == "db"
    (entry,) = workspace.warehouse.rows("SELECT source, settings FROM datasets")
    assert entry["source"] == url
    assert json.loads(entry["settings"])["match"] == MATCH


def test_the_command_reads_expressions_and_long_spans(workspace: Workspace, url: str) -> None:
    arguments = ["ingest", "incidents", "out", "--prometheus", url,
                 "--match", "sum by (service) (cpu)", "--match", "latency",
                 "--from", "2023-11-14T22:13:30", "--to", str(BEGIN + STEP * 159), "--step", "0.1",
                 "--onset", str(BEGIN + STEP * ONSET), "--json"]  # fmt: skip
    ended = CliRunner().invoke(app, ["--workspace", str(workspace.root), *arguments])
    assert ended.exit_code == 0, ended.output
    (case,) = load_incidents(workspace.warehouse, "out").cases
    assert sorted(case.columns) == ["db|sum by (service) (cpu)", "shop|latency", "web|sum by (service) (cpu)"]
    assert len(case.times) == round(159 * STEP / 0.1) + 1  # in three requests: a server gives 11,000 points at most


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"match": ["{"]}, "answers 400 Bad Request: .*parse error"),
        ({"match": ["1"]}, "a series has none of the usual labels"),
        ({"match": ["nothing"]}, "has nothing of that"),
        ({"match": ["cpu", "cpu"]}, "two expressions give this metric"),
        ({"match": []}, "say what is read"),
        ({"start": None}, "say what is read"),
        ({"start": "yesterday"}, "a moment is"),
        ({"start": "nan"}, "lies between"),
        ({"end": str(BEGIN - 1)}, "--from lies before --to"),
        ({"entity_label": "pod"}, "no label pod.*its labels: service"),
        ({"alert": "Calm"}, "did not fire"),
        ({"alert": 'x"} or up{a="'}, "did not fire"),
        ({"kpi": "shop|none"}, "no such column"),
        ({"prometheus": "http://192.0.2.1:9090"}, "use https://"),
        ({"prometheus": "http://ann:hunter2hunter2@127.0.0.1:9090"}, "credentials"),
        ({"prometheus": "/etc/passwd"}, "the address of a Prometheus server"),
        ({"prometheus": "http://127.0.0.1:1"}, "cannot be fetched"),
        ({"paths": ["x.csv"]}, "give files, or a Prometheus server"),
    ],
)
def test_what_is_asked_wrongly_is_one_line_and_changes_nothing(
    workspace: Workspace, url: str, settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as refused:
        ingest_incidents(workspace, "out", **({"prometheus": url} | SPAN | settings))
    for never in ("\n", ".scratch", "hunter2"):
        assert never not in str(refused.value)
    assert workspace.warehouse.rows("SELECT * FROM datasets") == []
    assert not list(Path(workspace.scratch).glob("*"))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "none of Prometheus"),
        (b"<html>", "none of Prometheus"),
        (b"[" * 90_000, "none of Prometheus"),
        (b"[]", "none of Prometheus"),
        (b'{"data": {"resultType": "vector", "result": []}}', "none of Prometheus"),
        (b'{"data": {"resultType": "matrix", "result": [1]}}', "none of Prometheus"),
        (b'{"data": {"resultType": "matrix", "result": [{"metric": [], "values": []}]}}', "none of Prometheus"),
        (b'{"data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1]]}]}}', "none of Prometheus"),
        (b'{"data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[0, "1"]]}]}}', "was not asked for"),
        (b'{"data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1e400, "1"]]}]}}', "was not asked for"),
        (b'{"data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[%s, "1"]]}]}}' % (b"9" * 400), "none"),
        (b'{"data": {"resultType": "matrix", "result": []}}', "has nothing of that"),
    ],
)  # fmt: skip
def test_answers_of_what_is_no_prometheus_are_one_line(workspace: Workspace, body: bytes, problem: str) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            with pytest.raises(InputError, match=problem) as refused:
                ingest_incidents(workspace, "out", prometheus=f"http://127.0.0.1:{server.server_address[1]}", **SPAN)
            assert "\n" not in str(refused.value)
        finally:
            server.shutdown()
            thread.join()


def test_moments_are_in_utc_where_they_name_no_zone() -> None:
    for text in ("2023-11-14T22:13:30", "2023-11-14T23:13:30+01:00", "2023-11-14 22:13:30Z", "1700000010"):
        assert moment(text, "from") == BEGIN
