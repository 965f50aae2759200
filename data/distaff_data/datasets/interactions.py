"""Interactions as models see them: positions instead of ids, one sparse matrix a split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file
from scipy import sparse
from torch import Tensor

from distaff_data.datasets.content import Content
from distaff_data.datasets.csr import Csr
from distaff_data.datasets.division import SPLITS
from distaff_data.datasets.graphs import Details, Parts, interactions_graph, interactions_parts
from distaff_data.errors import InputError
from distaff_data.frames import is_frame, positions, to_arrow, to_strings

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

_MATRICES = "interactions.safetensors"
_IDS = ("users.parquet", "items.parquet")


@dataclass(frozen=True)
class Interactions:
    """One dataset of interactions.

    Every user and item that occurs in any split has a position; one without training interactions is *cold*.

    Attributes:
        name: The dataset's name.
        user_ids: Users' own ids by position.
        item_ids: Items' own ids by position.
        train, valid, test: Users by items; ``valid`` or ``test`` may be empty.
        generation: The warehouse generation it was loaded from; empty for data that never was in one.
        read_content: Reads what is known about the items, when a model asks for it; None where nothing is.
        read_details: Reads times and attributes, when somebody asks for them; None where nothing is, and for what was made
            of other interactions.
    """

    name: str
    user_ids: pa.StringArray
    item_ids: pa.StringArray
    train: Csr
    valid: Csr
    test: Csr
    generation: str = ""
    read_content: Callable[[], Content] | None = field(default=None, repr=False, compare=False)
    read_details: Callable[[], Details] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_arrays(
        cls,
        users: object,
        items: object,
        splits: object | None = None,
        *,
        name: str = "interactions",
    ) -> Interactions:
        """Build from parallel arrays of ids; without ``splits`` everything is training data.

        Raises:
            InputError: Arrays of unequal length, empty, with missing ids, or an unknown split.
        """
        u, i = _ids(users), _ids(items)
        if len(u) != len(i):
            raise InputError(f"{len(u)} users but {len(i)} items; give one of each per interaction")
        if len(u) == 0:
            raise InputError("there are no interactions")
        if u.null_count or i.null_count:
            raise InputError("an interaction without a user id or item id")
        split = pa.repeat("train", len(u)) if splits is None else _ids(splits)
        unknown = set(pl.Series(split).unique()) - set(SPLITS)
        if unknown:
            raise InputError(f"unknown split {sorted(map(str, unknown))}; there are {', '.join(SPLITS)}")
        user_ids, item_ids = _sorted_ids(u), _sorted_ids(i)
        rows, cols, codes = _positions(u, user_ids), _positions(i, item_ids), _positions(split, pa.array(SPLITS))
        matrices = split_matrices(rows, cols, codes, len(user_ids), len(item_ids))
        return cls(name, user_ids, item_ids, matrices["train"], matrices["valid"], matrices["test"])

    @classmethod
    def from_frame(
        cls,
        frame: object,
        *,
        user: str = "user_id",
        item: str = "item_id",
        split: str | None = None,
        name: str = "frame",
    ) -> Interactions:
        """Build from a polars, pandas or Arrow frame (anything that exports an Arrow stream), an array or a sparse matrix.

        Args:
            frame: A frame with the named columns; an array ``(n, 2)`` of users and items; or a SciPy sparse matrix, see
                :meth:`from_sparse`.
            user: The column of users' ids.
            item: The column of items' ids.
            split: The column that says ``train``, ``valid`` or ``test``; everything is training data without one.
            name: The dataset's name.

        Raises:
            InputError: None of these, without the named columns, or without interactions.
        """
        if isinstance(frame, np.ndarray):
            if frame.ndim != 2 or frame.shape[1] != 2:
                raise InputError(f"an array of interactions has shape (n, 2), not {frame.shape}")
            return cls.from_arrays(frame[:, 0], frame[:, 1], name=name)
        if sparse.issparse(frame):
            return cls.from_sparse(frame, name=name)
        if not is_frame(frame):
            raise InputError(
                f"cannot read interactions from {type(frame).__name__}; give a frame, a (n, 2) array or a sparse matrix"
            )
        table = to_arrow(frame)
        missing = [column for column in (user, item, split) if column is not None and column not in table.column_names]
        if missing:
            raise InputError(f"no column {missing[0]!r}; there are {', '.join(table.column_names)}", column=missing[0])
        return cls.from_arrays(table[user], table[item], table[split] if split else None, name=name)

    @classmethod
    def from_sparse(cls, matrix: Any, *, name: str = "matrix") -> Interactions:
        """Build from a SciPy sparse matrix of users by items, in any of SciPy's formats.

        Positions are the ids, as text: row 3 is the user ``"3"``. Every row is a user and every column an item, those
        without an entry as well. Whatever is larger than 0 is one interaction, however large it is, and entries at the same
        place are added first; explicit zeros are none.

        Args:
            matrix: ``(n_users, n_items)``.
            name: The dataset's name.

        Raises:
            InputError: Nothing in it is larger than 0, or something is negative or not a number.
        """
        entries = sparse.coo_array(matrix).tocsr()
        entries.sum_duplicates()
        values = entries.data.astype(np.float64)
        if not (np.isfinite(values) & (values >= 0)).all():
            raise InputError("a matrix of interactions has no entries that are negative or not a number")
        entries.eliminate_zeros()
        if entries.nnz == 0:
            raise InputError("there are no interactions")
        indptr, indices = (torch.from_numpy(x.astype(t)) for x, t in ((entries.indptr, "i8"), (entries.indices, "i4")))
        n_users, n_items = entries.shape
        valid, test = (_nothing(n_users, n_items) for _ in range(2))
        user_ids, item_ids = (_ids(np.arange(n)) for n in (n_users, n_items))
        return cls(name, user_ids, item_ids, Csr(indptr, indices, n_items), valid, test)

    @classmethod
    def from_pyg(
        cls, graph: HeteroData, *, user: str = "user", item: str = "item", name: str = "graph"
    ) -> Interactions:
        """Build from a ``HeteroData`` of PyTorch Geometric: of :meth:`to_pyg`, or any with users, items and one relation.

        Args:
            graph: Nodes of users and items, and edges from users to items. Nodes have the ids ``ids``, or their positions
                where there are none; masks of the edges (``train_mask``, ``val_mask`` or ``valid_mask``, ``test_mask``) are
                splits, and what no other mask holds out is training data without ``train_mask``. Edges that occur twice are
                one, and ratings and other numbers of theirs are not read.
            user: The type of the nodes of users.
            item: The type of the nodes of items.
            name: The dataset's name.

        Raises:
            InputError: No ``HeteroData``, no such nodes or edges, several relations, edges that end nowhere or are in two
                splits, ids that are missing, doubled or not one a node, values that are not one an edge or a node.
        """
        parts = interactions_parts(graph, user, item)
        content, details = parts.content, parts.details
        return cls(
            name,
            parts.user_ids,
            parts.item_ids,
            parts.splits["train"],
            parts.splits["valid"],
            parts.splits["test"],
            read_content=None if content is None else lambda: content,
            read_details=None if details is None else lambda: details,
        )

    def to_pyg(self) -> HeteroData:
        """Return the interactions as a ``HeteroData`` of PyTorch Geometric.

        Nodes ``user`` and ``item`` with their ``ids``; relations ``takes`` (training), ``takes_valid`` and ``takes_test``,
        each an ``EdgeIndex`` with its CSR and CSC cached, with ``time`` where it is known; feature vectors, words and
        attributes where there are any. :mod:`distaff_data.datasets.graphs` lists all of it, and :meth:`from_pyg` reads it
        back.
        """
        splits = {name: self.split(name) for name in SPLITS}
        content = None if self.read_content is None else self.read_content()
        details = None if self.read_details is None else self.read_details()
        return interactions_graph(Parts(self.user_ids, self.item_ids, splits, content, details))

    def with_content(self, content: Content) -> Interactions:
        """Return the interactions with words and features of the items."""
        return replace(self, read_content=lambda: content)

    def without(self, users: Tensor) -> Interactions:
        """Return the interactions without users at the given positions; the others move up and keep their order."""
        stays = torch.ones(self.n_users, dtype=torch.bool)
        stays[users] = False
        rows = stays.nonzero().squeeze(1)
        train, valid, test = (self.split(name).take(rows) for name in SPLITS)
        ids, read_content = self.user_ids.take(pa.array(rows.numpy())), self.read_content
        content = None if read_content is None else lambda: read_content().of_users(rows)
        return replace(self, user_ids=ids, train=train, valid=valid, test=test, read_content=content, read_details=None)

    def all_in_training(self) -> Interactions:
        """Return the same interactions with all of them in training, and nothing held out."""
        valid, test = (_nothing(self.n_users, self.n_items) for _ in range(2))
        train = self.train.union(self.valid).union(self.test)
        return replace(self, train=train, valid=valid, test=test, read_details=None)

    @property
    def n_users(self) -> int:
        """Number of users, cold ones included."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items, cold ones included."""
        return len(self.item_ids)

    def split(self, name: str) -> Csr:
        """Return the matrix of a split.

        Raises:
            InputError: There is no such split.
        """
        if name not in SPLITS:
            raise InputError(f"unknown split {name!r}; there are {', '.join(SPLITS)}")
        matrix: Csr = getattr(self, name)
        return matrix

    def histories(self, items: Iterable[Iterable[object]]) -> Csr:
        """Return people's items as rows of positions ``(n_people, n_items)``; unknown items are left out.

        Raises:
            InputError: A history is a text or no list, or ids that are none.
        """
        columns = [self.item_positions(id_texts(history, "a history")) for history in items]
        columns = [history[history >= 0] for history in columns]
        lengths = torch.tensor([len(history) for history in columns], dtype=torch.long)
        rows = torch.repeat_interleave(torch.arange(len(columns)), lengths)
        cols = torch.cat(columns) if columns else rows
        return Csr.from_pairs(rows, cols, len(columns), self.n_items)

    def write(self, folder: Path) -> tuple[str, ...]:
        """Write ids and matrices into a folder; returns the files' names."""
        tensors = {f"{s}.{array}": getattr(self.split(s), array) for s in SPLITS for array in ("indptr", "indices")}
        save_file(tensors, folder / _MATRICES)
        for name, ids in zip(_IDS, (self.user_ids, self.item_ids), strict=True):
            pq.write_table(pa.table({"id": ids}), folder / name)
        return (_MATRICES, *_IDS)

    @classmethod
    def read(cls, folder: Path, name: str, generation: str) -> Interactions:
        """Read what :meth:`write` wrote.

        Raises:
            ValueError: Ids and matrices do not fit together.
        """
        users, items = (pq.read_table(folder / file)["id"].combine_chunks() for file in _IDS)
        for ids in (users, items):
            if ids.null_count or len(ids.unique()) < len(ids):
                raise ValueError("an id is missing or there twice")
        tensors = load_file(folder / _MATRICES)
        splits = {s: Csr(tensors[f"{s}.indptr"], tensors[f"{s}.indices"], len(items)) for s in SPLITS}
        for matrix in splits.values():
            matrix.check(len(users))
        return cls(name, users, items, splits["train"], splits["valid"], splits["test"], generation)

    @staticmethod
    def user_ids_in(folder: Path) -> pa.StringArray:
        """Return the users of what :meth:`write` wrote; none where it wrote nothing."""
        file = folder / _IDS[0]
        return pq.read_table(file)["id"].combine_chunks() if file.is_file() else pa.array([], pa.string())

    def user_positions(self, ids: object) -> Tensor:
        """Return the positions of users' ids, int64; an unknown id gives -1."""
        return _positions(ids, self.user_ids)

    def item_positions(self, ids: object) -> Tensor:
        """Return the positions of items' ids, int64; an unknown id gives -1."""
        return _positions(ids, self.item_ids)


