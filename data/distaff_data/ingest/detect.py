"""Files that make up a dataset: single files, folders, a split in the file names, attributes beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from distaff_data.errors import InputError
from distaff_data.ingest.movielens import BESIDE

# What people call the splits, in file names and in split columns (where MMRec writes 0, 1, 2).
SPLIT_WORDS = {
    **{"train": "train", "training": "train", "0": "train"},
    **{"valid": "valid", "val": "valid", "validation": "valid", "dev": "valid", "1": "valid"},
    **{"test": "test", "testing": "test", "2": "test"},
}
_DATA = {".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".jsonl", ".ndjson", ".json", ".parquet", ".pq"}


@dataclass(frozen=True)
class SourceFile:
    """One file of interactions; ``split`` when its name says so."""

    path: Path
    split: str | None = None


@dataclass(frozen=True)
class Sources:
    """The files of a dataset: its interactions, and the attributes that lie beside them."""

    interactions: tuple[SourceFile, ...]
    items: Path | None = None
    users: Path | None = None

    @property
    def files(self) -> list[Path]:
        """Every file that is read."""
        return [
            *(file.path for file in self.interactions),
            *(path for path in (self.items, self.users) if path is not None),
        ]


def find_sources(paths: Sequence[str | Path]) -> Sources:
    """Find the files that ``paths`` mean: files, one folder, or the prefix of RecBole's atomic files.

    Raises:
        InputError: Nothing there, a folder in which the interactions cannot be told, or a split without train.
    """
    if not paths:
        raise InputError("name at least one file or folder")
    existing = [_existing(Path(path)) for path in paths]
    if len(existing) == 1 and existing[0].is_dir():
        files = _in_folder(existing[0])
    else:
        for path in existing:
            if path.is_dir():
                raise InputError("give one folder, or any number of files", path=path)
        files = (_by_name(existing) if len(existing) > 1 else ()) or tuple(SourceFile(path) for path in existing)
    return Sources(files, *_beside(files[0].path))


def existing_files(paths: Sequence[str | Path]) -> list[Path]:
    """Return paths as files that exist.

    Raises:
        InputError: None given, or one is missing or a folder.
    """
    if not paths:
        raise InputError("name at least one file")
    files = [Path(path) for path in paths]
    for path in files:
        if not path.is_file():
            raise InputError(
                "that is a folder; name its files" if path.is_dir() else "there is no such file", path=path
            )
    return files


def _existing(path: Path) -> Path:
    if path.exists():
        return path
    prefixed = path.with_name(path.name + ".inter")
    if not prefixed.exists():
        raise InputError("there is no such file or folder", path=path)
    return prefixed


def _in_folder(folder: Path) -> tuple[SourceFile, ...]:
    files = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix.lower() in _DATA and not path.name.lower().startswith(("readme", ".", "_"))
    )
    for name in (*BESIDE, f"{folder.resolve().name}.inter"):
        if folder / name in files:
            return (SourceFile(folder / name),)
    divided = _by_name([path for path in files if _split_of(path)])
    if divided:
        return divided
    inter = [path for path in files if path.suffix == ".inter"]
    if len(inter or files) == 1:
        return (SourceFile((inter or files)[0]),)
    if files and all(path.suffix.lower() in (".parquet", ".pq") for path in files):
        return tuple(SourceFile(path) for path in files)  # one table, written in pieces
    names = ", ".join(path.name for path in files[:8]) or "no data files"
    raise InputError(f"cannot tell which file holds the interactions ({names}); name it", path=folder)


def _by_name(files: Sequence[Path]) -> tuple[SourceFile, ...]:
    """Return files with the splits that their names say; none unless every name says one."""
    divided = tuple(SourceFile(path, _split_of(path)) for path in files)
    splits = {file.split for file in divided}
    if not divided or None in splits:
        return ()
    if "train" not in splits:
        names = ", ".join(path.name for path in files)
        raise InputError(f"there are {names}, but no train file to learn from", path=files[0].parent)
    # Training data alone is divided like any other file.
    return divided if len(splits) > 1 else tuple(SourceFile(path) for path in files)


def _split_of(path: Path) -> str | None:
    return split_among(re.split(r"[._-]", path.stem.lower()))


def split_among(words: Iterable[str]) -> str | None:
    """Return the split that some words name; None where they name none, or several."""
    splits = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS and not word.isdigit()}
    return splits.pop() if len(splits) == 1 else None


def _beside(path: Path) -> tuple[Path | None, Path | None]:
    """Return the files about items and users that belong to a file of interactions by its name."""
    names: tuple[str | None, ...] = BESIDE.get(path.name, (None, None))
    if path.suffix == ".inter":
        base = path.name.split(".")[0]
        names = (f"{base}.item", f"{base}.user")
    files = (None if name is None else path.with_name(name) for name in names)
    items, users = (file if file is not None and file.is_file() else None for file in files)
    return items, users
