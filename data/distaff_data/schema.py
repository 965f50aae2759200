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

VERSION = 6

TEXT, REAL, INT, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
SHARES, REALS, TEXTS = pa.list_(pa.float32()), pa.list_(REAL), pa.list_(TEXT)


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type and what it means. ``person`` marks what holds a person's own id."""

    name: str
    type: pa.DataType
    meaning: str
    person: bool = False


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

    @property
    def person(self) -> str | None:
        """The column with a person's own id: where ``entity`` is user, in a table that has that column."""
        return next((column.name for column in self.columns if column.person), None)


_GENERATION = Column("generation", TEXT, "which write brought the row; only live generations are shown")
_DATASET = Column("dataset", TEXT, "the dataset's name")
_RUN = Column("run", TEXT, "the run's id")
_STUDY = Column("study", TEXT, "the sweep's name")
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
            Column(
                "status",
                TEXT,
                "running, done, failed, interrupted, pruned (a trial that its sweep ended early), or retired",
            ),
            Column("config", TEXT, "the whole configuration, defaults included, as JSON"),
            Column("settings", TEXT, "the part of the configuration that differs from the defaults, as JSON"),
            Column("device", TEXT, "cpu or cuda"),
            Column("threads", INT, "CPU threads used"),
            Column("version", TEXT, "Distaff's version"),
            Column("process", INT, "id of the process that fits it"),
            Column("started_at", TIME, "start of the fit"),
            Column("seconds", REAL, "wall seconds of fitting and evaluation"),
            Column("message", TEXT, "what went wrong, when something did"),
            Column("study", TEXT, "the sweep whose trial it is; NULL for a run of its own, which boards show"),
            Column("trial", INT, "0-based number of the trial in its study"),
            _WRITTEN,
        ),
        key=("run",),
    ),
    Table(
        "studies",
        "sweeps: the search for a model's best configuration on a dataset",
        (
            _STUDY,
            Column("model", TEXT, "registry name"),
            _DATASET,
            Column("dataset_generation", TEXT, "the generation of the dataset that is fitted"),
            Column(
                "metrics", pa.list_(TEXT), "the objectives, measured on validation; the first chooses the best trial"
            ),
            Column("lower_is_better", pa.list_(FLAG), "for each objective"),
            Column("space", TEXT, "what is changed: choices, or low, high and log, by setting, as JSON"),
            Column("settings", TEXT, "what is fixed, where it differs from the defaults, as JSON"),
            Column("sampler", TEXT, "what proposes configurations, with its library's version"),
            Column("pruner", TEXT, "what ends poor trials early"),
            Column("seed", INT, "seed of every trial, and of the proposals"),
            Column("trials", INT, "how many trials were asked for"),
            Column("status", TEXT, "running, done or interrupted"),
            Column("best", INT, "number of the best trial; NULL when none was completed"),
            Column("runs", pa.list_(TEXT), "runs of the best configuration, one a seed"),
            _WRITTEN,
        ),
        key=("study",),
    ),
    Table(
        "trials",
        "configurations that sweeps tried",
        (
            _STUDY,
            Column("trial", INT, "0-based number"),
            Column("state", TEXT, "complete, pruned, failed, or lost: its process is gone, and it is tried again"),
            _RUN,
            Column("settings", TEXT, "the proposed settings, as JSON"),
            Column("metrics", TEXT, "the objectives it reached on validation, as JSON"),
            Column("retry_of", INT, "the lost trial that it repeats"),
            Column("started_at", TIME, "start of the trial"),
            Column("seconds", REAL, "wall seconds"),
            Column("message", TEXT, "what went wrong, when something did"),
            _WRITTEN,
        ),
        key=("study", "trial"),
    ),
    Table(
        "promotions",
        "which run a name such as champion stood for, from when on; the last row of an alias counts",
        (
            Column("alias", TEXT, "the name"),
            Column("promotion", INT, "1-based number of the change to this alias"),
            _RUN,
            Column("action", TEXT, "promote or rollback"),
            _WRITTEN,
        ),
        key=("alias", "promotion"),
    ),
    Table(
        "executions",
        "scheduled batch scorings that were due",
        (
            Column("execution", TEXT, "the execution's id"),
            Column("job", TEXT, "the job's name in distaff.toml"),
            Column("model", TEXT, "the run or alias that the job names"),
            Column("run", TEXT, "the run that it stood for; NULL when nothing was found"),
            Column("due_at", TIME, "the time it was due; of several missed ones the last"),
            Column("missed", INT, "earlier times that this execution makes up for"),
            Column("started_at", TIME, "start"),
            Column("seconds", REAL, "wall seconds, waits between attempts included"),
            Column("attempts", INT, "how many times it was tried"),
            Column("status", TEXT, "added (the job's begin), running, done, failed or interrupted"),
            Column("exit_status", INT, "0 done, 2 the job is wrong, 1 anything else; NULL while running"),
            Column("users", INT, "users scored"),
            Column("rows", INT, "rows published"),
            Column("message", TEXT, "what went wrong, when something did"),
            Column("process", INT, "id of the process"),
            _WRITTEN,
        ),
        key=("execution",),
    ),
    Table(
        "forgettings",
        "requests to forget people: what was asked for, and how far it has come",
        (
            Column("forgetting", TEXT, "the request's id"),
            _DATASET,
            Column("subjects", TEXTS, "the people: keyed hashes of their ids, whose key is in the workspace"),
            Column("status", TEXT, "begun, or done: nothing but retraining is left"),
            Column("requested_at", TIME, "when it was asked for"),
            Column("completed_at", TIME, "when it was done"),
            Column("rows", INT, "rows of tables that went away"),
            Column("files", INT, "files outside the tables that were removed or rewritten"),
            _WRITTEN,
        ),
        key=("forgetting",),
    ),
    Table(
        "forgotten_models",
        "fitted models that people were taken out of",
        (
            Column("forgetting", TEXT, "the request's id"),
            _RUN,
            Column("method", TEXT, "downdate or refit: what training without them gives; rows: their vectors only"),
            Column("status", TEXT, "done; queued or failed: to be trained again; replaced: it was"),
            Column("replacement", TEXT, "the run that was trained without them"),
            Column("own_before", REAL, "AUC of telling their training items from held-out ones by their own scores"),
            Column("before", REAL, "the same by scores of the rest of their history, before"),
            Column("after", REAL, "the same afterwards; 0.5 is a guess"),
            Column("low", REAL, "lower end of the 95 % interval of after"),
            Column("high", REAL, "upper end of it"),
            Column("pairs", INT, "items attacked"),
            Column("message", TEXT, "what else is to be known"),
            _WRITTEN,
        ),
        key=("forgetting", "run"),
    ),
    Table(
        "drifts",
        "how far the data at a scoring is from the data that the run was fitted to",
        (
            Column("drift", TEXT, "the comparison's id"),
            _RUN,
            _DATASET,
            Column("execution", TEXT, "the scheduled execution; NULL for a scoring by hand"),
            Column("part", TEXT, "what is compared: items, activity, factors or channels"),
            Column("name", TEXT, "which channel; empty where it is one distribution"),
            Column("measure", TEXT, "psi, total variation, shift of the mean, or ratio of the spreads"),
            Column("value", REAL, "how far"),
            Column("limit", REAL, "what sampling alone, and changes too small to matter, stay below"),
            Column("drifted", FLAG, "whether the value is above the limit"),
            Column("detail", TEXT, "what moved most"),
            _WRITTEN,
        ),
        key=("drift", "part", "name", "measure"),
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
            Column("user_id", TEXT, "the user's own id", person=True),
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
            Column("user_id", TEXT, "the user's own id", person=True),
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
            Column("id", TEXT, "the user's or item's own id", person=True),
            Column("name", TEXT, "attribute, such as genre; 'title' is what people are shown"),
            Column("value", TEXT, "one value; several values of one attribute are several rows"),
        ),
    ),
    Table(
        "texts",
        "what is written about users and items: descriptions and other running text",
        (
            _GENERATION,
            _DATASET,
            Column("entity", TEXT, "user or item"),
            Column("id", TEXT, "the user's or item's own id", person=True),
            Column("name", TEXT, "which text, such as description"),
            Column("text", TEXT, "the text"),
        ),
    ),
    Table(
        "vectors",
        "feature vectors of users and items, such as embeddings of text and images",
        (
            _GENERATION,
            _DATASET,
            Column("entity", TEXT, "user or item"),
            Column("id", TEXT, "the user's or item's own id", person=True),
            Column("name", TEXT, "the modality, such as text or image"),
            Column("vector", SHARES, "the vector; one length for each name"),
        ),
    ),
    Table(
        "truths",
        "the planted truth of a generated dataset: shares of each true factor per user, item",
        (
            _GENERATION,
            _DATASET,
            Column("entity", TEXT, "user or item"),
            Column("id", TEXT, "the user's or item's own id", person=True),
            Column("shares", SHARES, "share of each planted factor, summing to 1"),
        ),
    ),
    Table(
        "truth_events",
        "the planted intent behind each generated interaction",
        (
            _GENERATION,
            _DATASET,
            Column("user_id", TEXT, "the user's own id", person=True),
            Column("item_id", TEXT, "the item's own id"),
            Column("intent", INT, "the planted intent that chose the item; -1 for noise and conformity"),
        ),
    ),
    Table(
        "cases",
        "incidents, one row each: what is known of the failure, and the time stamps of its metrics",
        (
            _GENERATION,
            _DATASET,
            Column("case", TEXT, "the incident's own id"),
            Column("position", INT, "its place in the dataset"),
            Column("group", TEXT, "what it is reported with, such as a scenario"),
            Column("onset", REAL, "time of the first abnormal row in seconds; NULL where unknown"),
            Column("kpi", TEXT, "the key performance indicator, written 'entity|metric'; NULL where there is none"),
            Column("roots", TEXTS, "the entities that failed; empty where unknown"),
            Column("root_metrics", TEXTS, "the metrics that failed; empty where unknown"),
            Column("visible", FLAG, "false for a fault that does not reach the KPI"),
            Column("times", REALS, "time stamps in seconds, rising"),
        ),
    ),
    Table(
        "measurements",
        "the metrics of each incident, one row a metric; unnest(values) lines up with unnest(cases.times)",
        (
            _GENERATION,
            _DATASET,
            Column("case", TEXT, "the incident's own id"),
            Column("position", INT, "the metric's place in the case"),
            Column("entity", TEXT, "the entity that was measured"),
            Column("metric", TEXT, "full name, 'entity|metric'"),
            Column("values", REALS, "one value a time stamp as measured, NaN where missing"),
        ),
    ),
    Table(
        "dependencies",
        "what people know about which entity or metric depends on which; pairs not listed are unknown",
        (
            _GENERATION,
            _DATASET,
            Column("source", TEXT, "the cause: an entity, or a metric written 'entity|metric'"),
            Column("target", TEXT, "the effect, likewise"),
            Column("known", FLAG, "true: the edge exists; false: it cannot"),
        ),
    ),
    Table(
        "truth_edges",
        "the planted dependencies of a generated incident dataset, in both states of each case",
        (
            _GENERATION,
            _DATASET,
            Column("case", TEXT, "the incident's own id"),
            Column("source", TEXT, "metric that causes"),
            Column("target", TEXT, "metric that is caused"),
            Column("lag", INT, "rows between cause and effect"),
            Column("state", TEXT, "kept in both states, gone from the onset on, or new from then on"),
            Column("weight", REAL, "effect in standard deviations of the noise"),
        ),
    ),
    Table(
        "diagnoses",
        "what a run or a watch says of each incident",
        (
            _GENERATION,
            _RUN,
            Column("case", TEXT, "the incident's own id"),
            Column("trigger", REAL, "when it began, in seconds, given or detected; NULL where no onset was found"),
            Column("alarms", REALS, "every alarm, in seconds"),
            Column("converged", FLAG, "whether ranking and graph had come to rest; NULL for replayed cases"),
        ),
    ),
    Table(
        "causes",
        "the ranked causes of each incident and what speaks for them",
        (
            _GENERATION,
            _RUN,
            Column("case", TEXT, "the incident's own id"),
            Column("rank", INT, "1-based rank"),
            Column("entity", TEXT, "the entity to blame"),
            Column("metric", TEXT, "its metric to blame, 'entity|metric'"),
            Column("score", REAL, "what the ranking is by; comparable within one case"),
            Column("own", REAL, "how far the metric is from its own normal"),
            Column("propagated", REAL, "the part of the score that came by the causal graph"),
            Column("onset", REAL, "when the metric left its normal, in seconds; NULL where it did not"),
            Column("path", TEXTS, "metrics from the cause to the KPI"),
            Column("new_edges", TEXTS, "edges on the path that the normal state does not have"),
        ),
    ),
    Table(
        "cause_edges",
        "the causal graph of each incident",
        (
            _GENERATION,
            _RUN,
            Column("case", TEXT, "the incident's own id"),
            Column("source", TEXT, "metric that causes"),
            Column("target", TEXT, "metric that is caused"),
            Column("part", TEXT, "invariant: in both states; dependent: new or changed with the incident"),
            Column("weight", REAL, "strength, 0 to 1"),
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
            Column("unit", TEXT, "own id of the user, window or case", person=True),
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
            Column("user_id", TEXT, "the user's own id", person=True),
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
        "anomalies",
        "how surprising a run finds rows of its dataset, or windows where each entity is one",
        (
            _GENERATION,
            _RUN,
            Column("entity", TEXT, "the entity's own id"),
            Column("time", REAL, "time of the row, or of the window's first"),
            Column("score", REAL, "mean over channels of squared errors, in training deviations"),
            Column("p_value", REAL, "share of validation rows that score as high, split-conformal"),
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
        "the factors of a run and their evidence: intents of users, or latents of windows",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "0-based id, stable within the run"),
            Column("name", TEXT, "name from attributes, or 'unnamed'"),
            Column("activity", REAL, "mean share over users; or share of the nats that all latents tell of a window"),
            Column(
                "effect",
                REAL,
                "share of the top-20 lists' items that leave when the factor is removed; or of what is decoded that changes",
            ),
            Column("stability", REAL, "match with the same model's factors under other seeds; NULL with one seed"),
            Column("purity", REAL, "share of the commonest attribute value among the top items"),
            Column("popularity", REAL, "rank correlation of item membership with log popularity"),
            Column("user_activity", REAL, "rank correlation of user share with log activity"),
            Column("warnings", pa.list_(TEXT), "reasons not to trust the factor as it stands"),
            Column("state", TEXT, "active, mixed (passive for part of the users) or passive"),
            Column("passive_users", REAL, "share of users, or windows, for whom the factor is passive"),
            Column("badge", TEXT, "stable, split or seed-specific; NULL when no other seed tells"),
            Column("split", REAL, "R2 of a non-negative mix of another seed's factors, median over seeds"),
            Column("subspace", REAL, "R2 of any linear mix of another seed's factors, median over seeds"),
            Column("stability_null", REAL, "match that 95 % of factors stay below when items are shuffled"),
            Column("split_null", REAL, "split that 95 % of factors stay below when items are shuffled"),
            Column("subspace_null", REAL, "subspace that 95 % of factors stay below when items are shuffled"),
            Column("dependence", REAL, "largest bias-corrected squared distance correlation with another factor"),
            Column("dependent_on", INT, "that other factor"),
            Column("effect_property", TEXT, "what moving the factor changes most, beyond chance; NULL when nothing"),
            Column("effect_size", REAL, "that change from the 1 % to the 99 % quantile of the factor's user share"),
            Column("effect_low", REAL, "lower end of the change's 95 % interval"),
            Column("effect_high", REAL, "upper end of the change's 95 % interval"),
            Column("specificity", REAL, "that change over the sum of all changes, in absolute values"),
            Column("segment", TEXT, "the segment of a latent; NULL where latents are not parted, and for intents"),
        ),
    ),
    Table(
        "factor_summaries",
        "what holds for all factors of a run together",
        (
            _GENERATION,
            _RUN,
            Column("factors", INT, "number of factors"),
            Column("effective_per_user", REAL, "mean over users of exp(entropy of the user's mix)"),
            Column("effective_overall", REAL, "exp(entropy of the mean mix)"),
            Column("seeds_compared", INT, "other seeds of the same configuration that gave other factors"),
            Column("active", INT, "latents of a model of series that are not passive; NULL for intents"),
            Column("information", REAL, "nats that all latents tell of a window, on average; NULL for intents"),
        ),
    ),
    Table(
        "factor_effects",
        "what moving a factor from its 1 % to its 99 % quantile does to the lists, or to the windows",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "the factor's id"),
            Column(
                "property",
                TEXT,
                "share of an attribute value in the lists, popularity rank, or list churn; level, slope, amplitude, period "
                "or variance of windows, in units of its deviation over windows",
            ),
            Column("effect", REAL, "mean change over users or windows"),
            Column("low", REAL, "lower end of its 95 % paired bootstrap interval"),
            Column("high", REAL, "upper end of its 95 % paired bootstrap interval"),
            Column("consistency", REAL, "share of steps along the ladder that go the effect's way"),
            Column("specificity", REAL, "|effect| over the sum of all properties'; NULL for churn"),
            Column("p_value", REAL, "against the control with swapped ends, over all properties at once"),
            Column("holds", FLAG, "more than the control gives, and the interval leaves out 0"),
        ),
    ),
    Table(
        "factor_ladders",
        "properties of the lists or windows at each rung that a factor is moved to",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "the factor's id"),
            Column("property", TEXT, "as in factor_effects; those with the largest effects"),
            Column("rung", INT, "0-based, from low to high"),
            Column("label", TEXT, "quantile of the user share or latent, or distance from its mean"),
            Column("level", REAL, "share of the factor that users are moved to, or value of the latent"),
            Column("out_of_range", FLAG, "true where no user's share is as far out"),
            Column("value", REAL, "mean over users or windows"),
            Column("low", REAL, "lower end of its 95 % bootstrap interval"),
            Column("high", REAL, "upper end of its 95 % bootstrap interval"),
        ),
    ),
    Table(
        "factor_stability",
        "each factor beside the factors of another seed",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "the factor's id"),
            Column("other_run", TEXT, "run of the same configuration with another seed"),
            Column("partner", INT, "its one-to-one partner there; NULL without one"),
            Column("match", REAL, "correlation of their item shares"),
            Column("split", REAL, "R2 of a non-negative mix of all factors there"),
            Column("subspace", REAL, "R2 of any linear mix of all factors there"),
        ),
    ),
    Table(
        "factor_dependences",
        "the factors that each factor depends on most",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "the factor's id"),
            Column("other", INT, "another factor"),
            Column("dependence", REAL, "bias-corrected squared distance correlation of their user shares"),
            Column("correlation", REAL, "rank correlation of their user shares, for the direction"),
        ),
    ),
    Table(
        "factor_examples",
        "users and items, or windows, by how much of a factor they hold: the top, then quantile bands",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "the factor's id"),
            Column("entity", TEXT, "user, item or window"),
            Column("band", INT, "0: the top; 1 the highest to 10 the lowest tenth"),
            Column("band_low", REAL, "smallest share in the band"),
            Column("band_high", REAL, "largest share in the band"),
            Column("rank", INT, "1-based rank by share within the band's examples"),
            Column("id", TEXT, "the user's or item's own id", person=True),
            Column("share", REAL, "its share of the factor"),
        ),
    ),
    Table(
        "factor_histograms",
        "how many users and items hold how much of a factor",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "the factor's id"),
            Column("entity", TEXT, "user or item"),
            Column("bin", INT, "0-based, from low to high"),
            Column("low", REAL, "left end of the bin, as a share"),
            Column("high", REAL, "right end of the bin"),
            Column("count", INT, "users or items in it"),
        ),
    ),
    Table(
        "factor_notes",
        "what analysts say about factors, apart from the model and carried over to later runs",
        (
            _RUN,
            Column("factor", INT, "the factor's id"),
            Column("name", TEXT, "the analyst's own name; NULL for none"),
            Column("note", TEXT, "the analyst's note; NULL for none"),
            Column("merged_into", INT, "the factor it is shown with; NULL for itself"),
            Column("hidden", FLAG, "left out of lists of factors"),
            Column("origin", TEXT, "RUN/FACTOR where it was first written"),
            Column("match", REAL, "correlation with that factor when it was carried over; NULL at the origin"),
            Column("signature_items", pa.list_(TEXT), "items that the factor is recognised by"),
            Column("signature", SHARES, "those items' shares of the factor"),
            _WRITTEN,
        ),
        key=("run", "factor"),
    ),
    Table(
        "blind_spots",
        "each factor's share of what people took and of what they are shown",
        (
            _GENERATION,
            _RUN,
            Column("cohort", TEXT, "'everyone', a user attribute's value, or a third of the users by activity"),
            Column("factor", INT, "the factor's id"),
            Column("data_share", REAL, "mean posterior share over held-out interactions"),
            Column(
                "list_share", REAL, "mean posterior share over top-20 lists, each as often as its user has interactions"
            ),
            Column("ratio", REAL, "list share over data share"),
            Column("low", REAL, "lower end of the ratio's 95 % bootstrap interval over users"),
            Column("high", REAL, "upper end of the ratio's 95 % bootstrap interval over users"),
            Column("finding", TEXT, "suppressed, exaggerated or NULL"),
        ),
    ),
    Table(
        "blind_spot_cohorts",
        "how far the lists of a cohort are from what it takes",
        (
            _GENERATION,
            _RUN,
            Column("cohort", TEXT, "as in blind_spots"),
            Column("users", INT, "users with held-out interactions in the cohort"),
            Column("kl", REAL, "Kullback-Leibler divergence of the lists' shares from the data's, in nats"),
            Column("split", TEXT, "whose interactions are the data"),
            Column("lens", TEXT, "run whose factors are counted"),
        ),
    ),
    Table(
        "blind_spot_examples",
        "users whose lists are furthest from what they took, by factor",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "the factor's id"),
            Column("user_id", TEXT, "the user's own id", person=True),
            Column("data_share", REAL, "mean posterior share over the user's interactions"),
            Column("list_share", REAL, "mean posterior share over the user's list"),
        ),
    ),
    Table(
        "calibrations",
        "factors' shares of the lists after re-ranking towards each user's own shares",
        (
            _GENERATION,
            _RUN,
            Column("weight", REAL, "weight of calibration: 0 leaves the lists, 1 ignores the scores"),
            Column("factor", INT, "the factor's id"),
            Column("list_share", REAL, "mean posterior share over the re-ranked lists"),
        ),
    ),
    Table(
        "calibration_costs",
        "what re-ranking towards each user's own shares costs",
        (
            _GENERATION,
            _RUN,
            Column("weight", REAL, "as in calibrations"),
            Column("kl", REAL, "divergence of the lists' shares from the data's, in nats"),
            Column("recall", REAL, "Recall@20 of the re-ranked lists"),
            Column("churn", REAL, "share of the lists' items that are new"),
            Column("users", INT, "users measured on"),
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
        "factor_words",
        "the words of each factor, of models whose factors have words",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "the factor's id"),
            Column("word", TEXT, "the word"),
            Column("rank", INT, "1-based rank by relevance at lambda 0.6"),
            Column("relevance", REAL, "lambda * log p(word|factor) + (1 - lambda) * log lift"),
            Column("probability", REAL, "p(word | factor)"),
            Column("lift", REAL, "p(word | factor) / p(word)"),
        ),
    ),
    Table(
        "loadings",
        "how much of each factor is in each user and item, or window",
        (
            _GENERATION,
            _RUN,
            Column("entity", TEXT, "user, item or window"),
            Column("id", TEXT, "its own id; of a window of a long series ENTITY@ROW", person=True),
            Column("shares", SHARES, "share of each factor, summing to 1; or the mean of each latent"),
        ),
    ),
    Table(
        "leakage",
        "what a linear probe reads from a run's representations of windows, beside chance and shuffled concepts",
        (
            _GENERATION,
            _RUN,
            Column("representation", TEXT, "instance or timestamp vectors, or a segment of latents"),
            Column(
                "concept", TEXT, "class, group, a planted factor, a property of the window, or value and position in it"
            ),
            Column(
                "level", TEXT, "instance: a window has one value of the concept; timestamp: every patch has its own"
            ),
            Column("measure", TEXT, "accuracy of a nominal concept, r2 of a number"),
            Column("score", REAL, "of the probe, on windows it was not fitted to"),
            Column("chance", REAL, "of the commonest class, or of the mean"),
            Column("floor", REAL, "of the same probe when the concept is shuffled over windows"),
            Column("windows", INT, "windows probed: of validation and test, or all where those are few"),
        ),
    ),
    Table(
        "traversals",
        "the window of a run's mean latents as one of them moves",
        (
            _GENERATION,
            _RUN,
            Column("factor", INT, "the latent that moves"),
            Column("rung", INT, "0-based, from low to high; the rungs of factor_ladders"),
            Column("label", TEXT, "quantile of the latent, or distance from its mean"),
            Column("level", REAL, "value of the latent"),
            Column("out_of_range", FLAG, "true where no window's latent is as far out"),
            Column("channel", TEXT, "the channel"),
            Column("values", REALS, "the decoded window, a value a row, in the channel's own unit"),
        ),
    ),
    Table(
        "reconstructions",
        "some windows of a run's data beside what its latents give back",
        (
            _GENERATION,
            _RUN,
            Column("id", TEXT, "the window's id, as in loadings", person=True),
            Column("split", TEXT, "train, valid or test"),
            Column("channel", TEXT, "the channel"),
            Column("measured", REALS, "the window as it was measured, NaN where missing"),
            Column("reconstruction", REALS, "what its mean latents give back"),
            Column("noise", REAL, "deviation of the noise that the model expects around it"),
        ),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
