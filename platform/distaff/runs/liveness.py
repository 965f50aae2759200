"""Which runs are being fitted: told by a lock that the fitting process holds, and not by its id, which is used again.

The kernel drops the lock with the process, however it ended, and for all containers of one machine. Other machines may not
see it, if they share the folder at all: for them the lock's file is touched again and again, and the silence counts.
"""

from __future__ import annotations

import json
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from distaff_data.atomic import replacing
from distaff_data.errors import InputError

_LOCK, _HOLDER = "alive.lock", "alive.json"
_BEAT, _SILENCE = 20.0, 600.0  # seconds; the second allows for clocks that differ, and for a file server's cache
_PATIENCE = 2.0  # seconds for whoever looks whether the lock is held, which takes it for a moment
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold what tells others that a run, whose folder this is, is being fitted.

    Raises:
        InputError: Another process holds it.
    """
    file, ended = folder / _LOCK, threading.Event()
    lock = FileLock(file, timeout=_PATIENCE)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"run {folder.name!r} is being fitted by another process") from None

    def beat() -> None:
        while not ended.wait(_BEAT):
            file.touch()

    beating = threading.Thread(target=beat, daemon=True)
    try:
        file.touch()
        with replacing(folder / _HOLDER) as temporary:
            temporary.write_text(json.dumps({"machine": _machine()}))
        beating.start()
        yield
    finally:
        ended.set()
        if beating.is_alive():
            beating.join()
        lock.release()


def is_held(folder: Path) -> bool | None:
    """Tell whether a run is being fitted; None where it was never held, as by a version that did not."""
    file = folder / _LOCK
    try:
        silence = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return None
    try:
        with FileLock(file, blocking=False):
            pass
    except Timeout:
        return True
    return _holder(folder) != _machine() and silence < _SILENCE


def _holder(folder: Path) -> str:
    try:
        return str(json.loads((folder / _HOLDER).read_text())["machine"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _machine() -> str:
    """Return what stands for this machine since it was started; containers of one machine share it, as they share locks."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return platform.node()
