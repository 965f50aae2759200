"""Attacks on secrets: passwords in what is printed, logged, stored or answered."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from http.client import HTTPConnection

import pytest
from published import publish

from distaff import jobs
from distaff.forgetting import audit, forget
from distaff.jobs import Job
from distaff.runs import records, training
from distaff.scheduling import executions, readiness
from distaff.scheduling.history import SystemClock
from distaff.scheduling.readiness import Heartbeat
from distaff.sweeps import journal, processes
from distaff.testing.data import checkerboard
from distaff_data.errors import DistaffError, InputError, redacted
from distaff_data.workspace import Workspace

PASSWORD = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://ann:{PASSWORD}@db.example.org/sweeps",
        f"cannot reach redis://:{PASSWORD}@host:6379/0 in time",
        f"postgresql+psycopg://a%40b:{PASSWORD}@h/d?sslmode=require and more",
        f"s3 failed: secret_access_key={PASSWORD}",
        f"AWS_SESSION_TOKEN: {PASSWORD}",
        f'{{"password": "{PASSWORD}"}}',
        f"host=db password={PASSWORD} user=ann",
        f"https://host/path?token={PASSWORD}&x=1",
    ],
)
def test_errors_do_not_hold_passwords(text: str) -> None:
    assert PASSWORD not in redacted(text)
    assert PASSWORD not in str(DistaffError(text))
    assert PASSWORD not in str(InputError("wrong", value=text))


def test_harmless_text_stays_as_it_is() -> None:
    for text in ("postgresql://host/db", "user a@b.org: not known", "tokens 5", "https://example.org:8080/x"):
        assert redacted(text) == text


def test_storage_that_cannot_be_opened_is_told_without_its_password(workspace: Workspace) -> None:
    for url in (
        f"nothing://ann:{PASSWORD}@host/db",
        f"redis://:{PASSWORD}@127.0.0.1:1/0",
        f"sqlite:////nowhere/{PASSWORD[:0]}x/y",
    ):
        with pytest.raises(InputError) as caught:
            journal.load_study(workspace, "s", url)
        assert PASSWORD not in str(caught.value)


def test_crash_is_printed_without_passwords() -> None:
    code = (
        "import sys\nfrom distaff.cli import app as module\n"
        f"def broken(): raise RuntimeError('lost postgresql://ann:{PASSWORD}@host/db')\n"
        "module.app = broken\nmodule.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "RuntimeError" in done.stderr
    printed = [line for line in done.stderr.splitlines() if "lost postgresql" in line and "raise" not in line]
    assert printed
    assert PASSWORD not in "".join(printed)


def test_workers_get_the_storage_by_the_environment(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr("subprocess.Popen", lambda command, **options: seen.append(command))
    processes._start(workspace, "s", 0, 1, None, f"postgresql://ann:{PASSWORD}@host/db")
    assert PASSWORD not in " ".join(seen[0])


def test_failed_runs_and_executions_are_recorded_without_passwords(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(workspace, checkerboard())
    secret = f"lost postgresql://ann:{PASSWORD}@host/db"

    def broken(*args: object, **options: object) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr("distaff.runs.training.fit", broken)
    with pytest.raises(RuntimeError):
        training.train(workspace, "popularity", "checkerboard", device="cpu")
    monkeypatch.setattr("distaff.scheduling.executions.perform", broken)
    monkeypatch.setattr("distaff.runs.records.find", lambda *args: records.listing(workspace)[0])
    job = Job.parse("x", {"cron": "0 * * * *", "model": "m", "retries": 0})
    said: list[str] = []
    executions.execute(workspace, job, datetime.now(UTC), 0, SystemClock(), said.append)
    for table in ("runs", "executions"):
        messages = str([row["message"] for row in workspace.warehouse.rows(f"SELECT message FROM {table}")])
        assert "lost postgresql" in messages
        assert PASSWORD not in messages


def test_readiness_answers_this_machine_only_and_without_messages(workspace: Workspace) -> None:
    jobs.add(workspace, Job.parse("nightly", {"cron": "0 3 * * *", "model": "m"}))
    row = {
        "execution": "e",
        "job": "nightly",
        "status": "failed",
        "message": f"is {PASSWORD}",
        "due_at": datetime.now(UTC),
    }
    workspace.warehouse.append(
        "executions", [row | {"missed": 0, "model": "m", "process": 1}], written_at=datetime.now(UTC)
    )
    with readiness.serve_readiness(workspace, Heartbeat(), 0) as port:

        def ask(path: str, host: str) -> tuple[int, str]:
            link = HTTPConnection("127.0.0.1", port, timeout=600)
            link.request("GET", path, headers={"Host": host})
            answer = link.getresponse()
            return answer.status, answer.read().decode()

        status, body = ask("/ready", f"127.0.0.1:{port}")
        assert status == 200
        assert json.loads(body)["jobs"][0]["status"] == "failed"
        assert PASSWORD not in body
        assert ask("/ready", f"evil.example.org:{port}")[0] == 403
        assert ask("/../etc/passwd", f"127.0.0.1:{port}")[0] == 404
        link = HTTPConnection("127.0.0.1", port, timeout=600)
        link.request("POST", "/ready")
        assert link.getresponse().status == 501


@pytest.mark.parametrize("content", ["", "\n", "00", "xyz" * 30, "0" * 63])
def test_key_that_is_empty_or_of_another_make_is_refused(workspace: Workspace, content: str) -> None:
    """An empty key made hashes that anybody can make."""
    (workspace.root / "forget.key").write_text(content)
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        audit.hashes(workspace, "shop", ["u1"])


def test_audit_of_forgetting_cannot_be_guessed_without_its_key(workspace: Workspace) -> None:
    publish(workspace, checkerboard())
    forget(workspace, ["7"], "checkerboard")
    (row,) = workspace.warehouse.rows("SELECT subjects FROM forgettings")
    assert row["subjects"] == audit.hashes(workspace, "checkerboard", ["7"])
    (workspace.root / "forget.key").unlink()
    assert row["subjects"] != audit.hashes(workspace, "checkerboard", ["7"])
    assert row["subjects"] != audit.hashes(workspace, "other", ["7"])
