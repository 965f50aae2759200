"""Warehouse to tensors: DuckDB joins ids to positions, Arrow hands the columns over, no Python loop over rows."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from torch import Tensor

from distaff_data.datasets.content import Content, counted, distinct_words
from distaff_data.datasets.division import SPLITS
from distaff_data.datasets.graphs import Details
from distaff_data.datasets.interactions import Interactions, split_matrices
from distaff_data.tables.datasets import live_generation
from distaff_data.warehouse import Warehouse

_PAIRS = """
SELECT u.position AS row, i.position AS col, list_position(['train', 'valid', 'test'], x.split) - 1 AS code
FROM interactions x
JOIN users u ON u.user_id = x.user_id AND u.generation = x.generation
JOIN items i ON i.item_id = x.item_id AND i.generation = x.generation
WHERE x.generation = ? AND u.generation = ? AND i.generation = ?
"""

# In the order of the matrices' entries: once per user and item, by rows.
_TIMES = """
SELECT x.split, x.time
FROM interactions x
JOIN users u ON u.user_id = x.user_id AND u.generation = x.generation
JOIN items i ON i.item_id = x.item_id AND i.generation = x.generation
WHERE x.generation = ? AND u.generation = ? AND i.generation = ?
ORDER BY u.position, i.position
"""

# Tags of HTML and its entities are no words; an attribute's value is one word, up to 40 characters.
_WORDS = r"""
WITH pieces AS (
    SELECT id, text FROM texts WHERE dataset = $1 AND entity = 'item'
    UNION ALL
    SELECT id, value FROM attributes
    WHERE dataset = $1 AND entity = 'item' AND (name = 'title' OR length(value) > 40)
),
tokens AS (
    SELECT id, unnest(regexp_extract_all(
        lower(nfc_normalize(regexp_replace(text, '<[^>]*>|&#?\w+;|https?://\S+', ' ', 'g'))),
        '\p{L}[\p{L}\p{M}''’-]*\p{L}'
    )) AS word FROM pieces
),
words AS (
    SELECT id, word FROM tokens WHERE NOT list_contains($3, word)
    UNION ALL
    SELECT id, lower(nfc_normalize(trim(value))) FROM attributes
    WHERE dataset = $1 AND entity = 'item' AND name <> 'title' AND length(value) <= 40
        AND regexp_matches(value, '\p{L}') AND NOT regexp_matches(value, '^https?://')
)
SELECT i.position, t.word, count(*) AS n
FROM words t JOIN items i ON i.item_id = t.id WHERE i.generation = $2 GROUP BY ALL
"""
_VECTORS = """
SELECT v.name, i.position, v.vector
FROM vectors v JOIN items i ON i.item_id = v.id
WHERE v.dataset = ? AND v.entity = 'item' AND i.generation = ? ORDER BY v.name, i.position
"""


def load_interactions(warehouse: Warehouse, dataset: str) -> Interactions:
    """Load a dataset of interactions.

    Raises:
        UnknownNameError: There is no such dataset.
        InputError: The dataset is of another kind.
    """
    generation = live_generation(warehouse, dataset, "interactions")
    users = _ids(warehouse, "users", "user_id", generation)
    items = _ids(warehouse, "items", "item_id", generation)
    pairs = warehouse.query(_PAIRS, [generation] * 3)
    row, col, code = (_tensor(pairs[name]) for name in ("row", "col", "code"))
    return Interactions(
        dataset,
        users,
        items,
        **split_matrices(row, col, code, len(users), len(items)),
        generation=generation,
        read_content=partial(load_content, warehouse, dataset, generation, len(items)),
        read_details=partial(load_details, warehouse, dataset, generation),
    )


def load_details(warehouse: Warehouse, dataset: str, generation: str) -> Details:
    """Load the times of a dataset's interactions, where they have any, and the attributes of its users and items."""
    rows = warehouse.frame(_TIMES, [generation] * 3)
    times = {}
    if rows["time"].null_count() < len(rows):
        for split in SPLITS:
            seconds = rows.filter(pl.col("split") == split)["time"].cast(pl.Float64).fill_null(float("nan"))
            times[split] = torch.from_numpy(seconds.to_numpy(writable=True))
    attributes = warehouse.query(
        "SELECT entity, id, name, value FROM attributes WHERE dataset = ? ORDER BY ALL", [dataset]
    )
    return Details(times, attributes if attributes.num_rows else None)


def load_content(warehouse: Warehouse, dataset: str, generation: str, n_items: int) -> Content:
    """Load the words and feature vectors of a dataset's items.

    Titles and texts are divided into words of letters, in lower case and each text by itself, so that none are fused,
    and English words that say nothing (scikit-learn's list) are dropped; the value of an attribute, such as the tag
    "post punk", is one word.

    Args:
        warehouse: Where from.
        dataset: The dataset's name.
        generation: The generation whose positions are meant.
        n_items: How many items that has.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # a second of CPU, for data with words alone

    counts = warehouse.frame(_WORDS, [dataset, generation, sorted(ENGLISH_STOP_WORDS)])
    words, columns = distinct_words(counts["word"])
    rows, cols, n = (column.to_numpy() for column in (counts["position"], columns, counts["n"]))
    vectors = warehouse.frame(_VECTORS, [dataset, generation]).partition_by("name", as_dict=True)
    features = {str(name): _matrix(frame, n_items) for (name,), frame in vectors.items()}
    return Content(words, counted(rows, cols, (n_items, len(words)), n), features)


def has_content(warehouse: Warehouse, dataset: str) -> bool:
    """Return whether anything is known about the dataset's items beside who took them."""
    sql = """
        SELECT EXISTS (FROM attributes WHERE dataset = $1 AND entity = 'item')
            OR EXISTS (FROM vectors WHERE dataset = $1 AND entity = 'item') AS known"""
    return bool(warehouse.rows(sql, [dataset])[0]["known"])


def load_attributes(warehouse: Warehouse, dataset: str, entity: str) -> pa.Table:
    """Load the attributes of a dataset's items or users: columns ``id, name, value``, in no particular order."""
    return warehouse.query("SELECT id, name, value FROM attributes WHERE dataset = ? AND entity = ?", [dataset, entity])


def load_titles(warehouse: Warehouse, dataset: str) -> dict[str, str]:
    """Load the titles that people are shown, by item id; empty where the dataset has none."""
    sql = "SELECT id, value FROM attributes WHERE dataset = ? AND entity = 'item' AND name = 'title'"
    return dict(warehouse.frame(sql, [dataset]).iter_rows())


def _matrix(vectors: pl.DataFrame, n_items: int) -> Tensor:
    """Return vectors of one length by position, float32 ``(n_items, d)``; NaN where an item has none."""
    values = torch.from_numpy(vectors["vector"].explode().to_numpy(writable=True)).view(len(vectors), -1)
    out = torch.full((n_items, values.shape[1]), torch.nan)
    out[_tensor(vectors["position"])] = values
    return out


def _ids(warehouse: Warehouse, table: str, column: str, generation: str) -> pa.StringArray:
    rows = warehouse.query(f"SELECT {column} FROM {table} WHERE generation = ? ORDER BY position", [generation])
    return rows[column].combine_chunks()


def _tensor(column: pa.ChunkedArray | pl.Series) -> Tensor:
    return torch.from_numpy(column.to_numpy().astype(np.int64))
