"""Memory that this process may still take: of the machine, of its container, and of its own limit."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_PROC, _CGROUP = Path("/proc"), Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return how many bytes can be taken before the system refuses, or ends the process; no bound where none is known."""
    return max(min(_of_machine(), _of_container(), _of_process()), 0)


def _of_machine() -> int:
    try:
        for line in (_PROC / "meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    return sys.maxsize


def _of_container() -> int:
    try:
        most = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        return (
            sys.maxsize if most == "max" else int(most) - int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        )
    except (OSError, ValueError):
        return sys.maxsize


def _of_process() -> int:
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        return sys.maxsize
    try:
        return most - int((_PROC / "self" / "statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return most
