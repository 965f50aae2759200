"""A child ends with its parent, even with one that was killed, and lives on where nothing ties it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

CHILD = "import os, time; from distaff import lifeline; {tie}; print(os.getpid(), flush=True); time.sleep(600)"
PARENT = """
import os, sys, time
from distaff import lifeline
lifeline.start([sys.executable, "-c", {child!r}], os.environ)
time.sleep(600)
"""


def started(tie: str) -> tuple[subprocess.Popen[str], int]:
    """Return a parent, and the id of its child once that is tied."""
    code = PARENT.format(child=CHILD.format(tie=tie))
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout as lines:
        return parent, int(lines.readline())


def ended(pid: int, within: float) -> bool:
    """Tell whether a process that is nobody's child here ends in time."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":  # ended, and its new parent has not looked yet
                    return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks processes up in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_parent(number: int) -> None:
    parent, child = started("lifeline.tie()")
    parent.send_signal(number)
    parent.wait()
    assert ended(child, within=120)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks processes up in /proc")
def test_a_child_that_is_not_tied_lives_on() -> None:
    parent, child = started("None")
    parent.kill()
    parent.wait()
    try:
        assert not ended(child, within=0.5)
    finally:
        os.kill(child, signal.SIGKILL)
