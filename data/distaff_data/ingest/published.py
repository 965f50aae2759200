"""Folders as DGVAE and MMRec publish them, read as they are: a split, users' documents and features of items.

The split is ``NAME.{train,valid,test}.ratings`` (CSV of user and item positions and a rating, with a header) with
``NAME.uid.npy`` and ``NAME.iid.npy`` (an id for each position), as DGVAE has it, or ``NAME.inter`` (tabs, with a header that
names ``userID``, ``itemID`` and ``x_label``, 0, 1 or 2), as MMRec has it. Beside it are ``NAME.vocab`` (JSON) and
``NAME.user.words.tfidf.npz`` (scipy's sparse format), which MMRec's folders lack, and ``text_feat.npy`` and
``image_feat.npy``, where they are. Nothing in them is unpickled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from distaff_data.arrays import Floats
from distaff_data.datasets.content import Content, Weighted, counted
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_data.ingest.values import array_header
from distaff_data.splits import SPLITS

FEATURES = {"text": "text_feat.npy", "image": "image_feat.npy"}


def read_published(folder: Path) -> Interactions:
    """Return a folder's interactions and content; ids are the files' positions. dgvae cannot be fitted without the words.

    Raises:
        InputError: A file is missing, or does not fit the others.
    """
    base, matrices = _split(folder)
    n_users, n_items = matrices["train"].n_rows, matrices["train"].n_cols
    users, items = (pa.array(np.arange(n)).cast(pa.string()) for n in (n_users, n_items))
    data = Interactions(base.name, users, items, matrices["train"], matrices["valid"], matrices["test"])
    if not base.with_name(f"{base.name}.vocab").is_file() and base.with_name(f"{base.name}.inter").is_file():
        return data
    words, documents = _documents(base, n_users)
    features = {name: _features(folder / file, n_items) for name, file in FEATURES.items() if (folder / file).is_file()}
    nothing = counted(np.empty(0, np.int64), np.empty(0, np.int64), (n_items, len(words)))
    return data.with_content(Content(words, nothing, features, user_words=documents))


def _split(folder: Path) -> tuple[Path, dict[str, Csr]]:
    """Return the path that all names begin with, and the matrix of each split."""
    for suffix, read in ((".train.ratings", _ratings), (".inter", _labelled)):
        files = sorted(folder.glob(f"*{suffix}"))
        if len(files) == 1:
            base = files[0].with_name(files[0].name.removesuffix(suffix))
            return base, read(base)
    raise InputError("a folder with one NAME.train.ratings or one NAME.inter is wanted", path=folder)


def _there(base: Path, suffix: str) -> Path:
    path = base.with_name(f"{base.name}.{suffix}")
    if not path.is_file():
        raise InputError("the file is missing", path=path)
    return path


def _length(path: Path) -> int:
    """Return how many ids a file's header says it holds: some are pickled objects, which are not read."""
    with path.open("rb") as file:
        try:
            shape, _ = array_header(file)
        except ValueError as error:
            raise InputError(f"cannot read the file as .npy: {error}", path=path) from None
    if len(shape) != 1:
        raise InputError(f"ids are a vector, not {shape}", path=path)
    return int(shape[0])


def _ratings(base: Path) -> dict[str, Csr]:
    """Return the splits of DGVAE's three files."""
    n_users, n_items = (_length(_there(base, f"{side}.npy")) for side in ("uid", "iid"))
    out = {}
    for split in SPLITS:
        path = _there(base, f"{split}.ratings")
        rows = _numbers(path, ",")
        if rows.shape[1] < 3:
            raise InputError("the columns are user, item and rating", path=path, line=1)
        out[split] = _matrix(path, rows[rows[:, 2] > 0], n_users, n_items)
    return out


def _labelled(base: Path) -> dict[str, Csr]:
    """Return the splits of MMRec's one file."""
    path = _there(base, "inter")
    with path.open(encoding="utf-8") as file:
        names = file.readline().rstrip("\r\n").split("\t")
    columns = ("userID", "itemID", "x_label")
    if missing := [name for name in columns if name not in names]:
        raise InputError(f"the header names no column {missing[0]}", path=path, line=1)
    rows = _numbers(path, "\t", [names.index(name) for name in columns])
    if wrong := np.flatnonzero(~np.isin(rows[:, 2], range(len(SPLITS)))).tolist():
        raise InputError("x_label is 0, 1 or 2", path=path, line=wrong[0] + 2, value=rows[wrong[0], 2])
    n_users, n_items = (int(rows[:, side].max(initial=-1)) + 1 for side in (0, 1))
    return {split: _matrix(path, rows[rows[:, 2] == label], n_users, n_items) for label, split in enumerate(SPLITS)}


def _numbers(path: Path, delimiter: str, columns: list[int] | None = None) -> Floats:
    try:
        return np.loadtxt(path, delimiter=delimiter, skiprows=1, dtype=np.float64, ndmin=2, usecols=columns)
    except ValueError as error:
        raise InputError(f"cannot read the interactions: {error}", path=path) from None


def _matrix(path: Path, rows: Floats, n_users: int, n_items: int) -> Csr:
    users, items = (torch.from_numpy(rows[:, side].astype(np.int64)) for side in (0, 1))
    for what, positions, n in (("user", users, n_users), ("item", items, n_items)):
        if positions.numel() and (int(positions.min()) < 0 or int(positions.max()) >= n):
            raise InputError(
                f"the file names a {what} beyond the {n} of the ids", path=path, value=int(positions.max())
            )
    return Csr.from_pairs(users, items, n_users, n_items)


def _documents(base: Path, n_users: int) -> tuple[pa.StringArray, Weighted]:
    vocabulary = json.loads(_there(base, "vocab").read_text(encoding="utf-8"))
    words: Any = list(vocabulary)
    if isinstance(vocabulary, dict):
        words = sorted(vocabulary, key=lambda word: int(vocabulary[word]))
    path = _there(base, "user.words.tfidf.npz")
    from scipy.sparse import load_npz

    try:
        matrix = load_npz(path)
    except ValueError as error:
        raise InputError(f"cannot read the sparse matrix: {error}", path=path) from None
    if matrix.shape != (n_users, len(words)):
        raise InputError(f"the matrix is {matrix.shape}; there are {n_users} users and {len(words)} words", path=path)
    return pa.array(words, pa.string()), Weighted.from_scipy(matrix)


def _features(path: Path, n_items: int) -> torch.Tensor:
    values = np.load(path, allow_pickle=False)
    if values.ndim != 2 or len(values) != n_items:
        raise InputError(f"the features are {values.shape}; there are {n_items} items", path=path)
    return torch.from_numpy(values.astype(np.float32))
