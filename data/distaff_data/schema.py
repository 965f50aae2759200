"""The warehouse's tables, in one place.

Two kinds of table, both only ever appended to:

* A **log** keeps every version of a row; its view shows the newest row of each key. ``runs`` and ``publications``.
* A **generation** table holds bulk rows, each stamped with the generation that wrote it. Its view shows only rows whose
  generation is *live*: the newest one published for some target. A writer appends its rows under a fresh generation and
  publishes it with one row in ``publications``, written last, so that everything appears at once or not at all.

To change the schema, add tables or columns and raise ``VERSION``. A warehouse written by an older version gains them when
it is opened, with NULL in old rows (:meth:`distaff_data.warehouse.Warehouse.open`). Nothing is ever renamed or retyped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

VERSION = 2

TEXT, REAL, INT, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
SHARES = pa.list_(pa.float32())


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type and what it means."""

    name: str
    type: pa.DataType
    meaning: str


@dataclass(frozen=True)
class Table:
    """One table. ``key`` names the columns whose newest row a log's view shows; None marks a generation table."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] | None = None
    arrow: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrow", pa.schema([(c.name, c.type) for c in self.columns]))


_GENERATION = Column("generation", TEXT, "which write brought the row; only live generations are shown")
_DATASET = Column("dataset", TEXT, "the dataset's name")
_RUN = Column("run", TEXT, "the run's id")
_WRITTEN = Column("written_at", TIME, "when the row was appended; the newest row of a key counts")

_TABLES = (
    Table(
        "publications",
        "what is live: the newest generation of each target, or none when the target was dropped",
        (
            Column("target", TEXT, "what was published, such as 'dataset/ml-100k' or 'recommendations/RUN'"),
            Column("generation", TEXT, "the live generation; NULL when the target was dropped"),
            _WRITTEN,
        ),
        key=("target",),
    ),
    Table(
        "runs",
        "one fit of a model on a dataset with one seed",
        (
            _RUN,
            Column("model", TEXT, "registry name"),
            Column("control", FLAG, "true for cheap models that others are shown beside"),
            _DATASET,
            Column("dataset_generation", TEXT, "the generation of the dataset that was fitted"),
            Column("seed", INT, "seed of every random draw"),
            Column("status", TEXT, "running, done, failed or interrupted"),
            Column("config", TEXT, "the whole configuration, defaults included, as JSON"),
            Column("settings", TEXT, "the part of the configuration that differs from the defaults, as JSON"),
            Column("device", TEXT, "cpu or cuda"),
            Column("threads", INT, "CPU threads used"),
            Column("version", TEXT, "Distaff's version"),
            Column("process", INT, "id of the process that fits it"),
            Column("started_at", TIME, "start of the fit"),
            Column("seconds", REAL, "wall seconds of fitting and evaluation"),
            Column("message", TEXT, "what went wrong, when something did"),
            _WRITTEN,
        ),
        key=("run",),
    ),
    Table(
        "datasets",
        "named, ingested data",
        (
            _GENERATION,
            _DATASET,
            Column("kind", TEXT, "interactions, series or incidents"),
            Column("source", TEXT, "the files it came from"),
            Column("settings", TEXT, "how it was read, filtered and split, as JSON"),
            Column("facts", TEXT, "counts found while reading, as JSON"),
            Column("created_at", TIME, "when it was ingested"),
        ),
    ),
    Table(
        "interactions",
        "who took what, once per user and item",
        (
            _GENERATION,
            _DATASET,
            Column("user_id", TEXT, "the user's own id"),
            Column("item_id", TEXT, "the item's own id"),
            Column("rating", REAL, "rating or weight, when the file has one"),
            Column("time", REAL, "time stamp in seconds since 1970, when the file has one"),
            Column("split", TEXT, "train, valid or test"),
        ),
    ),
    Table(
        "users",
        "users that occur in the interactions",
        (
            _GENERATION,
            _DATASET,
            Column("user_id", TEXT, "the user's own id"),
            Column("position", INT, "row of the user in every model of this dataset"),
            Column("n_train", INT, "training interactions; 0 marks a cold user"),
        ),
    ),
    Table(
        "items",
        "items that occur in the interactions",
        (
            _GENERATION,
            _DATASET,
            Column("item_id", TEXT, "the item's own id"),
            Column("position", INT, "column of the item in every model of this dataset"),
            Column("n_train", INT, "training interactions; 0 marks a cold item"),
        ),
    ),
    Table(
        "attributes",
        "what is known about users and items: genres, tags, titles, text",
        (
            _GENERATION,
            _DATASET,
            Column("entity", TEXT, "user or item"),
            Column("id", TEXT, "the user's or item's own id"),
            Column("name", TEXT, "attribute, such as genre; 'title' is what people are shown"),
            Column("value", TEXT, "one value; several values of one attribute are several rows"),
        ),
    ),
    Table(
        "truths",
        "the planted truth of a generated dataset: shares of each true factor per user, item",
        (
            _GENERATION,
            _DATASET,
            Column("entity", TEXT, "user or item"),
            Column("id", TEXT, "the user's or item's own id"),
            Column("shares", SHARES, "share of each planted factor, summing to 1"),
        ),
    ),
    Table(
        "truth_events",
        "the planted intent behind each generated interaction",
        (
            _GENERATION,
            _DATASET,
            Column("user_id", TEXT, "the user's own id"),
            Column("item_id", TEXT, "the item's own id"),
            Column("intent", INT, "the planted intent that chose the item; -1 for noise and conformity"),
        ),
    ),
    Table(
        "channels",
        "what the series of a dataset measure",
        (
            _GENERATION,
            _DATASET,
            Column("channel", TEXT, "the channel's name"),
            Column("position", INT, "its place in readings.values, from 0"),
            Column("measured", REAL, "share of the readings in which it was measured"),
            Column("mean", REAL, "mean of what was measured in training rows"),
            Column("std", REAL, "standard deviation of what was measured in training rows"),
        ),
    ),
    Table(
        "entities",
        "sensors, subjects, recordings or labelled windows: whatever has a series of its own",
        (
            _GENERATION,
            _DATASET,
            Column("entity", TEXT, "the entity's own id"),
            Column("position", INT, "its place in every model of this dataset"),
            Column("group", TEXT, "what it belongs to, such as a subject; NULL where unknown"),
            Column("label", TEXT, "its class; NULL where it has none"),
            Column("length", INT, "its readings"),
        ),
    ),
    Table(
        "readings",
        "series, a row each moment of an entity; values[i] belongs to the channel at position i - 1",
        (
            _GENERATION,
            _DATASET,
            Column("entity", TEXT, "the entity's own id"),
            Column("row", INT, "place within the dataset, rising with time within an entity"),
            Column("time", REAL, "seconds since 1970, or the row's number where the source has no time"),
            Column("split", TEXT, "train, valid or test"),
            Column("values", SHARES, "one value a channel, NaN where missing"),
        ),
    ),
    Table(
        "truth_factors",
        "the planted factors behind each window of generated series",
        (
            _GENERATION,
            _DATASET,
            Column("entity", TEXT, "the window's own id"),
            Column("factor", TEXT, "the factor's name"),
            Column("value", REAL, "its value; categories are numbered"),
        ),
    ),
    Table(
        "metrics",
        "what a run scored, over all users",
        (
            _GENERATION,
            _RUN,
            Column("split", TEXT, "valid or test"),
            Column("metric", TEXT, "such as recall@20"),
            Column("value", REAL, "mean over the evaluated users, windows or cases"),
        ),
    ),
    Table(
        "unit_metrics",
        "what a run scored for each user, window or case, kept for paired tests",
        (
            _GENERATION,
            _RUN,
            Column("split", TEXT, "valid or test"),
            Column("unit", TEXT, "own id of the user, window or case"),
            Column("metric", TEXT, "such as recall@20"),
            Column("value", REAL, "the unit's value"),
        ),
    ),
    Table(
        "history",
        "the course of a run: losses and validation metrics by epoch",
        (
            _GENERATION,
            _RUN,
            Column("epoch", INT, "1-based epoch"),
            Column("name", TEXT, "loss or metric"),
            Column("value", REAL, "its value after that epoch"),
        ),
    ),
    Table(
        "recommendations",
        "the published top-k lists",
        (
            _GENERATION,
            _RUN,
            Column("user_id", TEXT, "the user's own id"),
            Column("rank", INT, "1-based rank in the user's list"),
            Column("item_id", TEXT, "the item's own id"),
            Column("score", pa.float32(), "the model's score; comparable within one user"),
        ),
    ),
    Table(
        "embeddings",
        "what a run makes of each window",
        (
            _GENERATION,
            _RUN,
            Column("level", TEXT, "instance: one vector a window; timestamp: one a patch"),
            Column("entity", TEXT, "the entity's own id"),
            Column("channel", TEXT, "the channel, where a model embeds each on its own; NULL otherwise"),
            Column("start", REAL, "time of the window's first row"),
            Column("patch", INT, "0-based patch of the window; NULL at instance level"),
            Column("values", SHARES, "the vector"),
        ),
    ),
    Table(
        "forecasts",
        "what a run expects after the last reading of each entity",
        (
            _GENERATION,
            _RUN,
            Column("entity", TEXT, "the entity's own id"),
            Column("channel", TEXT, "the channel"),
            Column("step", INT, "rows ahead, from 1"),
            Column("time", REAL, "time of the forecast row"),
            Column("value", REAL, "the forecast, in the channel's own unit"),
            Column("low", REAL, "lower end of the interval"),
            Column("high", REAL, "upper end of the interval"),
        ),
    ),
    Table(
        "classifications",
        "what a run takes each window for",
        (
            _GENERATION,
            _RUN,
            Column("entity", TEXT, "the window's own id"),
            Column("split", TEXT, "train, valid or test"),
            Column("label", TEXT, "its true class; NULL where unknown"),
            Column("predicted", TEXT, "the likeliest class"),
            Column("probability", REAL, "that class's probability"),
        ),
    ),
    Table(
        "factors",
        "the factors of a run and their evidence",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "0-based id, stable within the run"),
            Column("name", TEXT, "name from attributes, or 'unnamed'"),
            Column("activity", REAL, "mean share over users: how much behaviour the factor carries"),
            Column("effect", REAL, "share of the top-20 lists' items that leave when the factor is removed"),
            Column("stability", REAL, "match with the same model's factors under other seeds; NULL with one seed"),
            Column("purity", REAL, "share of the commonest attribute value among the top items"),
            Column("popularity", REAL, "rank correlation of item membership with log popularity"),
            Column("user_activity", REAL, "rank correlation of user share with log activity"),
            Column("warnings", pa.list_(TEXT), "reasons not to trust the factor as it stands"),
        ),
    ),
    Table(
        "factor_members",
        "the items of each factor",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "the factor's id"),
            Column("item_id", TEXT, "the item's own id"),
            Column("rank", INT, "1-based rank by relevance at lambda 0.3"),
            Column("relevance", REAL, "lambda * log p(item|factor) + (1 - lambda) * log lift"),
            Column("probability", REAL, "p(item | factor)"),
            Column("lift", REAL, "p(item | factor) / p(item)"),
        ),
    ),
    Table(
        "factor_attributes",
        "which attribute values a factor's items share more than chance",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "the factor's id"),
            Column("name", TEXT, "attribute"),
            Column("value", TEXT, "attribute value"),
            Column("share", REAL, "the value's share of the factor's mass"),
            Column("lift", REAL, "that share over the value's share of all training mass"),
            Column("q_value", REAL, "false-discovery-adjusted p value of the lift"),
        ),
    ),
    Table(
        "loadings",
        "how much of each factor is in each user and item",
        (
            _GENERATION,
            _RUN,
            Column("entity", TEXT, "user or item"),
            Column("id", TEXT, "the user's or item's own id"),
            Column("shares", SHARES, "share of each factor, summing to 1"),
        ),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
