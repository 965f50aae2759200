"""From staged events to the interactions of a dataset: merged, filtered, split, with positions.

Works on integer codes in place of ids, so that twenty million rows pass through joins and groups cheaply. Tables made:
``user_codes (user_id, code)`` and ``item_codes (item_id, code)`` in the order that positions follow, and
``kept (u, i, rating, time, split, seq)``.
"""

from __future__ import annotations

from dataclasses import dataclass

from distaff_data.errors import InputError
from distaff_data.splits.interactions import Split, split_sql
from distaff_data.warehouse import Scratch

# Whole numbers in numeric order, then other text by bytes; interactions.py sorts ids from arrays the same way.
_IS_NUMBER = "regexp_full_match({}, '-?[0-9]{{1,18}}')"
_CODES = """
CREATE TABLE {entity}_codes AS
SELECT {entity}_id, row_number() OVER (
    ORDER BY CASE WHEN {is_number} THEN {entity}_id::BIGINT END NULLS LAST, {entity}_id
) - 1 AS code
FROM (SELECT DISTINCT {entity}_id FROM events)
"""
# Of a pair that occurs in several given splits, the training row stays: models never rank what they were trained on.
_FIRST = "list_position(['train', 'valid', 'test'], split), time DESC NULLS LAST, seq"


@dataclass(frozen=True)
class Refined:
    """Counts of rows that were left out on the way."""

    duplicates_merged: int
    dropped_by_rating: int
    dropped_by_core: int


def refine(
    scratch: Scratch,
    *,
    given_split: bool,
    split: Split | None,
    seed: int,
    min_rating: float | None,
    min_interactions: int,
) -> Refined:
    """Make the table ``kept`` of the table ``events``, which goes away.

    Raises:
        InputError: Nothing is left after the filters.
    """
    for entity in ("user", "item"):
        scratch.execute(_CODES.format(entity=entity, is_number=_IS_NUMBER.format(f"{entity}_id")))
    scratch.execute("""
        CREATE TABLE pairs AS
        SELECT u.code AS u, i.code AS i, rating, time, split, seq
        FROM events JOIN user_codes u USING (user_id) JOIN item_codes i USING (item_id)
    """)
    scratch.execute("DROP TABLE events")
    merged = _merge(scratch)
    by_rating = 0 if min_rating is None else _deleted(scratch, "rating < ?", min_rating)
    if by_rating:
        _refuse_nothing(scratch, f"no interaction is rated {min_rating:g} or more")
    by_core = _core(scratch, min_interactions)
    if by_core:
        _refuse_nothing(scratch, f"no users and items have {min_interactions} interactions with each other")
    _split(scratch, given_split, split, seed)
    return Refined(merged, by_rating, by_core)


def _merge(scratch: Scratch) -> int:
    """Keep one row of each pair; only the pairs that repeat are sorted."""
    before = scratch.count("SELECT count(*) FROM pairs")
    scratch.execute("CREATE TABLE repeated AS SELECT u, i FROM pairs GROUP BY u, i HAVING count(*) > 1")
    if scratch.count("SELECT count(*) FROM repeated"):
        scratch.execute(f"""
            CREATE TABLE winners AS
            SELECT * FROM pairs SEMI JOIN repeated USING (u, i)
            QUALIFY row_number() OVER (PARTITION BY u, i ORDER BY {_FIRST}) = 1
        """)
        scratch.execute("""
            CREATE TABLE merged AS
            SELECT * FROM pairs ANTI JOIN repeated USING (u, i) UNION ALL SELECT * FROM winners
        """)
        scratch.execute("DROP TABLE winners")
        scratch.execute("DROP TABLE pairs")
        scratch.execute("ALTER TABLE merged RENAME TO pairs")
    scratch.execute("DROP TABLE repeated")
    return before - scratch.count("SELECT count(*) FROM pairs")


def _core(scratch: Scratch, least: int) -> int:
    """Remove users and items with fewer than ``least`` interactions until none is left: removing one may unmake others."""
    dropped = 0
    while least > 1:
        gone = sum(
            _deleted(scratch, f"{side} IN (SELECT {side} FROM pairs GROUP BY {side} HAVING count(*) < ?)", least)
            for side in ("u", "i")
        )
        if not gone:
            break
        dropped += gone
    return dropped


def _deleted(scratch: Scratch, condition: str, value: float) -> int:
    return scratch.count(f"DELETE FROM pairs WHERE {condition}", [value])


def _refuse_nothing(scratch: Scratch, reason: str) -> None:
    if not scratch.count("SELECT count(*) FROM pairs"):
        raise InputError(f"nothing is left: {reason}")


def _split(scratch: Scratch, has_split: bool, split: Split | None, seed: int) -> None:
    if has_split:
        scratch.execute("ALTER TABLE pairs RENAME TO kept")
        return
    scratch.execute("ALTER TABLE pairs DROP COLUMN split")
    scratch.execute("""
        CREATE VIEW named AS
        SELECT pairs.*, user_id, item_id
        FROM pairs JOIN user_codes c ON c.code = u JOIN item_codes d ON d.code = i
    """)
    divided = split_sql(split, "named", seed)
    scratch.execute(f"CREATE TABLE kept AS SELECT u, i, rating, time, split, seq FROM ({divided})")
    scratch.execute("DROP VIEW named")
    scratch.execute("DROP TABLE pairs")
