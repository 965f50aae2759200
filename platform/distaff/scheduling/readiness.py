"""Readiness of the scheduler, for whatever supervises it: ``GET /ready`` on this machine's loopback.

200 when the workspace can be read and the scheduler has looked for due jobs lately or is at one; 503 when not. The answer
names jobs, times and states only: messages may hold what others should not read.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from distaff import jobs
from distaff.scheduling import history
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

_LATE = 180.0  # seconds without a look after which the scheduler is taken for stuck; it looks every minute
_HOST = "127.0.0.1"


class Heartbeat:
    """A sign of life of the scheduler's loop, from its thread to those that answer."""

    def __init__(self) -> None:
        self._looked, self._busy = time.monotonic(), False

    @contextmanager
    def busy(self) -> Iterator[None]:
        """The loop looks, and carries out what is due, which may take long."""
        self._busy = True
        try:
            yield
        finally:
            self._looked, self._busy = time.monotonic(), False

    def beats(self) -> bool:
        """Tell whether the loop goes on."""
        return self._busy or time.monotonic() - self._looked < _LATE


def state(workspace: Workspace, heartbeat: Heartbeat) -> tuple[bool, dict[str, Any]]:
    """Tell whether the scheduler is ready, and return the JSON that says so."""
    try:
        listed = jobs.read(workspace)
        past = history.history(workspace)
    except InputError:
        return False, {"ready": False, "reason": "distaff.toml cannot be read"}
    except Exception as error:
        return False, {"ready": False, "reason": f"the warehouse cannot be read: {type(error).__name__}"}
    last = {e.job: e for e in reversed(past) if e.status != "added"}
    now = datetime.now(UTC)
    states = [
        {
            "job": job.name,
            "next": next(job.times(now)).isoformat(),
            "last": None if job.name not in last else last[job.name].due_at.isoformat(),
            "status": None if job.name not in last else last[job.name].status,
        }
        for job in listed
    ]
    ready = heartbeat.beats()
    return ready, {"ready": ready, **({} if ready else {"reason": "the scheduler is stuck"}), "jobs": states}


@contextmanager
def serve_readiness(workspace: Workspace, heartbeat: Heartbeat, port: int) -> Iterator[int]:
    """Answer on a port of the loopback address while the block lasts; gives the port, which is chosen when 0.

    Raises:
        InputError: The port is in use.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # seconds that a slow caller may take
        server_version, sys_version = "distaff", ""

        def do_GET(self) -> None:
            # A page in a browser could have this address under its own name: only those who ask for this machine are told.
            if (self.headers.get("Host") or "").rpartition(":")[0] not in (_HOST, "localhost"):
                return self._answer(403, {"error": "ask for 127.0.0.1"})
            if self.path != "/ready":
                return self._answer(404, {"error": "there is only /ready"})
            ready, answer = state(workspace, heartbeat)
            self._answer(200 if ready else 503, answer)

        def _answer(self, status: int, value: dict[str, Any]) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: it is asked every few seconds."""

    try:
        server = ThreadingHTTPServer((_HOST, port), Handler)
    except OSError as error:
        raise InputError(f"cannot listen on port {port}: {error}") from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
