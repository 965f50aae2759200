"""Tables of fitted models' results: measures, lists, forecasts, classes, diagnoses."""

from __future__ import annotations

import pyarrow as pa

from distaff_data.schema.columns import FLAG, GENERATION, INT, REAL, REALS, RUN, SHARES, TEXT, TEXTS, Column, Table

TABLES = (
    Table(
        "diagnoses",
        "what a run or a followed stream says of each incident",
        (
            GENERATION,
            RUN,
            Column("case", TEXT, "the incident's own id"),
            Column("trigger", REAL, "when it began, in seconds, given or detected; NULL where no onset was found"),
            Column("alarms", REALS, "every alarm, in seconds"),
            Column("converged", FLAG, "whether ranking and graph had come to rest; NULL for replayed cases"),
            Column("graph", TEXT, "the graph that the ranking is by: given, learned or none; NULL before 0.2"),
            Column("warnings", TEXTS, "what a reader of the ranking has to know; NULL before 0.2"),
            Column("changes", TEXTS, "what changed shortly before the onset; NULL before 0.2"),
            Column(
                "p_value", REAL, "chance of such a case if nothing had happened; NULL where its rows told the onset"
            ),
            Column(
                "likely", TEXTS, "entities that hold the true cause in 9 of 10 cases; empty: not told, NULL: not asked"
            ),
        ),
    ),
    Table(
        "causes",
        "the ranked causes of each incident and what speaks for them",
        (
            GENERATION,
            RUN,
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
            Column("p_value", REAL, "chance of rows so far out if nothing had happened; NULL as in diagnoses"),
        ),
    ),
    Table(
        "cause_edges",
        "the causal graph of each incident",
        (
            GENERATION,
            RUN,
            Column("case", TEXT, "the incident's own id"),
            Column("source", TEXT, "metric that causes"),
            Column("target", TEXT, "metric that is caused"),
            Column("part", TEXT, "invariant: in both states; dependent: new or changed with the incident"),
            Column("weight", REAL, "strength, 0 to 1"),
        ),
    ),
    Table(
        "metrics",
        "what a run scored, over all users",
        (
            GENERATION,
            RUN,
            Column("split", TEXT, "valid or test"),
            Column("metric", TEXT, "such as recall@20"),
            Column("value", REAL, "mean over the evaluated users, windows or cases"),
        ),
    ),
    Table(
        "unit_metrics",
        "what a run scored for each user, window or case, kept for paired tests",
        (
            GENERATION,
            RUN,
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
            GENERATION,
            RUN,
            Column("epoch", INT, "1-based epoch"),
            Column("name", TEXT, "loss or metric"),
            Column("value", REAL, "its value after that epoch"),
        ),
    ),
    Table(
        "recommendations",
        "the published top-k lists",
        (
            GENERATION,
            RUN,
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
            GENERATION,
            RUN,
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
            GENERATION,
            RUN,
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
            GENERATION,
            RUN,
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
            GENERATION,
            RUN,
            Column("entity", TEXT, "the window's own id"),
            Column("split", TEXT, "train, valid or test"),
            Column("label", TEXT, "its true class; NULL where unknown"),
            Column("predicted", TEXT, "the likeliest class"),
            Column("probability", REAL, "that class's probability"),
        ),
    ),
)
