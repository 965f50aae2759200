"""Windows written out in text, value by value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from distaff_data.errors import InputError
from distaff_data.memory import available_memory

_BYTES = 24  # that a value takes at most while it is read: in 64 bits, and copied twice
LabelledWindow: TypeAlias = tuple[npt.NDArray[np.float32], str | None]
"""A window ``(T, C)``, NaN where missing, and its class."""


def text_lines(path: Path) -> list[str]:
    """Return the lines of a file in UTF-8.

    Raises:
        InputError: It is in another encoding.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError("the file is not UTF-8; convert it first (iconv -f LATIN1 -t UTF-8)", path=path) from None


def array_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the header of a ``.npy`` file: the array's shape and type, with nothing unpickled.

    Raises:
        ValueError: It is no such file.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def check_room(path: Path, rows: int, columns: int) -> None:
    """Refuse a table that would be wider and longer than memory has room for, though its file is small.

    Raises:
        InputError: It would.
    """
    size, free = rows * columns * _BYTES, available_memory()
    if size > free:
        raise InputError(
            f"{rows:,} rows of {columns:,} columns take {size / 2**30:.3g} GiB, and there are {free / 2**30:.3g} of memory",
            path=path,
        )


def window_of(path: Path, line: int, channels: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return a window ``(T, C)`` of each channel's values with commas between, ``?`` where missing, channels ending early.

    Raises:
        InputError: There are none, or one is no number; with the line and the channel.
    """
    columns = []
    for place, text in enumerate(channels, 1):
        try:
            with np.errstate(over="raise"):
                columns.append(np.array(text.replace("?", "nan").split(","), dtype=np.float64).astype(np.float32))
        except FloatingPointError:
            raise InputError(
                "a number is too large for 32 bits", path=path, line=line, column=f"channel {place}"
            ) from None
        except ValueError:
            wrong = next((value for value in text.split(",") if not _is_number(value)), text[:80])
            raise InputError(
                "not a number", path=path, line=line, column=f"channel {place}", value=wrong.strip()
            ) from None
    if not columns:
        raise InputError("the line has no values", path=path, line=line)
    longest = max(map(len, columns))
    check_room(path, longest, len(columns))
    return np.stack([np.pad(c, (0, longest - len(c)), constant_values=np.nan) for c in columns], axis=1)


def _is_number(text: str) -> bool:
    try:
        float(text.replace("?", "nan"))
    except ValueError:
        return False
    return True
