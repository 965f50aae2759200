"""A PostgreSQL server of its own for a test: on a free port, in a temporary folder, run by an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

USER, PASSWORD = "distaff", "s3cret/of the@server"


@contextmanager
def postgres() -> Iterator[int]:
    """Run a server while the block lasts; gives its port. A test without the package is skipped."""
    programs = _programs()
    options: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    root = Path(tempfile.mkdtemp(prefix="distaff-postgres-"))
    try:
        if options:
            owner = pwd.getpwnam("postgres")
            os.chown(root, owner.pw_uid, owner.pw_gid)
        secret = root / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        data, port = root / "data", _free_port()

        def run(program: str, *arguments: str) -> None:
            command = [str(programs / program), "-D", str(data), *arguments]
            subprocess.run(
                command, cwd=root, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **options
            )

        run("initdb", "-U", USER, "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync")
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={root} -c fsync=off"
        run("pg_ctl", "-w", "-l", str(root / "log"), "-o", settings, "start")
        try:
            yield port
        finally:
            run("pg_ctl", "-w", "-m", "fast", "stop")
    finally:
        shutil.rmtree(root)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(p) for p in [shutil.which("initdb")] if p]
    if not found:
        pytest.skip("no PostgreSQL server here; on Debian: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="no PostgreSQL driver; pip install distaff[postgres]")
    return found[-1].parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
