"""A child process that ends with its parent, however the parent ended: a signal that nothing catches included.

The parent keeps the writing end of the child's standard input open and writes nothing; when it is gone, for whatever reason,
the child reads the end of the file and interrupts itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO

_TIED = "DISTAFF_ENDS_WITH_PARENT"


def start(command: Sequence[str], env: Mapping[str, str], output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """Return a started process that ends with this one, if it calls :func:`tie`.

    Args:
        command: The program and its arguments.
        env: Its environment.
        output: Where its output and errors go; where this process's go when None.
    """
    return subprocess.Popen(list(command), env={**env, _TIED: "1"}, stdin=subprocess.PIPE, stdout=output, stderr=output)


def release(process: subprocess.Popen[bytes]) -> None:
    """Close what tied a process that has ended."""
    if process.stdin is not None:
        process.stdin.close()


def tie(number: int = signal.SIGINT) -> None:
    """Send this process a signal when the one that started it is gone, if that was by :func:`start`.

    What this process starts itself is not tied to it.
    """
    if os.environ.pop(_TIED, None) is not None:
        threading.Thread(target=_wait, args=(number,), name="lifeline", daemon=True).start()


def _wait(number: int) -> None:
    while os.read(sys.stdin.fileno(), 1 << 10):
        pass
    os.kill(os.getpid(), number)
