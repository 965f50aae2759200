"""Files of windows: ``.ts`` and ``.arff`` of the UEA and UCR archives, and ``.npz`` arrays.

* ``.ts``: after ``@data`` a window a line, its channels between colons, its values between commas, ``?`` where missing, and
  its class last.
* ``.arff``: see :mod:`distaff_data.ingest.arff`. Files of either kind named like ``X_TRAIN.ts`` and ``X_TEST.ts`` bring
  their split.
* ``.npz``: ``x`` with ``y`` and ``group`` (or ``subject``), or ``x_train, y_train, group_train``, ``x_valid`` (``x_val``),
  ``x_test``. Windows are ``(n, T, C)`` or ``(n, T)``, NaN where missing. Nothing is unpickled.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from distaff_data.datasets.series import Series
from distaff_data.errors import InputError, first_line
from distaff_data.ingest.arff import arff_windows
from distaff_data.ingest.detect import split_among
from distaff_data.ingest.values import LabelledWindow, array_header, text_lines, window_of
from distaff_data.memory import available_memory
from distaff_data.splits import SPLITS

_COPIES = 3  # of the arrays, which reading and joining them takes at most
_GROUPS = ("group", "groups", "subject", "subjects")
_Array = npt.NDArray[np.generic]


def read_npz(files: Sequence[Path], name: str, *, channels_first: bool = False) -> Series:
    """Return the windows of one ``.npz`` file.

    Raises:
        InputError: Not such a file, an array of objects, or arrays that do not fit together.
    """
    if len(files) > 1:
        raise InputError("give one file of arrays, with x_train and x_test in it", path=files[1])
    path = files[0]
    arrays = _arrays(path)
    suffixes = {key.removeprefix("x"): split for key, split in _windows(arrays).items()}
    if not suffixes:
        names = ", ".join(arrays) or "nothing"
        raise InputError(f"the file has no array x or x_train; there are: {names}", path=path, column="x")
    xs, ys, groups, codes = [], [], [], []
    for suffix, split in suffixes.items():
        x = _numbers(path, f"x{suffix}", arrays[f"x{suffix}"], channels_first)
        xs.append(x)
        ys.append(_beside(path, arrays, (f"y{suffix}", f"labels{suffix}"), len(x)))
        groups.append(_beside(path, arrays, [f"{word}{suffix}" for word in _GROUPS], len(x)))
        codes.append(np.full(len(x), SPLITS.index(split or "train"), dtype=np.int8))
    shapes = {x.shape[1:] for x in xs}
    if len(shapes) > 1:
        raise InputError(f"the arrays of windows differ in shape: {sorted(shapes)}", path=path, column="x")
    data = Series.from_windows(np.concatenate(xs), _joined(ys), groups=_joined(groups), name=name)
    return data.with_splits(torch.from_numpy(np.concatenate(codes))[data.entity_of_row()])


def read_ts(files: Sequence[Path], name: str, *, channels_first: bool = False) -> Series:
    """Return the windows of ``.ts`` files, of one length or of several.

    Args:
        files: The files; where their names say train and test, that is their split.
        name: The dataset's name.
        channels_first: As ``.npz`` has it; a ``.ts`` file is always read as it stands.

    Raises:
        InputError: A header that is missing or unknown, or a line that cannot be read.
    """
    return _gathered([(path, _ts_windows(path)) for path in files], name)


def read_arff(files: Sequence[Path], name: str, *, channels_first: bool = False) -> Series:
    """Return the windows of ``.arff`` files; otherwise as :func:`read_ts`."""
    return _gathered([(path, arff_windows(path)) for path in files], name)


def _gathered(files: Sequence[tuple[Path, list[LabelledWindow]]], name: str) -> Series:
    """Return all windows of all files; a file whose name says a split is that split."""
    rows = [(path, window, label) for path, windows in files for window, label in windows]
    width = rows[0][1].shape[1]
    for path, windows in files:
        for place, (window, _) in enumerate(windows, 1):
            if window.shape[1] != width:
                raise InputError(
                    f"window {place} has {window.shape[1]} channels, the first of all has {width}", path=path
                )
    values, lengths = np.concatenate([window for _, window, _ in rows]), [len(window) for _, window, _ in rows]
    codes = torch.tensor([SPLITS.index(_split_of(path.stem) or "train") for path, _, _ in rows], dtype=torch.int8)
    data = Series.from_rows(values, lengths, name=name, labels=[label for _, _, label in rows], whole=True)
    return data.with_splits(codes[data.entity_of_row()])


def _arrays(path: Path) -> Mapping[str, _Array]:
    try:
        _check_size(path)
        with np.load(path, allow_pickle=False) as opened:
            return {key: opened[key] for key in opened.files}
    except InputError:
        raise
    except Exception as error:  # what a foreign archive makes its readers raise is of any class
        reason = (
            "it holds Python objects" if "allow_pickle" in str(error) else first_line(error) or type(error).__name__
        )
        raise InputError(f"cannot read the arrays: {reason}", path=path) from None


def _check_size(path: Path) -> None:
    """Refuse an archive that would unpack to more than memory should hold, or whose arrays are not as large as they say.

    Raises:
        InputError: See above.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked, free = sum(member.file_size for member in archive.infolist()), available_memory()
        if unpacked * _COPIES > free:
            raise InputError(
                f"the arrays unpack to {unpacked / 2**30:.3g} GiB, and reading them takes {_COPIES} times that; "
                f"there are {free / 2**30:.3g} GiB of memory; give them in several files",
                path=path,
            )
        for member in archive.infolist():
            with archive.open(member) as opened:
                shape, dtype = array_header(opened)
                if not dtype.hasobject and math.prod(shape) * dtype.itemsize != member.file_size - opened.tell():
                    raise InputError(f"the array {member.filename} is not as large as it says", path=path)


