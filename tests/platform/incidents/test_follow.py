"""A stream of metrics that is followed, killed and resumed, throttled, and refused."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from failing_chain import chain_workspace, stream_file
from typer.testing import CliRunner

from distaff.cli.app import app
from distaff.incidents.follow import Update, follow
from distaff.incidents.rankings import Diagnosis
from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Incidents, Topology
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.planted.incidents import planted_incidents
from distaff_data.tables.incidents import load_incidents, publish_incidents
from distaff_data.workspace import Workspace
from distaff_graph.diagnosis.coral.model import CORAL
from distaff_graph.diagnosis.coral.named import CoreSettings
from distaff_graph.diagnosis.coral.online import CORALStream


@pytest.fixture(scope="module")
def data() -> Incidents:
    return planted_incidents(n_cases=6, n_entities=4, n_normal=200, n_fault=100, invisible_share=0, seed=1)


@pytest.fixture(scope="module")
def settled(data: Incidents, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.create(tmp_path_factory.mktemp("settled") / "workspace")
    publish_incidents(workspace.warehouse, data, source="", settings={})
    return workspace


class KilledError(Exception):
    """Stands for a kill: nothing after it runs."""


def followed(root: Path, path: Path, kill_after: int | None = None) -> list[tuple[Any, ...]]:
    """Rankings of one stream; killed after so many and then resumed."""
    workspace = chain_workspace(root)
    seen: list[tuple[Any, ...]] = []

    def note(update: Update) -> None:
        seen.append((update.diagnosis.case, tuple(update.diagnosis.causes), update.converged))
        if len(seen) == kill_after:
            raise KilledError

    for _ in range(2):
        try:
            with path.open("rb") as source:
                follow(workspace, "d", source, batch=30, idle=0, report=note)
        except KilledError:
            seen.pop()  # its state was not kept, so the batch comes again
            kill_after = None
    return seen


def test_a_stream_that_is_killed_and_resumed_says_what_one_that_ran_through_says(tmp_path: Path) -> None:
    path = stream_file(tmp_path / "m.csv")
    through = followed(tmp_path / "a", path)
    assert through[0][0].startswith("incident-4")
    assert through[0][1][0].column == "c|x"
    assert through[-1][2] or len(through) > 3
    for kill_after in (1, 2):
        assert followed(tmp_path / f"b{kill_after}", path, kill_after) == through


def test_a_stream_without_header_or_with_words_is_refused(settled: Workspace, data: Incidents, tmp_path: Path) -> None:
    for text, message in (
        ("1,2\n", "first line"),
        ("time,a\n1,x\n", "cannot be read"),
        ("time,a\n1,2,3\n", "cannot be read"),
    ):
        (tmp_path / "s.csv").write_text(text)
        with (tmp_path / "s.csv").open("rb") as source, pytest.raises(InputError, match=message):
            follow(settled, data.name, source, idle=0)
    with (tmp_path / "s.csv").open("rb") as source, pytest.raises(UnsupportedError, match="coral can"):
        follow(settled, data.name, source, model="baro", idle=0)
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
        follow(workspace, "d", source, batch=300, idle=0, speed=60)
    # 900 rows of a second each at sixty times real time: 300 rows are due after 299 / 60 seconds, and so on.
    assert np.cumsum(waits).tolist() == pytest.approx([299 / 60, 599 / 60, 899 / 60])
    with path.open("rb") as source, pytest.raises(InputError, match="above 0"):
        follow(workspace, "d", source, idle=0, speed=0)


_FOLLOW = """
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from distaff.incidents.follow import follow
from distaff_data.workspace import Workspace

with Path(sys.argv[2]).open("rb") as source:
    follow(Workspace.open(sys.argv[1]), "d", source, batch=30, report=lambda _: print("one", flush=True))
