"""The dashboard as a process of its own, started as a person starts it, and the browser that looks at it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from distaff_data.workspace import Workspace

CHROMIUM = Path(os.environ.get("DISTAFF_CHROMIUM", "/usr/bin/chromium"))
PATIENCE = 300_000  # milliseconds: the machine may be busy
needs_browser = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}; set DISTAFF_CHROMIUM")

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dashboard(workspace: Workspace, port: int, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve a workspace while the block lasts; gives the address."""
    start = (
        "import sys; from pathlib import Path; from distaff_dashboards.launch import launch; "
        f"sys.exit(launch(Path({str(workspace.root)!r}), port={port}, open_browser=False))"
    )
    command = [sys.executable, "-c", start]
    server = subprocess.Popen(command, start_new_session=True, env={**os.environ, **(environment or {})})
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(address)
        yield address
    finally:
        os.killpg(server.pid, 15)
        server.wait()


@contextmanager
def browser_page(**context: Any) -> Iterator[Any]:
    """A page of a browser of its own."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=_FLAGS)
        page = browser.new_page(**context)
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def _wait_until_healthy(address: str) -> None:
    for _ in range(5 * PATIENCE // 1000):
        try:
            if urllib.request.urlopen(f"{address}/_stcore/health").read() == b"ok":
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"no dashboard at {address}")
