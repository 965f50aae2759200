"""Sweeps whose trials are kept in PostgreSQL, or whose workers are tasks of a Ray cluster: the same sweep, nothing lost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from postgres_server import PASSWORD, USER, postgres
from published import publish
from sweeping import slow_plan, tune_and_kill
from typer.testing import CliRunner

from distaff.cli.app import app
from distaff.sweeps import journal
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    publish(workspace, checkerboard())
    return workspace


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with postgres() as port:
        yield port


def url(port: int, password: str = PASSWORD) -> str:
    return f"postgresql://{USER}:{quote(password, safe='')}@127.0.0.1:{port}/postgres"


@pytest.mark.postgres
@pytest.mark.processes
def test_two_workers_on_postgres_one_killed_lose_and_double_no_trial(
    filled: Workspace, tmp_path: Path, server: int
) -> None:
    tune_and_kill(filled, slow_plan(filled, tmp_path), storage=url(server))
    assert journal.journals(filled) == []
    shown = CliRunner().invoke(
        app, ["--workspace", str(filled.root), "tune", "show", "s"], env={"DISTAFF_STORAGE": url(server)}
    )
    assert shown.exit_code == 0
    assert "5 trials" in shown.output or "4 trials" in shown.output


@pytest.mark.postgres
def test_no_password_is_repeated_in_messages_or_logs(filled: Workspace, server: int) -> None:
    for wrong in (url(server, "wr0ng/pass word"), url(server).replace(str(server), "1")):
        with pytest.raises(InputError, match="cannot open the storage") as refused:
            journal.open_storage(filled, "s", wrong)
        for secret in ("wr0ng", PASSWORD, quote(PASSWORD, safe="")):
            assert secret not in str(refused.value)
    asked = CliRunner().invoke(app, ["tune", "worker", "--help"], env={"DISTAFF_STORAGE": url(server)})
    assert PASSWORD not in asked.output
    assert quote(PASSWORD, safe="") not in asked.output


def test_driver_that_repeats_the_url_is_silenced() -> None:
    said = "cannot parse postgresql://me:p%40ss@host/db or p@ss"
    assert journal._without_password(said, "postgresql://me:p%40ss@host/db") == (
        "cannot parse postgresql://me:***@host/db or ***"
    )
    assert journal._without_password("no secret", "postgresql://host/db") == "no secret"


def test_worker_of_another_machine_lives_while_it_touches_its_file(workspace: Workspace) -> None:
    with journal.alive(workspace, "s", "w"):
        assert journal.is_worker_alive(workspace, "s", "w", here=False)
        (file,) = journal.sweep_folder(workspace, "s").glob("worker-*.lock")
        silent = time.time() - 2 * journal._SILENCE
        os.utime(file, (silent, silent))
        assert not journal.is_worker_alive(workspace, "s", "w", here=False)
    assert not journal.is_worker_alive(workspace, "s", "w", here=False)


@pytest.mark.ray
@pytest.mark.processes
def test_two_workers_on_ray_one_killed_lose_and_double_no_trial(filled: Workspace, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed; pip install distaff[ray]")
    tune_and_kill(filled, slow_plan(filled, tmp_path), engine="ray")