"""


def rankings(workspace: Workspace, path: Path) -> list[tuple[Any, ...]]:
    """Rankings of a stream that goes on to the end of the file."""
    seen: list[tuple[Any, ...]] = []
    with path.open("rb") as source:
        follow(
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
    command = [sys.executable, "-c", _FOLLOW, str(workspace.root), str(path)]
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

    def report(update: Update) -> None:
        seen.append(update.diagnosis.causes[0].column)
        if update.converged:
            raise KilledError

    writer = subprocess.Popen([sys.executable, "-c", append, str(tmp_path / "whole.csv"), str(path)])
    with path.open("rb") as source, contextlib.suppress(KilledError):
        follow(chain_workspace(tmp_path / "w"), "d", source, batch=30, idle=20, report=report)
    assert writer.wait() == 0
    assert seen[-1] == "c|x"


def test_bad_streams_are_refused_in_one_line_and_leave_no_state(
    settled: Workspace, data: Incidents, tmp_path: Path
) -> None:
    path = tmp_path / "s.csv"
    for text, message in (
        (b"time,a|x\nnan,2\n", "neither a number nor a date"),
        (b"time,a|x\n1;2\n", "cannot be read"),
        (b"time,a|\xfc\n1,2\n", "not UTF-8"),
        (b"time,a|x,a|x\n1,2,3\n", "this metric twice"),
    ):
        path.write_bytes(text)
        with path.open("rb") as source, pytest.raises(InputError, match=message) as caught:
            follow(settled, data.name, source, idle=0)
        assert "\n" not in str(caught.value)
    path.write_text("time,a|x\n1,2\n3,4\n")
    with path.open("rb") as source, pytest.raises(InputError, match="no such metric"):
        follow(settled, data.name, source, kpi="b|x", idle=0)
    assert not list((settled.root / "watches").glob("watch-coral-*"))


def through_and_parts(folder: Path) -> tuple[list[Any], bytes, list[bytes]]:
    """The rankings of a whole stream, its header, and its rows; 690 rows are 23 whole batches."""
    path = stream_file(folder / "m.csv")
    with path.open("rb") as file:
        header, *rows = file.readlines()
    return followed(folder / "whole", path), header, rows


def ranked(workspace: Workspace, path: Path, idle: float) -> list[Any]:
    seen: list[Any] = []

    def note(update: Update) -> None:
        seen.append((update.diagnosis.case, tuple(update.diagnosis.causes), update.converged))

    with path.open("rb") as source:
        assert follow(workspace, "d", source, batch=30, idle=idle, report=note).rows == 0
    return seen


def test_file_that_was_replaced_between_two_watches_is_read_from_its_beginning(tmp_path: Path) -> None:
    through, header, rows = through_and_parts(tmp_path)
    path, workspace = tmp_path / "g.csv", chain_workspace(tmp_path / "w")
    path.write_bytes(header + b"".join(rows[:690]))
    seen = ranked(workspace, path, 0)
    path.write_bytes(header + b"".join(rows[690:]))
    assert seen + ranked(workspace, path, 0) == through
    assert len(through) > 1


@pytest.mark.parametrize("way", ["moved away", "cut", "cut without header"])
def test_file_that_is_rotated_while_it_is_followed_is_read_from_its_beginning(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through, header, rows = through_and_parts(tmp_path)
    path, workspace = tmp_path / "g.csv", chain_workspace(tmp_path / "w")
    path.write_bytes(header + b"".join(rows[:690]))
    waits: list[float] = []

    def rotate(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            if way == "moved away":
                path.rename(tmp_path / "g.csv.1")
            path.write_bytes((b"" if way == "cut without header" else header) + b"".join(rows[690:]))

    monkeypatch.setattr("distaff.incidents.feed.time.sleep", rotate)
    assert ranked(workspace, path, 0.05) == through


def test_rows_that_cannot_be_read_or_come_late_are_set_aside_and_counted(tmp_path: Path) -> None:
    through, header, rows = through_and_parts(tmp_path)
    path, workspace = tmp_path / "g.csv", chain_workspace(tmp_path / "w")
    bad = [b"1;2;3\n", rows[5], b"words,in,a,row\n", b"\xff\xfe\n"]
    path.write_bytes(header + b"".join([*rows[:10], *bad, *rows[10:]]))
    seen: list[Any] = []
    with path.open("rb") as source:
        aside = follow(
            workspace, "d", source, batch=34, idle=0, report=lambda update: seen.append(update.diagnosis.causes)
        )
    assert aside.rows == len(bad)
    kept = aside.file.read_bytes().splitlines()
    assert [any(line.endswith(row.strip()) for line in kept) for row in bad] == [True] * len(bad)
    assert seen[-1][0].column == through[-1][1][0].column


def test_infinite_values_are_missing(tmp_path: Path) -> None:
    _, header, rows = through_and_parts(tmp_path)
    spoiled = [b"%s,inf\n" % row.strip().rpartition(b",")[0] for row in rows]
    empty = [b"%s,\n" % row.strip().rpartition(b",")[0] for row in rows]
    found = []
    for name, lines in (("inf", spoiled), ("empty", empty)):
        (tmp_path / f"{name}.csv").write_bytes(header + b"".join(lines))
        found.append(ranked(chain_workspace(tmp_path / name), tmp_path / f"{name}.csv", 0))
    assert found[0] == found[1]


@pytest.mark.parametrize("rows", [1, 900])
def test_one_row_or_metrics_that_never_move_raise_no_alarm(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("time,kpi|x,b|x\n" + "".join(f"{t},1.0,2.0\n" for t in range(rows)))
    seen: list[Update] = []
    with path.open("rb") as source:
        follow(chain_workspace(tmp_path / "w"), "d", source, idle=0, report=seen.append)
    assert seen == []


def diagnose_verb(workspace: Workspace, *options: str) -> Any:
    return CliRunner().invoke(app, ["--workspace", str(workspace.root), "diagnose", "d", "--idle", "0", *options])


def test_a_stream_has_the_settings_and_the_seed_that_are_asked_for(tmp_path: Path) -> None:
    path, workspace = str(stream_file(tmp_path / "m.csv")), chain_workspace(tmp_path / "w")
    asked: list[object] = []

    class Recorded(CORALStream):
        def update(self, times: Floats, rows: Floats, *, onset: float | None = None) -> Diagnosis | None:
            asked.append(len(rows))
            return super().update(times, rows, onset=onset)

    def stream(self: CORAL, topology: Topology, *, seed: int = 0) -> CORALStream:
        asked.append((self.config.learner, seed))
        return Recorded(topology, CoreSettings(learner=self.config.learner), seed=seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CORAL, "stream", stream)
        options = ("--follow", path, "--set", "learner=neural", "--set", "batch=150", "--seed", "3", "--json")
        printed = diagnose_verb(workspace, *options).stdout.splitlines()
    assert asked == [("neural", 3), *6 * [150]]
    assert json.loads(printed[-1])["causes"]
    assert isinstance(diagnose_verb(workspace, "--follow", path, "--set", "bach=3").exception, InputError)
    for other in ((), ("--set", "learner=neural")):
        refused = diagnose_verb(workspace, "--follow", path, *other).exception
        assert isinstance(refused, InputError)
        assert "other" in str(refused)


@pytest.mark.parametrize("options", [["--onset", "given"], ["--set", "onset=given"]])
def test_an_onset_cannot_be_given_to_a_stream(options: list[str], tmp_path: Path) -> None:
    path, workspace = str(stream_file(tmp_path / "m.csv")), chain_workspace(tmp_path / "w")
    refused = diagnose_verb(workspace, "--follow", path, *options).exception
    assert isinstance(refused, InputError)
    assert "only detected" in str(refused)
    assert "\n" not in str(refused)
    assert diagnose_verb(workspace, "--follow", path, "--onset", "detected").exit_code == 0


def test_batches_of_one_row_are_refused(tmp_path: Path) -> None:
    path, workspace = str(stream_file(tmp_path / "m.csv")), chain_workspace(tmp_path / "w")
    with pytest.raises(InputError, match="two rows"), Path(path).open("rb") as source:
        follow(workspace, "d", source, settings={"batch": 1}, idle=0)


def _rewritten(rows: list[bytes], write: Callable[[float], str]) -> bytes:
    """Return the rows with their times written in another way."""
    parts = [row.split(b",", 1) for row in rows]
    return b"".join(write(float(time)).encode() + b"," + rest for time, rest in parts)


@pytest.mark.parametrize("way", ["iso", "with a zone", "milliseconds"])
def test_times_are_read_as_they_are_written(way: str, tmp_path: Path) -> None:
    _, header, rows = through_and_parts(tmp_path)
    start = datetime(2026, 11, 24, tzinfo=UTC)
    write: dict[str, Callable[[float], str]] = {
        "iso": lambda t: f"{start.replace(tzinfo=None) + timedelta(seconds=t):%Y-%m-%d %H:%M:%S.%f}",
        "with a zone": lambda t: (start + timedelta(seconds=t)).astimezone(timezone(timedelta(hours=3))).isoformat(),
        "milliseconds": lambda t: f"{1000 * (start.timestamp() + t):.0f}",
    }
    found = []
    for name, form in (("seconds", lambda t: f"{start.timestamp() + t}"), (way, write[way])):
        (tmp_path / f"{name}.csv").write_bytes(header + _rewritten(rows, form))
        found.append(ranked(chain_workspace(tmp_path / name), tmp_path / f"{name}.csv", 0))
    assert found[0] == found[1]
    assert found[0]


def test_a_time_that_is_none_is_set_aside_with_the_reason(tmp_path: Path) -> None:
    _, header, rows = through_and_parts(tmp_path)
    path, workspace = tmp_path / "g.csv", chain_workspace(tmp_path / "w")
    bad = [b"soon" + rows[20][rows[20].index(b",") :], b"253402300799" + rows[20][rows[20].index(b",") :]]
    path.write_bytes(header + b"".join([*rows[:30], *bad, *rows[30:90]]))
    with path.open("rb") as source:
        aside = follow(workspace, "d", source, batch=30, idle=0)
    assert aside.rows == 2
    assert all(b"neither a number nor a date" in line for line in aside.file.read_bytes().splitlines())


def test_rows_that_are_missing_and_doubled_move_no_others(tmp_path: Path) -> None:
    through, header, rows = through_and_parts(tmp_path)
    path, causes = tmp_path / "g.csv", list[str]()
    doubled = [f"{float(row.split(b',')[0]) - 0.3}".encode() + row[row.index(b",") :] for row in rows[100:600:50]]
    kept = [row for number, row in enumerate(rows) if number % 90 != 85] + doubled
    path.write_bytes(header + b"".join(sorted(kept, key=lambda row: float(bytes(row).split(b",")[0]))))
    workspace = chain_workspace(tmp_path / "b")
    with path.open("rb") as source:
        aside = follow(
            workspace, "d", source, batch=60, idle=0, report=lambda u: causes.append(u.diagnosis.causes[0].column)
        )
    assert aside.rows == len(doubled)
    assert causes
    assert causes[-1] == through[-1][1][0].column


def test_two_incidents_of_one_second_have_names_of_their_own(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "s.csv"
    rows = rng.standard_normal((3000, 4))
    for start in (1000, 1400):
        rows[start : start + 60, :3] += 15.0
    lines = [f"{1e-3 * number:.3f}," + ",".join(f"{v:.4f}" for v in row) + "\n" for number, row in enumerate(rows)]
    path.write_text("time,kpi|x,a|x,b|x,c|x\n" + "".join(lines))
    seen: list[str] = []
    with path.open("rb") as source:
        follow(chain_workspace(tmp_path / "w"), "d", source, idle=0, report=lambda u: seen.append(u.diagnosis.case))
    assert len(set(seen)) == 2