def _windows(arrays: Mapping[str, _Array]) -> dict[str, str | None]:
    """Return the arrays of windows, and the split that each one's name says."""
    if "x" in arrays:
        return {"x": None}
    splits = {key: _split_of(key[2:]) for key in arrays if key.startswith("x_")}
    return {key: split for each in SPLITS for key, split in splits.items() if split == each}


def _split_of(text: str) -> str | None:
    return split_among(text.lower().split("_"))


def _numbers(path: Path, key: str, x: _Array, channels_first: bool) -> npt.NDArray[np.float32]:
    if x.dtype.kind not in "fiub" or x.ndim not in (2, 3):
        raise InputError(
            f"windows are numbers of shape (n, T, C) or (n, T), not {x.dtype} {x.shape}", path=path, column=key
        )
    cube = x[:, :, None] if x.ndim == 2 else x.transpose(0, 2, 1) if channels_first else x
    with np.errstate(over="ignore"):  # a number too large for 32 bits becomes infinite, and is refused as such
        numbers: npt.NDArray[np.float32] = cube.astype(np.float32)
    return numbers


def _beside(path: Path, arrays: Mapping[str, _Array], keys: Sequence[str], n: int) -> _Array | None:
    key = next((key for key in keys if key in arrays), None)
    if key is None:
        return None
    if arrays[key].shape != (n,):
        raise InputError(f"{n} windows but the shape {arrays[key].shape}", path=path, column=key)
    return arrays[key]


def _joined(arrays: Sequence[_Array | None]) -> list[str] | None:
    """Return the values of arrays end to end as texts; None where one is missing."""
    present = [array for array in arrays if array is not None]
    return None if len(present) < len(arrays) else [str(value) for array in present for value in array.tolist()]


def _ts_windows(path: Path) -> list[LabelledWindow]:
    """Return every window ``(T, C)`` of a ``.ts`` file with its class."""
    lines = text_lines(path)
    header, start = _header(path, lines)
    if header.get("timestamps", "false").lower() == "true":
        raise InputError(
            "pairs of time and value are not read; write evenly spaced values", path=path, column="@timeStamps"
        )
    words = header.get("classlabel", "false").split()
    classes = set(words[1:]) if words and words[0].lower() == "true" else None
    windows = [
        _ts_window(path, number, line, classes)
        for number, line in enumerate(lines[start:], start + 1)
        if line.strip() and not line.startswith("#")
    ]
    if not windows:
        raise InputError("the file has a header and nothing else", path=path)
    return windows


def _header(path: Path, lines: Sequence[str]) -> tuple[dict[str, str], int]:
    """Return the settings in the lines before ``@data``, and the place of the first line after it."""
    header: dict[str, str] = {}
    for place, line in enumerate(lines):
        words = line.strip()
        if words.lower() == "@data":
            return header, place + 1
        if words.startswith("@"):
            key, _, value = words[1:].partition(" ")
            header[key.lower()] = value.strip()
        elif words and not words.startswith(("#", "%")):
            raise InputError("a line before @data begins with @ or #", path=path, line=place + 1, value=words[:80])
    raise InputError("the file has no @data; is it a .ts file of the UEA and UCR archives?", path=path)


def _ts_window(path: Path, number: int, line: str, classes: set[str] | None) -> LabelledWindow:
    fields = line.strip().split(":")
    label = fields.pop().strip() if classes is not None else None
    if classes and label not in classes:
        raise InputError(
            f"no class; there are {', '.join(sorted(classes))}", path=path, line=number, column="class", value=label
        )
    return window_of(path, number, fields), label
