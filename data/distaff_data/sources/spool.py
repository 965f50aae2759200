"""A folder of the workspace for what is read from a source, until it is ingested."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from distaff_data.errors import InputError, first_line
from distaff_data.sources.address import Address

ROWS = 32_768  # at a time
_PREFIX, _HELD = "source-", "held.lock"
_RESERVE = 256 << 20  # bytes of the disk that are left to others
_LOOK = 64 << 20  # bytes after which the disk is looked at again


class Spool:
    """Files that a source was copied to; leaving the block removes them. A killed process leaves them abandoned."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder)
        self.root = Path(self._folder.name)
        self._lock = FileLock(self.root / _HELD)
        self._lock.acquire()
        self._files = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
        self._folder.cleanup()

    @staticmethod
    def is_abandoned(folder: Path) -> bool:
        """Tell whether a killed process left a folder of copies: nobody holds it."""
        if not folder.name.startswith(_PREFIX) or not (folder / _HELD).exists():
            return False
        lock = FileLock(folder / _HELD)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        lock.release()
        return True

    def path(self, name: str) -> Path:
        """Return a fresh path of that file name."""
        self._files += 1
        folder = self.root / str(self._files)
        folder.mkdir()
        return folder / name

    def copy(self, address: Address, chunks: Iterable[bytes], size: int | None) -> Path:
        """Write bytes to a file.

        Args:
            address: Where they come from.
            chunks: The bytes.
            size: How many there are to be; unknown when None.

        Raises:
            InputError: The disk has no room for them, or they are fewer or more than ``size``.
        """
        path, written, looked = self.path(address.name), 0, 0
        self._check_room(address, size or 0)
        with path.open("wb") as file:
            for chunk in chunks:
                written += len(chunk)
                if size is not None and written > size:
                    break
                if written - looked > _LOOK:
                    self._check_room(address, len(chunk))
                    looked = written
                file.write(chunk)
        if size is not None and written != size:
            raise InputError(f"{written} bytes came of {size}; read it again", path=address.shown)
        return path

    def write(self, address: Address, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Path:
        """Write rows to a Parquet file.

        Raises:
            InputError: The disk has no room for them, or two columns have one name.
        """
        if twice := next((name for name in schema.names if schema.names.count(name) > 1), None):
            raise InputError("two columns have this name; give one another with AS", path=address.shown, column=twice)
        path = self.path(address.name)
        try:
            with pq.ParquetWriter(path, schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
                    self._check_room(address, 0)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(f"cannot keep what was read: {first_line(error)}", path=address.shown) from None
        return path

    def _check_room(self, address: Address, size: int) -> None:
        free = shutil.disk_usage(self.root).free
        if size + _RESERVE > free:
            raise InputError(f"the disk has no room for it: {free >> 20} MiB are free", path=address.shown)
