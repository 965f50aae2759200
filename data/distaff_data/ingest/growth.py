"""Datasets that grow with their source: rows from where the last ingestion ended are added to those that are there.

The rows are merged and divided anew together, so the dataset is what ingesting all of them at once would have made, where
the source only ever adds rows, or newer versions of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distaff_data.errors import InputError
from distaff_data.ingest.options import InteractionsOptions
from distaff_data.sources import Gathered, Mark, Since
from distaff_data.tables.reports import IngestReport
from distaff_data.warehouse import Scratch, Warehouse

_BEFORE = "SELECT user_id, item_id, rating, time, split FROM interactions WHERE dataset = ? ORDER BY user_id, item_id"


@dataclass(frozen=True)
class Growing:
    """A dataset as the last ingestion left it.

    Attributes:
        generation: Its rows.
        settings: How they were read.
        facts: Its counts.
    """

    generation: str
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def mark(self) -> Mark:
        """How far its source was read."""
        return Mark.of_json(self.settings["since"])

    def report(self, name: str) -> IngestReport:
        """Return the report of an ingestion that found nothing new."""
        how = self.settings
        return IngestReport(
            name, self.generation, how["format"], how["columns"], how["split"], **self.facts, times=how.get("times", "")
        )


def growing(warehouse: Warehouse, name: str, options: InteractionsOptions) -> Growing | None:
    """Return the dataset that rows are to be added to; None where a new one is made.

    Raises:
        InputError: The dataset was not read by this column, or rows cannot be added under these options.
    """
    if options.since is None:
        return None
    if options.min_rating is not None or options.min_interactions:
        raise InputError(
            "--since adds to the rows that were kept, and a threshold leaves some out that later ones may bring back; "
            "filter in the query"
        )
    rows = warehouse.rows("SELECT generation, kind, settings, facts FROM datasets WHERE dataset = ?", [name])
    if options.replace or not rows:
        return None
    settings = json.loads(rows[0]["settings"])
    if rows[0]["kind"] != "interactions" or settings.get("since", {}).get("column") != options.since:
        raise InputError(
            "the dataset was not read by this column; begin anew with --replace", column=options.since, value=name
        )
    return Growing(str(rows[0]["generation"]), settings, json.loads(rows[0]["facts"]))


def since_of(options: InteractionsOptions, before: Growing | None) -> Since | None:
    """Return the column that a source is read by, and from where on."""
    return None if options.since is None else Since(options.since, None if before is None else before.mark)


def has_news(before: Growing, found: Gathered) -> bool:
    """Tell whether anything was read that the last ingestion had not."""
    known, mark = before.mark, found.mark
    return mark is not None and (mark.value, mark.rows, mark.digest) != (known.value, known.rows, known.digest)


def check_same(before: Growing, recorded: Mapping[str, Any]) -> None:
    """Refuse to add rows that were read from elsewhere or otherwise.

    Raises:
        InputError: An option differs.
    """
    plain = json.loads(json.dumps({key: value for key, value in recorded.items() if key not in ("since", "times")}))
    for key, value in plain.items():
        if before.settings.get(key) != value:
            raise InputError(
                f"the dataset was read with another {key}; begin anew with --replace", column=key, value=value
            )
    if before.settings["since"]["source"] != recorded["since"]["source"]:
        raise InputError("the dataset was read from elsewhere; begin anew with --replace")
    fractional = before.mark.fractional
    if fractional is None:  # an older version read it
        return
    for role in ("user", "item"):
        column = recorded["columns"][role]
        if (column in fractional) != (column in recorded["since"]["fractional"]):
            raise InputError(
                "some ids are numbers with a point, and before none or all were: 4 and 4.0 would be two; CAST them to text "
                "in the query",
                column=column,
            )


def add_before(scratch: Scratch, warehouse: Warehouse, name: str, *, given_split: bool) -> None:
    """Add a dataset's rows to the table ``events``, behind the new ones: of a pair without a time the new row counts."""
    stream = warehouse.stream(_BEFORE, [name])
    scratch.stage_arrow("before", stream.schema, stream)
    split = "split" if given_split else "NULL"
    scratch.execute(f"""
        INSERT INTO events SELECT user_id, item_id, rating, time, {split}, row + (SELECT max(seq) FROM events) FROM before
    """)
    scratch.execute("DROP TABLE before")
