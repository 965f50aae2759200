"""The graph of incidents from a table of ``source`` and ``target``, and maybe whether an edge is known or forbidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import polars as pl

from distaff_data.datasets.incidents import Case, Edge, entity_of
from distaff_data.errors import InputError
from distaff_data.ingest.columns import find_column, first_named
from distaff_data.ingest.incident_tables import read_table, texts_of

_STATUS = {"known": True, "true": True, "1": True, "forbidden": False, "false": False, "0": False}


def graph_nodes(path: Path) -> Set[str]:
    """Return the names that a graph's edges begin or end at, and their entities."""
    table = read_table(path)
    names = {
        str(n) for role in ("source", "target") for n in texts_of(table, find_column(path, table.column_names, role))
    }
    return names | {entity_of(name) for name in names}


def read_graph(path: Path, cases: Sequence[Case], unmeasured: bool) -> tuple[Edge, ...]:
    """Return the edges, each once; with ``unmeasured`` without those whose ends no case measures.

    Raises:
        InputError: An end that no case measures, or an edge whose status is none or is both.
    """
    table = read_table(path)
    source, target = (find_column(path, table.column_names, role) for role in ("source", "target"))
    status = first_named(table.column_names, ("status", "known"))
    measured = {column for case in cases for column in case.columns}
    measured |= {entity_of(column) for column in measured}
    words = texts_of(table, status) if status else pl.lit("known")
    exists = pl.col("word").str.strip_chars().str.to_lowercase().replace_strict(_STATUS, default=None)
    edges = (
        pl.DataFrame({"source": texts_of(table, source), "target": texts_of(table, target)})
        .with_row_index("line", 2)
        .with_columns(pl.col("source", "target").is_in(list(measured)).fill_null(False).name.prefix("has_"), word=words)
        .with_columns(known=exists)
    )
    if unmeasured:
        edges = edges.filter("has_source", "has_target")
    differs = pl.col("known") != pl.col("known").first().over("source", "target")
    refused = edges.with_columns(differs=differs).filter(
        ~pl.col("has_source") | ~pl.col("has_target") | pl.col("known").is_null() | pl.col("differs")
    )
    if not refused.is_empty():
        _refuse_edge(path, refused.row(0, named=True), source, target, status)
    distinct = edges.unique(["source", "target"], keep="first", maintain_order=True)
    return tuple(Edge(*row) for row in distinct.select("source", "target", "known").iter_rows())


def _refuse_edge(path: Path, edge: Mapping[str, Any], source: str, target: str, status: str | None) -> None:
    """Raise what is wrong with an edge, the first that cannot be read."""
    for role, column in (("source", source), ("target", target)):
        if not edge[f"has_{role}"]:
            message = "no case measures an entity or metric of that name; leave such edges out with --unmeasured"
            raise InputError(message, path=path, line=edge["line"], column=column, value=edge[role])
    if edge["known"] is None:
        raise InputError(
            "an edge is known or forbidden", path=path, line=edge["line"], column=status, value=edge["word"]
        )
    pair = f"{edge['source']} -> {edge['target']}"
    raise InputError("the edge is both known and forbidden", path=path, line=edge["line"], value=pair)
