"""Binary sparse matrices by rows, as tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Csr:
    """A binary sparse matrix, row by row.

    Attributes:
        indptr: Start of each row in ``indices``, int64 ``(n_rows + 1,)``.
        indices: Columns, ascending within a row, no duplicates, int32 ``(nnz,)``.
        n_cols: Number of columns.
    """

    indptr: Tensor
    indices: Tensor
    n_cols: int

    @classmethod
    def from_pairs(cls, rows: Tensor, cols: Tensor, n_rows: int, n_cols: int) -> Csr:
        """Build from coordinate pairs in any order; duplicates are merged."""
        keys = torch.unique(rows.long() * n_cols + cols.long())
        counts = torch.bincount(keys // n_cols, minlength=n_rows) if n_cols else torch.zeros(n_rows, dtype=torch.long)
        return cls(_starts(counts), (keys % max(n_cols, 1)).int(), n_cols)

    def check(self, n_rows: int) -> None:
        """Check the matrix, as one from a file.

        Raises:
            ValueError: It has another number of rows, or the tensors are none of such a matrix.
        """
        if self.indptr.dtype != torch.int64 or self.indices.dtype != torch.int32:
            raise ValueError(f"rows and columns are {self.indptr.dtype} and {self.indices.dtype}")
        if self.indptr.shape != (n_rows + 1,) or self.indices.ndim != 1:
            raise ValueError(
                f"rows are {tuple(self.indptr.shape)} and columns {tuple(self.indices.shape)} for {n_rows} rows"
            )
        if self.indptr[0] != 0 or self.indptr[-1] != self.nnz or bool((self.counts() < 0).any()):
            raise ValueError("the starts of the rows do not rise from 0 to the number of entries")
        if self.nnz and not 0 <= int(self.indices.min()) <= int(self.indices.max()) < self.n_cols:
            raise ValueError(f"a column is not one of {self.n_cols}")

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.indptr.numel() - 1

    @property
    def nnz(self) -> int:
        """Number of stored entries."""
        return self.indices.numel()

    def counts(self) -> Tensor:
        """Return the entries in each row, int64 ``(n_rows,)``."""
        return self.indptr.diff()

    def row_index(self) -> Tensor:
        """Return the row of each entry, int64 ``(nnz,)``."""
        rows = torch.arange(self.n_rows, device=self.indptr.device)
        return torch.repeat_interleave(rows, self.counts(), output_size=self.nnz)  # else a GPU is waited for

    def take(self, rows: Tensor) -> Csr:
        """Return the given rows, in the given order."""
        counts = self.counts()[rows]
        indptr = _starts(counts)
        offset = torch.repeat_interleave(self.indptr[rows] - indptr[:-1], counts)
        return Csr(indptr, self.indices[torch.arange(offset.numel(), device=offset.device) + offset], self.n_cols)

    def transpose(self) -> Csr:
        """Return the matrix with rows and columns exchanged."""
        return Csr.from_pairs(self.indices, self.row_index(), self.n_cols, self.n_rows)

    def union(self, other: Csr) -> Csr:
        """Return the entries of either matrix."""
        rows = torch.cat([self.row_index(), other.row_index()])
        return Csr.from_pairs(rows, torch.cat([self.indices, other.indices]), self.n_rows, self.n_cols)

    def dense(self) -> Tensor:
        """Return float32 ``(n_rows, n_cols)`` of zeros and ones; take a block of rows first when there are many."""
        out = torch.zeros(self.n_rows, self.n_cols, device=self.indptr.device)
        out[self.row_index(), self.indices.long()] = 1.0
        return out

    def scipy(self) -> Any:
        """Return ``scipy.sparse.csr_matrix`` of float32 ones, sharing memory where it can."""
        from scipy.sparse import csr_matrix

        ones = np.ones(self.nnz, dtype=np.float32)
        arrays = (ones, self.indices.cpu().numpy(), self.indptr.cpu().numpy())
        return csr_matrix(arrays, shape=(self.n_rows, self.n_cols))

    def to(self, device: torch.device | str) -> Csr:
        """Return the matrix on another device."""
        return replace(self, indptr=self.indptr.to(device), indices=self.indices.to(device))


def _starts(counts: Tensor) -> Tensor:
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
