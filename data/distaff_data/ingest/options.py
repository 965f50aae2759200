"""Options of ingestion: one object for each kind of data.

Every option is spelled here and nowhere else: its name, type and default, and beside its type the sentence that
``--help`` shows. The command line makes its flags of these fields, Python callers give them as keywords.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from distaff_data.errors import InputError, redacted

Options = TypeVar("Options", "InteractionsOptions", "SeriesOptions", "IncidentsOptions", "AttributesOptions")

Seed = Annotated[int, "Seed of a random split."]
Replace = Annotated[bool, "Replace the dataset of that name."]
Id = Annotated[str | None, "Column of ids; detected otherwise."]
Time = Annotated[str | None, "Column of time stamps; detected otherwise."]
DayFirst = Annotated[bool, "Dates are written day, month, year: 24.11.2026 09:30."]
Query = Annotated[str | None, "One SELECT, where the source is a database."]
TimeFormat = Annotated[str | None, "How dates are written, in strptime's signs: '%m/%d/%Y %H:%M'."]


@dataclass(frozen=True, kw_only=True)
class InteractionsOptions:
    """Options by which files of interactions are read, filtered and split.

    A role without a named column is detected by the usual names; an empty name does without rating or time.
    """

    format: Annotated[str | None, "delimited, parquet, jsonl, recbole, lightgcn or movielens; detected otherwise."] = (
        None
    )
    headerless: Annotated[
        bool, "The first line is a row: columns are user, item, rating, time, as far as there are."
    ] = False
    user: Annotated[str | None, "Column of user ids."] = None
    item: Annotated[str | None, "Column of item ids."] = None
    rating: Annotated[str | None, "Column of ratings or weights."] = None
    time: Annotated[str | None, "Column of time stamps."] = None
    time_format: TimeFormat = None
    day_first: DayFirst = False
    far_times: Annotated[str, "Times such as 9999-12-31, a sign for 'no end': refuse, or missing."] = "refuse"
    min_rating: Annotated[float | None, "Keep interactions rated at least this."] = None
    min_interactions: Annotated[int, "Keep users and items with at least so many (k-core)."] = 0
    split: Annotated[str | None, "random:0.8,0.1,0.1, temporal:0.8,0.1,0.1 or leave-last-out."] = "random:0.8,0.1,0.1"
    seed: Seed = 0
    query: Query = None
    since: Annotated[
        str | None,
        "Column that only grows, of a database or Delta table: read rows from where the last time ended, and add them.",
    ] = None
    replace: Replace = False


@dataclass(frozen=True, kw_only=True)
class AttributesOptions:
    """Options by which tables and matrices of items' or users' attributes, texts and vectors are read."""

    id: Id = None
    title: Annotated[str | None, "Column that people are shown; detected otherwise, none when empty."] = None
    columns: Annotated[Sequence[str] | None, "Column to read, of any of the files; repeatable; all otherwise."] = None
    separator: Annotated[str | None, "What separates several values in a cell."] = None
    text: Annotated[Sequence[str] | None, "Column of running text; repeatable; detected by name otherwise."] = None
    rows: Annotated[
        str | Path | None, "File with the id of each row of .npy matrices; the rows' numbers otherwise."
    ] = None
    embed_with: Annotated[
        str | Path | None, "Folder of a sentence-transformers model: makes vectors 'text' of what is read."
    ] = None
    query: Query = None


@dataclass(frozen=True, kw_only=True)
class SeriesOptions:
    """Options by which a table or archive of series is read and split."""

    time: Time = None
    time_format: TimeFormat = None
    day_first: DayFirst = False
    entity: Annotated[str | None, "Column that tells several series apart."] = None
    channel: Annotated[str | None, "Column of channel names in a long table."] = None
    value: Annotated[str | None, "Column of values in a long table."] = None
    label: Annotated[str | None, "Column of each entity's class."] = None
    group: Annotated[str | None, "Column of what each entity belongs to, such as a subject."] = None
    split_column: Annotated[str | None, "Column of train, valid or test."] = None
    channels: Annotated[Sequence[str], "Columns to read as channels, between commas; all otherwise."] = ()
    known_future: Annotated[
        Sequence[str], "Columns, between commas, that are known ahead of the forecasts, such as prices and holidays."
    ] = ()
    past: Annotated[Sequence[str], "Columns that explain the channels and are not forecast themselves."] = ()
    static: Annotated[Sequence[str], "Columns that are the same in all rows of an entity, such as its region."] = ()
    step: Annotated[float | None, "Seconds between rows; the commonest distance otherwise."] = None
    whole: Annotated[bool, "Take each entity of a table for one window."] = False
    channels_first: Annotated[bool, "Windows in .npz are (n, C, T)."] = False
    split: Annotated[
        str | None,
        "ratio:.7,.1,.2 or rows:A,B,C in time; dates:D1,D2; random:.7,.1,.2 of entities; groups:valid=1;test=2.",
    ] = None
    seed: Seed = 0
    query: Query = None
    replace: Replace = False

    def __post_init__(self) -> None:
        """Refuse a step that is none."""
        _check_step(self.step)


@dataclass(frozen=True, kw_only=True)
class IncidentsOptions:
    """Options by which a folder of cases or files of metrics are read."""

    graph: Annotated[str | Path | None, "CSV of dependencies: source, target, status."] = None
    graph_is: Annotated[str | None, "The graph's edges: causes (source acts on target) or calls (source calls it)."] = (
        None
    )
    time: Time = None
    time_format: TimeFormat = None
    day_first: DayFirst = False
    separator: Annotated[str | None, "What divides entity and metric in a column's name."] = None
    divide_at: Annotated[str | None, "first or last: which of several separators in a name divides it."] = None
    names: Annotated[str | Path | None, "CSV of column, entity, metric."] = None
    step: Annotated[float | None, "Seconds between rows; the median distance otherwise."] = None
    kpi: Annotated[str | None, "The metric that shows the incident, 'entity|metric'."] = None
    onset: Annotated[str | None, "Time of the first abnormal row: a number like those of the file, or an ISO date."] = (
        None
    )
    label: Annotated[str | None, "Column that is 0 in normal rows."] = None
    roots: Annotated[Sequence[str], "An entity that failed; repeatable."] = ()
    unmeasured: Annotated[bool, "Leave out edges of entities that no case measures."] = False
    query: Query = None
    prometheus: Annotated[str | None, "Address of a Prometheus server, in place of files."] = None
    match: Annotated[Sequence[str], "Selector or other PromQL whose series are read; repeatable."] = ()
    start: Annotated[str | None, "First moment read of Prometheus: 2026-11-30T14:00, or seconds."] = None
    end: Annotated[str | None, "Last moment."] = None
    entity_label: Annotated[str | None, "Label that names the entity; service, pod, instance, ... otherwise."] = None
    alert: Annotated[str | None, "Alert whose first firing is the onset."] = None
    replace: Replace = False

    def __post_init__(self) -> None:
        """Refuse a step that is none."""
        _check_step(self.step)


def _check_step(step: float | None) -> None:
    if step is not None and not 0 < step < math.inf:
        raise InputError("the step is a number of seconds above 0", column="step", value=step)


def queried(query: str | None) -> dict[str, str]:
    """Return what is recorded of the statement that a database was read by."""
    return {} if query is None else {"query": redacted(query)}


def with_settings(options: Options, settings: Mapping[str, Any]) -> Options:
    """Return options in which the settings given by keyword take the place of those of that name.

    Raises:
        TypeError: No option has that name.
    """
    return replace(options, **settings)
