"""Files that appear whole or not at all: written beside their final place, then renamed."""

from __future__ import annotations

import glob
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def unfinished_path(path: Path) -> Path:
    """Return a fresh hidden path beside ``path`` to write to before it takes that place."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")


def leftovers(path: Path) -> list[Path]:
    """Return what killed processes left beside ``path`` under names that :func:`unfinished_path` gave."""
    return sorted(path.parent.glob(f".{glob.escape(path.name)}.*.part"))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write a file to; it replaces ``path`` at once when the block ends, and goes away if it fails."""
    temporary = unfinished_path(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def clear_leftovers(path: Path) -> None:
    """Delete the files and folders that :func:`leftovers` finds."""
    for leftover in leftovers(path):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
