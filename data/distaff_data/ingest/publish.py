"""Publication of scratch tables as one dataset of the warehouse."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from distaff_data.errors import InputError
from distaff_data.tables.datasets import append_entry
from distaff_data.warehouse import Publication, Scratch, Warehouse

_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,64}")
_INTERACTIONS = """
SELECT user_id, item_id, rating, time, split
FROM kept JOIN user_codes c ON c.code = u JOIN item_codes d ON d.code = i
"""
_ENTITIES = """
CREATE TABLE {entity}s AS
SELECT {entity}_id, row_number() OVER (ORDER BY code) - 1 AS position, n_train
FROM (SELECT {code} AS code, count(*) FILTER (WHERE split = 'train') AS n_train FROM kept GROUP BY {code})
JOIN {entity}_codes USING (code)
"""
_COUNTS = """
SELECT
    (SELECT count(*) FROM users) AS users,
    (SELECT count(*) FROM items) AS items,
    (SELECT count(*) FROM kept WHERE split = 'train') AS train,
    (SELECT count(*) FROM kept WHERE split = 'valid') AS valid,
    (SELECT count(*) FROM kept WHERE split = 'test') AS test,
    (SELECT count(*) FROM users WHERE n_train = 0) AS cold_users,
    (SELECT count(*) FROM items WHERE n_train = 0) AS cold_items
"""


def check_new(warehouse: Warehouse, name: str, *, replace: bool) -> None:
    """Refuse a name that is no name, or that is taken.

    Raises:
        InputError: See above.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            "a dataset's name has 1 to 64 letters, digits, underscores, hyphens and, but for its begin, dots",
            value=name,
        )
    if not replace and warehouse.live(f"dataset/{name}") is not None:
        raise InputError(
            "there is a dataset of this name already; replace it with --replace, or choose another", value=name
        )


def number_entities(scratch: Scratch) -> dict[str, int]:
    """Make the tables ``users`` and ``items`` of the table ``kept``, with positions; returns the dataset's counts."""
    scratch.execute(_ENTITIES.format(entity="user", code="u"))
    scratch.execute(_ENTITIES.format(entity="item", code="i"))
    names = ("users", "items", "train", "valid", "test", "cold_users", "cold_items")
    return dict(zip(names, (int(str(count)) for count in scratch.rows(_COUNTS)[0]), strict=True))


def publish_interactions(
    warehouse: Warehouse,
    scratch: Scratch,
    name: str,
    *,
    source: str,
    settings: Mapping[str, object],
    facts: Mapping[str, object],
    beside: Callable[[Publication], None] = lambda publication: None,
) -> str:
    """Publish ``kept``, ``users`` and ``items`` as a dataset; return the generation.

    Args:
        warehouse: Where to.
        scratch: The staging database.
        name: The dataset's name.
        source: The files it came from.
        settings: How it was read, filtered and split.
        facts: Counts taken while reading.
        beside: Appends what belongs to the same publication, such as attributes.
    """
    with warehouse.publish(f"dataset/{name}") as publication:
        publication.append("interactions", scratch.stream(_INTERACTIONS), dataset=name)
        publication.append("users", scratch.stream("SELECT * FROM users ORDER BY position"), dataset=name)
        publication.append("items", scratch.stream("SELECT * FROM items ORDER BY position"), dataset=name)
        beside(publication)
        append_entry(publication, name, "interactions", source=source, settings=settings, facts=facts)
    return publication.generation
