"""The storage of a sweep's trials: Optuna's journal file in the workspace, or any storage that Optuna can reach by URL."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import optuna
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileOpenLock, JournalRedisBackend
from sqlalchemy.pool import NullPool

from distaff_data.errors import InputError, UnknownNameError
from distaff_data.workspace import Workspace

REMAINS = "journal.torn"
_JOURNAL = "journal.log"
_BEAT, _SILENCE = 20.0, 600.0  # seconds; the second allows for clocks that differ, and for a file server's cache


def sweep_folder(workspace: Workspace, study: str) -> Path:
    """Return the folder where a sweep's journal and its workers' logs are.

    Raises:
        InputError: The name is no name of a folder.
    """
    if not study or Path(study).name != study or study.startswith("."):
        raise InputError("the name of a study cannot hold slashes or begin with a dot", value=study)
    return workspace.root / "sweeps" / study


def open_storage(workspace: Workspace, study: str, url: str | None) -> BaseStorage:
    """Return the storage behind a URL such as ``postgresql://host/db``, or the sweep's own journal when None.

    Raises:
        InputError: The storage cannot be reached, or the journal is torn.
    """
    if url is None:
        folder = sweep_folder(workspace, study)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / _JOURNAL
        if torn(file):
            raise InputError("the journal ends in half a line; repair it with: distaff doctor --fix", path=file)
        return JournalStorage(JournalFileBackend(str(file), lock_obj=_Lock(file)))
    try:
        if url.startswith(("redis://", "rediss://", "unix://")):
            backend: BaseJournalBackend = JournalRedisBackend(url)
            return JournalStorage(backend)
        # SQLAlchemy's own choice of a driver is one that is no longer developed.
        driven = url.replace("postgresql://", "postgresql+psycopg://", 1)
        # No connection is kept: a trial lasts for minutes, and workers may be many.
        return RDBStorage(driven, engine_kwargs={"poolclass": NullPool})
    except ImportError as error:
        raise InputError(
            f'the storage needs a package, for Postgres: pip install "distaff[postgres]" ({error})'
        ) from None
    except Exception as error:  # whatever the driver raises; its first line says what is wrong
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise InputError(f"cannot open the storage: {_without_password(reason, url)}") from None


def _without_password(text: str, url: str) -> str:
    """Return a message in which no driver can repeat the password of the URL, as it stands there or decoded."""
    secret = url.rpartition("@")[0].rpartition("://")[2].partition(":")[2]
    for form in {secret, unquote(secret)} - {""}:
        text = text.replace(form, "***")
    return text


def load_study(workspace: Workspace, study: str, url: str | None) -> optuna.Study:
    """Return the study of that name.

    Raises:
        UnknownNameError: The storage has none.
        InputError: The storage cannot be opened.
    """
    names = [file.parent.name for file in journals(workspace)]
    if url is None and study not in names:
        raise UnknownNameError("study", study, names)
    try:
        return optuna.load_study(study_name=study, storage=open_storage(workspace, study, url))
    except KeyError:
        raise UnknownNameError("study", study, names) from None


def journals(workspace: Workspace) -> list[Path]:
    """Return every sweep's journal."""
    return sorted((workspace.root / "sweeps").glob(f"*/{_JOURNAL}"))


def torn(file: Path) -> int:
    """Return the number of bytes after the last line that can be replayed; 0 when the journal is whole."""
    if not file.exists():
        return 0
    with _held(file):
        return file.stat().st_size - _good(file)


def repair(file: Path) -> int:
    """Cut a journal back to its last good line; returns how many bytes went, which are kept in ``journal.torn``.

    Lines after a torn one go too: they build on what it said.
    """
    with _held(file):
        good = _good(file)
        with file.open("r+b") as journal:
            journal.seek(good)
            rest = journal.read()
            if rest:
                with file.with_name(REMAINS).open("ab") as remains:
                    remains.write(rest)
                journal.truncate(good)
    return len(rest)


def _good(file: Path) -> int:
    """Length of the part that is whole lines of JSON."""
    good = 0
    with file.open("rb") as journal:
        for line in journal:
            try:
                if not line.endswith(b"\n") or not isinstance(json.loads(line), dict):
                    break
            except ValueError:
                break
            good += len(line)
    return good


class _Lock(JournalFileOpenLock):
    """The kernel's file lock, which goes with its process; Optuna's own outlives a killed one by half a minute."""

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        self._lock = _lock_of(file)

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Let others in."""
        self._lock.release()


def _lock_of(file: Path) -> FileLock:
    return FileLock(file.with_suffix(".lock"))


@contextmanager
def _held(file: Path) -> Iterator[None]:
    with _lock_of(file):
        yield


@contextmanager
def alive(workspace: Workspace, study: str, worker: str) -> Iterator[None]:
    """Hold what tells others that this worker lives: a file that is locked, and touched again and again.

    The lock, which the kernel drops with the process, is for this machine; the time of the last touch for the others.
    """
    file = _worker_file(workspace, study, worker)
    file.parent.mkdir(parents=True, exist_ok=True)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT):
            file.touch()

    with FileLock(file):
        beating = threading.Thread(target=beat, daemon=True)
        beating.start()
        try:
            yield
        finally:
            ended.set()
            beating.join()
    file.unlink(missing_ok=True)


def is_worker_alive(workspace: Workspace, study: str, worker: str, *, here: bool = True) -> bool:
    """Tell whether a worker still exists: on this machine, however its process id was used again; or by its last touch."""
    file = _worker_file(workspace, study, worker)
    try:
        touched = file.stat().st_mtime
    except FileNotFoundError:
        return False
    if not here:
        return time.time() - touched < _SILENCE
    try:
        with FileLock(file, blocking=False):
            pass
    except Timeout:
        return True
    file.unlink(missing_ok=True)
    return False


def _worker_file(workspace: Workspace, study: str, worker: str) -> Path:
    return sweep_folder(workspace, study) / f"worker-{Path(worker).name}.lock"