def split_matrices(rows: Tensor, cols: Tensor, codes: Tensor, n_users: int, n_items: int) -> dict[str, Csr]:
    """Return one matrix a split from positions and split codes (indices into ``SPLITS``)."""
    return {
        name: Csr.from_pairs(rows[codes == code], cols[codes == code], n_users, n_items)
        for code, name in enumerate(SPLITS)
    }


def describe(data: Interactions) -> Mapping[str, int]:
    """Return the numbers of users, items and interactions, and of the cold ones that occur only outside training."""
    return {
        "users": data.n_users,
        "items": data.n_items,
        **{name: data.split(name).nnz for name in SPLITS},
        "cold_users": int((data.train.counts() == 0).sum()),
        "cold_items": int((torch.bincount(data.train.indices, minlength=data.n_items) == 0).sum()),
    }


def id_texts(ids: object, what: str) -> pa.StringArray:
    """Return ids as the texts that a fit makes of them, whatever their type.

    Args:
        ids: A list, a column of any kind of frame, or an array.
        what: What they are, for the message.

    Raises:
        InputError: One text, which would be read letter by letter; no list at all; or an id that is missing.
    """
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise InputError(f"{what} is a list of ids, not one", value=ids)
    values = ids if hasattr(ids, "__arrow_c_stream__") or hasattr(ids, "__array__") else list(ids)
    try:
        texts = _ids(pa.chunked_array(values) if hasattr(values, "__arrow_c_stream__") else values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        texts = pa.array([None if i is None else str(i) for i in values], pa.string())  # of several types
    if texts.null_count:
        raise InputError(f"{what} has an id that is missing")
    return texts


def _nothing(n_users: int, n_items: int) -> Csr:
    """Return an empty matrix in memory of its own: a file of tensors holds none that share theirs."""
    return Csr(torch.zeros(n_users + 1, dtype=torch.long), torch.empty(0, dtype=torch.int32), n_items)


def _ids(values: object) -> pa.StringArray:
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else pa.array(values)
    return array.cast(pa.string())


def _sorted_ids(ids: pa.StringArray) -> pa.StringArray:
    """Return distinct ids, numbers in numeric order before other text: the order the warehouse gives positions in."""
    text = pl.col("id")
    number = pl.when(text.str.contains(r"^-?[0-9]{1,18}$")).then(text.cast(pl.Int64, strict=False))
    return to_strings(pl.DataFrame({"id": pl.Series(ids).unique()}).sort(number, text, nulls_last=True)["id"])


def _positions(ids: object, distinct: pa.StringArray) -> Tensor:
    """Return the positions of ids among distinct ones, int64; -1 for an id that is none of them."""
    places = positions(pl.Series(_ids(ids)), pl.Series(distinct)).fill_null(-1)
    return torch.from_numpy(places.to_numpy(writable=True))
