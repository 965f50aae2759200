"""Removal of people from a dataset's tables and from those of its runs.

What is live is published anew without them, in one commit, so that a reader meets the one or the other and every cache
that goes by generations is refreshed. Then all generations, live or not, lose their rows in place, and the older versions
of the tables go. Every step may be repeated: it takes out what is left.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from distaff_data.schema import TABLES, Table
from distaff_data.warehouse import Publication, Warehouse

NAMING = tuple(table for table in TABLES.values() if table.person is not None)
"""The tables that name people."""

_COUNTS = """
SELECT
    (SELECT count(*) FROM users WHERE generation = $1 AND NOT list_contains($2, user_id)) AS users,
    (SELECT count(*) FROM users WHERE generation = $1 AND NOT list_contains($2, user_id) AND n_train = 0) AS cold_users,
    (SELECT count(*) FROM items WHERE generation = $1) AS items,
    (SELECT count(*) FROM items i WHERE generation = $1 AND NOT EXISTS (
        SELECT 1 FROM interactions x WHERE x.item_id = i.item_id AND x.generation = $1 AND x.split = 'train'
            AND NOT list_contains($2, x.user_id)
    )) AS cold_items,
    count(*) FILTER (WHERE split = 'train') AS train,
    count(*) FILTER (WHERE split = 'valid') AS valid,
    count(*) FILTER (WHERE split = 'test') AS test
FROM interactions WHERE generation = $1 AND NOT list_contains($2, user_id)
"""
_USERS = """
SELECT dataset, user_id, row_number() OVER (ORDER BY position) - 1 AS position, n_train FROM users
WHERE generation = $1 AND NOT list_contains($2, user_id) ORDER BY position
"""
_ITEMS = """
SELECT i.dataset, i.item_id, i.position, count(x.user_id) AS n_train FROM items i
LEFT JOIN interactions x ON x.item_id = i.item_id AND x.generation = $1 AND x.split = 'train'
    AND NOT list_contains($2, x.user_id)
WHERE i.generation = $1 GROUP BY ALL ORDER BY i.position
"""
_RECOUNTED = {"users": _USERS, "items": _ITEMS}


def named(warehouse: Warehouse, dataset: str, runs: Sequence[str], people: Sequence[str]) -> set[str]:
    """Return those of the people whom any live table of the dataset or of its runs names."""
    return _of_naming(warehouse, "{person}", dataset, runs, people)


def republish(warehouse: Warehouse, dataset: str, runs: Sequence[str], people: Sequence[str]) -> list[str]:
    """Publish what is live and names the people anew, without them; returns the targets.

    The dataset's users move up to fill the gaps, and its counts are taken again. A scoring, a fit or an ingestion of the
    dataset must not be under way.
    """
    generations = _of_naming(warehouse, "generation", dataset, runs, people)
    targets = warehouse.rows(
        "SELECT target, generation FROM publications WHERE list_contains(?, generation) ORDER BY target",
        [sorted(generations)],
    )
    where = _homes(warehouse, sorted(str(row["generation"]) for row in targets))
    with warehouse.publish() as publication:  # all of them in one commit
        copies: dict[str, Publication] = {}
        for row in targets:
            target, generation = str(row["target"]), str(row["generation"])
            if generation in copies:  # targets that were published together stay so
                publication.beside[target] = copies[generation]
                continue
            copies[generation] = publication.target(target)
            for table in where[generation]:
                _copy(warehouse, copies[generation], table, generation, people)
    return [str(row["target"]) for row in targets]


def erase(warehouse: Warehouse, dataset: str, runs: Sequence[str], people: Sequence[str]) -> int:
    """Take the people's rows out of every generation, live or not; return how many there were."""
    return sum(warehouse.erase(table.name, *_condition(table, dataset, runs, people)) for table in NAMING)


def expunge(warehouse: Warehouse, dataset: str, runs: Sequence[str], people: Sequence[str]) -> int:
    """Remove the older versions of the tables that named them; returns how many files went away."""
    return sum(warehouse.expunge(table.name, *_condition(table, dataset, runs, people)) for table in NAMING)


def _of_naming(warehouse: Warehouse, column: str, dataset: str, runs: Sequence[str], people: Sequence[str]) -> set[str]:
    """Return the values of a column, where ``{person}`` is that of the person, in the live rows that name the people."""
    parts, params = list[str](), list[object]()
    for table in NAMING:
        condition, values = _condition(table, dataset, runs, people)
        parts.append(f"SELECT {column.format(person=table.person)} AS v FROM {table.name} WHERE {condition}")
        params += values
    return {str(row["v"]) for row in warehouse.rows(" UNION ".join(parts), params)}


def _condition(table: Table, dataset: str, runs: Sequence[str], people: Sequence[str]) -> tuple[str, list[object]]:
    by_dataset = "dataset" in table.arrow.names
    condition = "dataset = ?" if by_dataset else "list_contains(?, run)"
    return (
        f"{_of_users(table)}{condition} AND list_contains(?, {table.person})",
        [dataset if by_dataset else list(runs), list(people)],
    )


def _homes(warehouse: Warehouse, generations: Sequence[str]) -> dict[str, list[Table]]:
    """Return the tables that have rows of each generation."""
    homes: dict[str, list[Table]] = {generation: [] for generation in generations}
    sql = " UNION ".join(
        f"SELECT '{table.name}' AS name, generation FROM {table.name} WHERE list_contains($1, generation)"
        for table in TABLES.values()
        if table.key is None
    )
    for row in warehouse.rows(f"{sql} ORDER BY ALL", [list(generations)]):
        homes[row["generation"]].append(TABLES[row["name"]])
    return homes


def _copy(warehouse: Warehouse, out: Publication, table: Table, generation: str, people: Sequence[str]) -> None:
    """Copy a generation's rows of a table, but the people's."""
    if table.name == "datasets":
        return out.append("datasets", _entries(warehouse, generation, people))
    sql, params = f"SELECT * EXCLUDE (generation) FROM {table.name} WHERE generation = ?", [generation, list(people)]
    if table.name in _RECOUNTED:
        sql = _RECOUNTED[table.name]
    elif table.person is None:
        params = [generation]
    else:
        sql += f" AND NOT ({_of_users(table)}list_contains(?, {table.person}))"
    out.append(table.name, warehouse.stream(sql, params))


def _of_users(table: Table) -> str:
    return "entity = 'user' AND " if "entity" in table.arrow.names else ""


def _entries(warehouse: Warehouse, generation: str, people: Sequence[str]) -> list[dict[str, object]]:
    """Return the dataset's entry, if the generation has one, with new counts."""
    entries = warehouse.rows("SELECT * EXCLUDE (generation) FROM datasets WHERE generation = ?", [generation])
    for entry in entries:
        (counts,) = warehouse.rows(_COUNTS, [generation, list(people)])
        facts = json.loads(entry["facts"] or "{}")
        entry["facts"] = json.dumps(facts | {name: count for name, count in counts.items() if name in facts})
    return entries
