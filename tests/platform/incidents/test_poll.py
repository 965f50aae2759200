"""A stream of a real Prometheus server: rows as time goes by, an alert as onset, a server that goes away and comes back."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_server import Sample, prometheus
from typer.testing import CliRunner

from distaff.cli.app import app
from distaff.incidents.feed import RowBatch
from distaff.incidents.follow import Update, follow
from distaff.incidents.poll import PrometheusRows
from distaff_data.datasets.incidents import Case, Incidents
from distaff_data.errors import InputError
from distaff_data.sources.prometheus import Asked
from distaff_data.tables.incidents import publish_incidents
from distaff_data.workspace import Workspace

ROWS, FAULT, ALERT, ENDS = 900, 420, 432, 600  # rows of a second; the alert fires later than the fault begins
MATCH = ('{__name__=~"cpu|latency"}',)
NAMES = ("c|cpu", "d|cpu", "kpi|latency", "web|cpu{zone=a}", "web|cpu{zone=b}")
BEGIN = float(round(time.time()) - 1000)


def metrics() -> Mapping[str, Any]:
    """Return the values of every series; a fault of ``c`` reaches the KPI four rows later, and ends."""
    draw = np.random.default_rng(0)
    values = {name: draw.standard_normal(ROWS) for name in NAMES}
    values["c|cpu"][FAULT:ENDS] += 15
    values["kpi|latency"][FAULT + 4 : ENDS] += 15
    return values


def samples() -> Iterator[Sample]:
    series = {
        "c|cpu": 'cpu{service="c"}',
        "d|cpu": 'cpu{service="d"}',
        "kpi|latency": 'latency{service="kpi"}',
        "web|cpu{zone=a}": 'cpu{service="web",zone="a"}',
        "web|cpu{zone=b}": 'cpu{service="web",zone="b"}',
    }
    for name, values in metrics().items():
        yield from ((series[name], BEGIN + row, float(value)) for row, value in enumerate(values))
    yield from (('ALERTS{alertname="Slow",alertstate="firing"}', BEGIN + row, 1.0) for row in range(ALERT, ENDS))
    yield from (('other{service="late"}', BEGIN + row, 1.0) for row in range(ENDS, ROWS))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), samples(), "--query.lookback-delta=1s") as address:
        yield address


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ops(workspace: Workspace) -> Workspace:
    """A workspace whose dataset ``d`` names the KPI."""
    values = np.random.default_rng(1).standard_normal((20, 2))
    case = Case("past", ("kpi|latency", "c|cpu"), np.arange(20.0), values, 10.0, 0)
    publish_incidents(workspace.warehouse, Incidents("d", (case,), ()), source="", settings={})
    return workspace


def asked(url: str, **other: Any) -> Asked:
    return replace(Asked(url, MATCH, BEGIN, time.time(), 1.0), **other)


def followed(ops: Workspace, rows: PrometheusRows, stop: int | None = None) -> list[Update]:
    """Return the updates of a stream, up to so many of them."""
    seen: list[Update] = []

    def note(update: Update) -> None:
        seen.append(update)
        if len(seen) == stop:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        follow(ops, "d", rows, batch=30, idle=0, report=note)
    return seen


def test_rows_are_the_servers_values_on_the_grid_and_come_as_time_goes_by(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [BEGIN + 130.5]
    monkeypatch.setattr("distaff.incidents.poll.time.time", lambda: clock[0])
    monkeypatch.setattr("distaff.incidents.poll.time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    rows = PrometheusRows(asked(url))
    assert rows.columns == NAMES
    batches, values = rows.batches(50, None), metrics()
    for number in range(5):
        batch = next(batches)
        times = np.arange(50 * number, 50 * (number + 1))
        assert batch.times.tolist() == (BEGIN + times).tolist()
        assert batch.values.tolist() == np.column_stack([values[name][times] for name in NAMES]).tolist()
        assert clock[0] == max(
            BEGIN + 130.5, BEGIN + times[-1] + 2.5
        )  # a row is asked for two seconds after its moment


def test_a_fault_is_detected_in_rows_of_a_server(ops: Workspace, url: str) -> None:
    (first, *_) = followed(ops, PrometheusRows(asked(url)), stop=1)
    assert first.diagnosis.causes[0].column == "c|cpu"
    assert first.diagnosis.trigger is not None
    assert BEGIN + FAULT <= first.diagnosis.trigger < BEGIN + ALERT


def test_the_moment_an_alert_begins_to_fire_is_the_onset_and_no_other_is(ops: Workspace, url: str) -> None:
    updates = followed(ops, PrometheusRows(asked(url, alert="Slow")), stop=1)
    assert updates[0].diagnosis.trigger == BEGIN + ALERT
    assert updates[0].diagnosis.causes[0].column == "c|cpu"
    calm = PrometheusRows(asked(url, alert="Calm")).batches(300, None)
    assert [next(calm).onset for _ in range(2)] == [np.inf, np.inf]


def test_a_stream_that_is_stopped_goes_on_from_its_last_row_with_its_metrics(ops: Workspace, url: str) -> None:
    told: list[str] = []
    taken: list[RowBatch] = []

    class Recorded(PrometheusRows):
        def batches(self, size: int, idle: float | None) -> Iterator[RowBatch]:
            for batch in super().batches(size, idle):
                taken.append(batch)
                yield batch

    before = followed(ops, Recorded(asked(url, alert="Slow")), stop=1)
    stopped = len(taken)
    now = asked(url, alert="Slow", start=BEGIN + 500, match=(*MATCH, "other"))
    again = Recorded(now, tell=told.append)
    assert "late|other" in again.columns
    after = followed(ops, again, stop=2)
    assert after[0].diagnosis.case == before[0].diagnosis.case
    assert taken[stopped].times[0] == taken[stopped - 1].times[0]  # the batch whose state was not kept comes again
    assert taken[stopped].values.tolist() == taken[stopped - 1].values.tolist()
    assert again.columns == NAMES  # without the one that began late
    list(zip(range(8), again.batches(50, 0), strict=False))
    assert any("late|other began later" in sentence for sentence in told)


def test_a_server_that_goes_away_is_asked_until_it_is_back(tmp_path: Path) -> None:
    """Its port and its samples are the same when it is started again."""
    told: list[str] = []
    with prometheus(tmp_path / "a", samples(), "--query.lookback-delta=1s") as address:
        rows = PrometheusRows(asked(address), tell=told.append)
        batches = rows.batches(50, 600)
        first = next(batches)
    port = int(address.rpartition(":")[2])
    assert rows._read(50, away=False) is None
    assert "asked again until it answers" in told[0]
    with prometheus(tmp_path / "a", None, "--query.lookback-delta=1s", port=port):
        second = next(batches)
    assert second.times[0] == first.times[-1] + 1


def test_a_clock_that_is_ahead_of_the_servers_loses_no_row(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    real = time.time
    monkeypatch.setattr("distaff.incidents.poll.time.time", lambda: real() + 7200)
    rows = PrometheusRows(asked(url, start=BEGIN + 400), tell=told.append)
    monkeypatch.setattr("distaff.incidents.poll.time.time", lambda: real() + 14_400)  # ahead further, while it follows
    batches = rows.batches(100, 0)
    ends = [float(batch.times[-1]) for batch in batches]
    assert ends[:5] == [BEGIN + 499 + 100 * n for n in range(5)]
    assert rows._next <= real()
    seconds = [float(re.findall(r"clock is (\d+) s ahead", text)[0]) for text in told]
    assert seconds == pytest.approx([7200, 14_400], abs=300)  # less what the server took to answer


def test_the_command_follows_a_server_until_it_is_ended(ops: Workspace, url: str) -> None:
    command = [sys.executable, "-m", "distaff", "--workspace", str(ops.root), "diagnose", "d",
               "--follow", url.replace("http", "prometheus"), "--match", MATCH[0], "--alert", "Slow", "--step", "1",
               "--from", str(BEGIN), "--batch", "30", "--json"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate()
    assert line, error
    case = json.loads(line)
    assert case["trigger"] == BEGIN + ALERT
    assert case["causes"][0]["metric"] == "c|cpu"
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "say what is followed"),
        (("--match", "nothing"), "has nothing of that"),
        (("--match", "{"), "parse error"),
        (("--match", "cpu", "--match", "cpu{}"), "two expressions give this metric"),
        (("--match", "cpu", "--entity-label", "pod"), "no label pod"),
        (("--match", "cpu", "--step", "0"), "above 0"),
        (("--match", "cpu", "--from", "2200-01-01"), "still to come"),
        (("--match", "cpu"), "no such metric"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(ops: Workspace, url: str, options: tuple[str, ...], problem: str) -> None:
    arguments = ["--workspace", str(ops.root), "diagnose", "d", "--follow", url, "--kpi", "kpi|latency", *options]
    refused = CliRunner().invoke(app, arguments).exception
    assert isinstance(refused, InputError)
    assert problem in str(refused)
    assert "\n" not in str(refused)


def test_options_of_a_server_are_refused_of_a_file(ops: Workspace, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("time,kpi|latency\n1,2\n")
    for follow_ in (["--follow", str(tmp_path / "m.csv")], []):
        refused = CliRunner().invoke(app, ["--workspace", str(ops.root), "diagnose", "d", *follow_, "--alert", "Slow"])
        assert isinstance(refused.exception, InputError)
        assert "are of a server" in str(refused.exception)
