"""Content of items, which is their words and feature vectors; and the documents of people that follow from it.

A person's document is the words of the items they took in training, weighted by tf-idf as in DGVAE (section 3.1 of
https://arxiv.org/abs/2402.16110): a word counts when at least ``min_df`` and at most a share ``max_df`` of all people have
it, its weight is its count times ln((1 + n) / (1 + df)) + 1, and every document has length 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from torch import Tensor

from distaff_data.datasets.csr import Csr
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.frames import positions, to_strings

MIN_DF, MAX_DF = 5, 0.6


@dataclass(frozen=True)
class Weighted:
    """A sparse matrix with values.

    Attributes:
        pattern: Where its entries are.
        values: Their values in the pattern's order, float32 ``(nnz,)``.
    """

    pattern: Csr
    values: Tensor

    @classmethod
    def ones(cls, pattern: Csr) -> Weighted:
        """Return a binary matrix, all of whose values are 1."""
        return cls(pattern, torch.ones(pattern.nnz))

    @classmethod
    def from_scipy(cls, matrix: Any) -> Weighted:
        """Return the matrix of any scipy sparse matrix; zeros that it stores are dropped."""
        csr = matrix.tocsr().astype(np.float32)
        csr.sum_duplicates()
        csr.eliminate_zeros()
        indptr, indices = csr.indptr.astype(np.int64), csr.indices.astype(np.int32)
        pattern = Csr(torch.from_numpy(indptr), torch.from_numpy(indices), csr.shape[1])
        return cls(pattern, torch.from_numpy(csr.data))

    def scipy(self) -> Any:
        """Return a ``scipy.sparse.csr_matrix`` that shares memory."""
        out = self.pattern.scipy()
        out.data = self.values.cpu().numpy()
        return out

    def take(self, rows: Tensor) -> Weighted:
        """Return the given rows, in the given order."""
        start, counts = self.pattern.indptr[rows], self.pattern.counts()[rows]
        pattern = self.pattern.take(rows)
        offset = torch.repeat_interleave(start - pattern.indptr[:-1], counts)
        return Weighted(pattern, self.values[torch.arange(offset.numel(), device=offset.device) + offset])

    def to(self, device: torch.device | str) -> Weighted:
        """Return the matrix on another device."""
        return Weighted(self.pattern.to(device), self.values.to(device))


@dataclass(frozen=True)
class Content:
    """Words and feature vectors of a dataset's items.

    Attributes:
        words: Distinct words.
        item_words: How often each word occurs in each item's texts, ``(n_items, n_words)``.
        features: Feature vectors by name, float32 ``(n_items, d)``; a row of NaN where an item has none.
        user_words: Users' documents, where data comes with them; otherwise they are made from ``item_words``.
    """

    words: pa.StringArray
    item_words: Weighted
    features: Mapping[str, Tensor] = field(default_factory=dict)
    user_words: Weighted | None = None

    def of_users(self, rows: Tensor) -> Content:
        """Return the content for some of the users, in the given order."""
        return self if self.user_words is None else replace(self, user_words=self.user_words.take(rows))

    @classmethod
    def from_words(
        cls, items: object, words: object, item_ids: pa.StringArray, features: Mapping[str, Tensor] | None = None
    ) -> Content:
        """Return the content in parallel arrays of item ids and words, a pair for each occurrence.

        Args:
            items: Item ids; unknown ones are left out.
            words: Words.
            item_ids: Items' own ids by position.
            features: Feature vectors by name.

        Raises:
            InputError: Arrays of unequal length.
        """
        ids, texts = pa.array(items, pa.string()), pa.array(words, pa.string())
        if len(ids) != len(texts):
            raise InputError(f"{len(ids)} items but {len(texts)} words; give one of each per occurrence")
        rows = pl.DataFrame({"item": pl.Series(item_ids)}).with_row_index("row")
        pairs = pl.DataFrame({"item": pl.Series(ids), "word": pl.Series(texts)}).join(rows, on="item").drop_nulls()
        distinct, columns = distinct_words(pairs["word"])
        counts = counted(pairs["row"].to_numpy(), columns.to_numpy(), (len(item_ids), len(distinct)))
        return cls(distinct, counts, dict(features or {}))


def distinct_words(words: pl.Series) -> tuple[pa.StringArray, pl.Series]:
    """Return the distinct words in order, and the position among them of each word that was given."""
    distinct = words.unique().sort()
    return to_strings(distinct), words.cast(pl.Enum(distinct)).to_physical()


def word_positions(vocabulary: pa.StringArray, words: Iterable[str]) -> Tensor:
    """Return the positions of words in a vocabulary, int64.

    Raises:
        UnknownNameError: A word that it does not hold; near misses are offered.
    """
    texts = pl.Series([word.strip().lower() for word in words], dtype=pl.String)
    places = positions(texts, pl.Series(vocabulary))
    strange = texts.filter(places.is_null())
    if not strange.is_empty():
        raise UnknownNameError("word", strange[0], vocabulary.to_pylist())
    return torch.from_numpy(places.to_numpy(writable=True))


def counted(rows: Any, cols: Any, shape: tuple[int, int], counts: Any = None) -> Weighted:
    """Return how often each pair of positions occurs; ``counts`` weighs the pairs, which otherwise count 1 each."""
    from scipy.sparse import coo_matrix

    data = np.ones(len(rows), dtype=np.float32) if counts is None else np.asarray(counts, dtype=np.float32)
    return Weighted.from_scipy(coo_matrix((data, (rows, cols)), shape=shape))


@dataclass(frozen=True)
class Lexicon:
    """The words that count, and how people's documents are made of them.

    Attributes:
        words: The words.
        idf: Weight of each, float32 ``(n_words,)``.
        item_words: Occurrences in items, ``(n_items, n_words)``; None where the data came with users' documents.
    """

    words: pa.StringArray
    idf: Tensor
    item_words: Weighted | None

    @classmethod
    def build(cls, content: Content, train: Csr, *, min_df: int = MIN_DF, max_df: float = MAX_DF) -> Lexicon:
        """Return the words to count, chosen from people's training items alone.

        Args:
            content: The words of items.
            train: Users by items.
            min_df: Least number of people whose items have the word.
            max_df: Largest share of people whose items have it.

        Raises:
            InputError: No word is left.
        """
        if content.user_words is not None:
            return cls(content.words, torch.ones(len(content.words)), None)
        active = train.take(torch.nonzero(train.counts()).squeeze(1))
        counts = content.item_words.scipy()
        df = np.diff((active.scipy() @ (counts > 0).astype(np.float32)).tocsc().indptr)
        columns = np.flatnonzero((df >= min_df) & (df <= max_df * active.n_rows))
        if not columns.size:
            raise InputError(
                f"no word is known to at least {min_df} people and at most {max_df:.0%} of them; items need more text, "
                "or the limits min_df and max_df other values"
            )
        idf = np.log((1 + active.n_rows) / (1 + df[columns])) + 1
        words = content.words.take(pa.array(columns))
        return cls(words, torch.from_numpy(idf).float(), Weighted.from_scipy(counts[:, columns]))

    def documents(self, history: Csr) -> Weighted:
        """Return documents of people who took these items ``(b, n_items)``: tf-idf ``(b, n_words)``, rows of length 1.

        Empty for a person without words, and for all where the words of items are not known.
        """
        if self.item_words is None:
            return self.weigh(np.empty(0), np.empty(0), np.empty(0), history.n_rows)
        return self._scaled(history.scipy() @ self.item_words.scipy())

    def weigh(self, rows: Any, cols: Any, counts: Any, n_rows: int) -> Weighted:
        """Return documents of the counts of words by row and position: tf-idf, rows of length 1."""
        return self._scaled(counted(rows, cols, (n_rows, len(self.words)), counts).scipy())

    def items(self) -> Weighted:
        """Return the items' own words by tf-idf, rows of length 1, ``(n_items, n_words)``.

        Raises:
            InputError: The words of items are not known.
        """
        if self.item_words is None:
            raise InputError("this dataset came with the words of people, not of items")
        return self._scaled(self.item_words.scipy())

    def positions(self, words: Iterable[str]) -> Tensor:
        """Return the positions of words, int64.

        Raises:
            InputError: A word that the lexicon does not hold; near misses are offered.
        """
        return word_positions(self.words, words)

    def _scaled(self, counts: Any) -> Weighted:
        weights = counts.tocsr().multiply(self.idf.numpy()[None, :]).tocsr()
        lengths = np.sqrt(np.asarray(weights.multiply(weights).sum(1))).ravel()
        weights.data /= np.repeat(np.maximum(lengths, 1e-12), np.diff(weights.indptr))
        return Weighted.from_scipy(weights)
