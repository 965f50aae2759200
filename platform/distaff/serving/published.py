"""Published lists of one generation in memory, found by the user's id without a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from distaff_data.arrays import Floats
from distaff_data.warehouse import Warehouse

_SORTED = "SELECT user_id, item_id, score FROM recommendations WHERE run = ? ORDER BY user_id, rank"


@dataclass(frozen=True)
class Lists:
    """Lists of users, best item first.

    Attributes:
        generation: The publication that they are of; None where nothing was published.
        spans: By the user's id, where the list begins and ends among the rows.
        codes: Of each row the position of its item among ``items``.
        items: Ids of items.
        scores: Of each row the model's score.
    """

    generation: str | None
    spans: dict[str, tuple[int, int]]
    codes: npt.NDArray[np.int32]
    items: list[str]
    scores: Floats

    def of(self, user: str, k: int) -> list[dict[str, Any]] | None:
        """Return the first ``k`` of a user's list; None where the user has none."""
        if (span := self.spans.get(user)) is None:
            return None
        begin, end = span[0], min(span[0] + k, span[1])
        rows = zip(self.codes[begin:end].tolist(), self.scores[begin:end].tolist(), strict=True)
        return [{"rank": rank, "item": self.items[code], "score": score} for rank, (code, score) in enumerate(rows, 1)]


def read_lists(warehouse: Warehouse, run: str) -> Lists:
    """Return what is published of a run now."""
    generation = warehouse.live(f"recommendations/{run}")
    table = warehouse.query(_SORTED, [run])
    users, items = (_encoded(table[name]) for name in ("user_id", "item_id"))
    begins = np.flatnonzero(np.diff(users.indices.to_numpy(), prepend=-1))
    ends = np.append(begins[1:], table.num_rows)
    names = users.dictionary.take(users.indices.take(pa.array(begins))).to_pylist()
    spans = dict(zip(names, zip(begins.tolist(), ends.tolist(), strict=True), strict=True))
    codes = items.indices.to_numpy().astype(np.int32)
    return Lists(generation, spans, codes, items.dictionary.to_pylist(), table["score"].to_numpy())


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    return column.combine_chunks().dictionary_encode()
