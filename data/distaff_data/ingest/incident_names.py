"""Names of metrics as ``entity|metric``: divided where one can tell, refused where one cannot, or as a table says."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path

import polars as pl

from distaff_data.datasets.incidents import entity_of
from distaff_data.errors import InputError
from distaff_data.ingest.columns import find_column
from distaff_data.ingest.incident_tables import read_table, texts_of

_DIVIDERS = ("/", ".", ":", "_")
DIVIDE_AT = ("first", "last")
_ROLES = ("column", "entity", "metric")  # of a table of names


def divided_names(
    path: Path, names: Sequence[str], separator: str | None, at: str | None, nodes: Set[str]
) -> dict[str, str]:
    """Return ``entity|metric`` of each column's name.

    Raises:
        InputError: A name can be divided in several places, and nothing tells where.
    """
    first, last = ({name: full_name(name, separator, place) for name in names} for place in DIVIDE_AT)
    unclear = [name for name in names if first[name] != last[name]]
    if not unclear or at is not None:
        return first if at == "first" else last
    sure = {entity_of(first[name]) for name in names if name not in unclear}
    for entities in (nodes, sure):
        fit = [r for r in (first, last) if all(entity_of(r[name]) in entities for name in unclear)]
        if len(fit) == 1:
            return fit[0]
    name = unclear[0]
    raise InputError(
        f"this may be {first[name]} or {last[name]}; say which with --divide-at first or last, name columns entity|metric, "
        "or give a table of names with --names",
        path=path,
        column=name,
    )


def full_name(name: str, separator: str | None, at: str = "last") -> str:
    """Return ``entity|metric`` of a name, divided at the first or the last of its dividers."""
    if separator is None and "|" in name:
        return name
    divider = separator or next((d for d in _DIVIDERS if d in name.strip(d)), None)
    entity, _, metric = (name.partition if at == "first" else name.rpartition)(divider) if divider else ("", "", name)
    return f"{entity}|{metric}" if entity and metric else f"{name}|value"


def read_names(path: str | Path | None) -> dict[str, str]:
    """Return ``entity|metric`` by column from a table of names; nothing where there is none.

    Raises:
        InputError: The table cannot be read, or has gaps.
    """
    if path is None:
        return {}
    table = read_table(Path(path))
    columns = [find_column(Path(path), table.column_names, role) for role in _ROLES]
    names = pl.DataFrame({role: texts_of(table, column) for role, column in zip(_ROLES, columns, strict=True)})
    gaps = names.select(pl.any_horizontal(pl.all().fill_null("").str.strip_chars() == "").arg_true()).to_series()
    if len(gaps):
        raise InputError("column, entity and metric all have a name", path=path, line=int(gaps[0]) + 2)
    return dict(names.select("column", pl.format("{}|{}", "entity", "metric")).iter_rows())
