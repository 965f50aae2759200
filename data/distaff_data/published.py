"""Folders as DGVAE publishes them, read as they are: a split, users' documents and features of items.

``NAME.{train,valid,test}.ratings`` (CSV of user and item positions and a rating, with a header), ``NAME.uid.npy`` and
``NAME.iid.npy`` (an id for each position), ``NAME.vocab`` (JSON), ``NAME.user.words.tfidf.npz`` (scipy's sparse format)
and ``text_feat.npy``, ``image_feat.npy``. Nothing in them is unpickled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from distaff_data.content import Content, Weighted, counted
from distaff_data.errors import InputError
from distaff_data.interactions import SPLITS, Csr, Interactions

FEATURES = {"text": "text_feat.npy", "image": "image_feat.npy"}


def read_published(folder: Path) -> Interactions:
    """Interactions and content of a folder; ids are the files' positions.

    Raises:
        InputError: A file is missing, or does not fit the others.
    """
    names = sorted(path.name.removesuffix(".train.ratings") for path in folder.glob("*.train.ratings"))
    if len(names) != 1:
        raise InputError("a folder with one NAME.train.ratings is wanted", path=folder, value=", ".join(names))
    base = folder / names[0]
    n_users, n_items = (_length(_there(base, f"{side}.npy")) for side in ("uid", "iid"))
    matrices = {split: _ratings(_there(base, f"{split}.ratings"), n_users, n_items) for split in SPLITS}
    words, documents = _documents(base, n_users)
    features = {name: _features(folder / file, n_items) for name, file in FEATURES.items() if (folder / file).is_file()}
    nothing = counted(np.empty(0, np.int64), np.empty(0, np.int64), (n_items, len(words)))
    users, items = (pa.array(np.arange(n)).cast(pa.string()) for n in (n_users, n_items))
    data = Interactions(names[0], users, items, matrices["train"], matrices["valid"], matrices["test"])
    return data.with_content(Content(words, nothing, features, user_words=documents))


def _there(base: Path, suffix: str) -> Path:
    path = base.with_name(f"{base.name}.{suffix}")
    if not path.is_file():
        raise InputError("the file is missing", path=path)
    return path


def _length(path: Path) -> int:
    """How many ids a file holds, from its header: some are pickled objects, which are not read."""
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, _ = read(file)
        except ValueError as error:
            raise InputError(f"cannot read the file as .npy: {error}", path=path) from None
    if len(shape) != 1:
        raise InputError(f"ids are a vector, not {shape}", path=path)
    return int(shape[0])


def _ratings(path: Path, n_users: int, n_items: int) -> Csr:
    try:
        rows = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise InputError(f"cannot read the ratings: {error}", path=path) from None
    if rows.shape[1] < 3:
        raise InputError("the columns are user, item and rating", path=path, line=1)
    users, items = (torch.from_numpy(rows[rows[:, 2] > 0, side].astype(np.int64)) for side in (0, 1))
    for what, found, n in (("user", users, n_users), ("item", items, n_items)):
        if found.numel() and (int(found.min()) < 0 or int(found.max()) >= n):
            raise InputError(f"the file names a {what} beyond the {n} of the ids", path=path, value=int(found.max()))
    return Csr.from_pairs(users, items, n_users, n_items)


def _documents(base: Path, n_users: int) -> tuple[pa.StringArray, Weighted]:
    vocabulary = json.loads(_there(base, "vocab").read_text(encoding="utf-8"))
    found: Any = list(vocabulary)
    if isinstance(vocabulary, dict):
        found = sorted(vocabulary, key=lambda word: int(vocabulary[word]))
    path = _there(base, "user.words.tfidf.npz")
    from scipy.sparse import load_npz

    try:
        matrix = load_npz(path)
    except ValueError as error:
        raise InputError(f"cannot read the sparse matrix: {error}", path=path) from None
    if matrix.shape != (n_users, len(found)):
        raise InputError(f"the matrix is {matrix.shape}; there are {n_users} users and {len(found)} words", path=path)
    return pa.array(found, pa.string()), Weighted.from_scipy(matrix)


def _features(path: Path, n_items: int) -> torch.Tensor:
    values = np.load(path, allow_pickle=False)
    if values.ndim != 2 or len(values) != n_items:
        raise InputError(f"the features are {values.shape}; there are {n_items} items", path=path)
    return torch.from_numpy(values.astype(np.float32))
