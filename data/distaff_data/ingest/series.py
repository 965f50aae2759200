"""Files of series into the warehouse: wide and long tables, UEA and UCR archives, arrays of windows.

* A **wide** table has a row a moment and a column a channel, a time column where it has time, and an entity column where it
  holds several series. Columns of labels, groups and splits are read where they are named.
* A **long** table has a row a measurement: time, channel, value, and an entity where it holds several.
* ``.ts`` and ``.arff`` (UEA and UCR) and ``.npz`` hold windows, which mostly have labels; see
  :mod:`distaff_data.ingest.archives`.

Values are checked one by one; the first that cannot be read is refused with its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from distaff_data.datasets.series import Series
from distaff_data.errors import InputError
from distaff_data.ingest.archives import read_arff, read_npz, read_ts
from distaff_data.ingest.columns import common, find_column, plain
from distaff_data.ingest.detect import SPLIT_WORDS, existing_files
from distaff_data.ingest.grid import Arranged, Rows, arrange
from distaff_data.ingest.layout import Layout, layout_of
from distaff_data.ingest.lines import physical_line
from distaff_data.ingest.publish import check_new
from distaff_data.ingest.staging import NO_TIME, SECONDS, time_unit
from distaff_data.splits import SPLITS
from distaff_data.splits.series import default_split, divide, hold_out
from distaff_data.tables.reports import SeriesReport
from distaff_data.tables.series import publish_series
from distaff_data.warehouse import Scratch, identifier, literal
from distaff_data.workspace import Workspace

_ENTITIES = (
    "entity",
    "entityid",
    "series",
    "seriesid",
    "device",
    "deviceid",
    "machine",
    "sensorid",
    "station",
    "uniqueid",
    "site",
    "siteid",
)
_COUNTS = ("second", "seconds", "sec", "t")  # times of recordings, which start at any 0
_CHANNELS = ("channel", "variable", "metric", "sensor", "measurement", "signal", "tag")
_MISSING = "('', 'na', 'n/a', 'nan', 'null', 'none', '?')"
_HELD_OUT = 0.2  # of the training windows, where a source brings train and test but nothing to select on
_ARCHIVES = {".ts": read_ts, ".arff": read_arff, ".npz": read_npz}


@dataclass(frozen=True)
class Columns:
    """Which column is what; None is detected, or does without."""

    time: str | None = None
    entity: str | None = None
    channel: str | None = None
    value: str | None = None
    label: str | None = None
    group: str | None = None
    split: str | None = None
    channels: tuple[str, ...] = ()


def ingest_series(
    workspace: Workspace,
    name: str,
    paths: str | Path | Sequence[str | Path],
    *,
    columns: Columns | None = None,
    step: float | None = None,
    whole: bool = False,
    channels_first: bool = False,
    split: str | None = None,
    seed: int = 0,
    replace: bool = False,
) -> SeriesReport:
    """Load files of series as a dataset.

    Args:
        workspace: Where to.
        name: Name of the dataset.
        paths: One table, or the train and test files of an archive.
        columns: What a table's columns are, where that is not detected.
        step: Seconds between rows; the commonest distance when None.
        whole: Take each entity of a table for one window, as labelled windows are.
        channels_first: Whether windows in ``.npz`` are ``(n, C, T)`` and not ``(n, T, C)``.
        split: See :mod:`distaff_data.splits.series`; the source's own when None, or else what fits the data.
        seed: Seed of a random split.
        replace: Replace a dataset of that name.

    Raises:
        InputError: Something cannot be read or does not fit together; nothing was changed.
    """
    files = existing_files([paths] if isinstance(paths, str | Path) else paths)
    warehouse = workspace.warehouse
    check_new(warehouse, name, replace=replace)
    kind = files[0].suffix.lower()
    if kind in _ARCHIVES:
        found = _ARCHIVES[kind](files, name, channels_first=channels_first)
        arranged, format, given = Arranged(found, 0, True), kind[1:], bool(found.splits.any())
    else:
        if len(files) > 1:
            raise InputError("give one table; several entities go into one, with a column of entities", path=files[1])
        with Scratch(workspace.scratch, files) as scratch:
            arranged, format, given = _read_table(scratch, files[0], name, columns or Columns(), step, whole)
    data, told = _divided(arranged.data, split, given, seed)
    with warehouse.lock(f"dataset/{name}"):
        check_new(warehouse, name, replace=replace)
        return publish_series(
            warehouse,
            data,
            source=", ".join(map(str, files)),
            format=format,
            split=told,
            settings={"seed": seed, "step": step},
            gap_rows=arranged.gap_rows,
            regular=arranged.regular,
        )


def _divided(data: Series, split: str | None, given: bool, seed: int) -> tuple[Series, str]:
    if split is not None or not given:
        spec = split or default_split(data)
        return divide(data, spec, seed), spec
    if not bool(data.rows_of("train").any()):
        raise InputError("the source has no training rows; divide it with --split", column="split")
    if data.whole and not bool(data.rows_of("valid").any()):
        return hold_out(data, _HELD_OUT, seed), f"given, {_HELD_OUT:g} of train held out to validate on"
    return data, "given"


def _read_table(
    scratch: Scratch, path: Path, name: str, chosen: Columns, step: float | None, whole: bool
) -> tuple[Arranged, str, bool]:
    layout = layout_of(path, scratch, None if path.suffix.lower() in (".parquet", ".pq") else "delimited", header=True)
    roles = _roles(layout, chosen)
    long = "channel" in roles
    channels = [roles["value"]] if long else _channels(layout, roles, chosen)
    layout.stage(scratch, "raw", [*(c for role, c in roles.items() if role != "value"), *channels])
    _check(scratch, layout, roles, channels)
    table = scratch.stream(_picked(roles, channels)).read_all()
    if not table.num_rows:
        raise InputError("the file has no rows", path=path)
    rows = _pivoted(layout, table, roles) if long else _rows(table, roles, tuple(channels))

    def where(row: int, role: str) -> Mapping[str, Any]:
        return {"path": path, "line": physical_line(layout, row + 1), "column": roles.get(role, role)}

    if long:  # a row of the pivoted table is none of the file

        def where(row: int, role: str) -> Mapping[str, Any]:
            return {"path": path, "column": roles.get(role, role)}

    return arrange(rows, name, where, step=step, whole=whole), layout.format, rows.split is not None


def _roles(layout: Layout, chosen: Columns) -> dict[str, str]:
    """The column of each role that the file has."""
    path, columns = layout.path, layout.columns
    usual = {
        "time": common("time", columns) or _usual(columns, _COUNTS),
        "entity": _usual(columns, _ENTITIES),
        "channel": _usual(columns, _CHANNELS),
        "value": _usual(columns, ("value", "val")),
    }
    if usual["channel"] is None or usual["value"] is None or chosen.channels:
        usual["channel"] = usual["value"] = None
    roles = {}
    for role in ("time", "entity", "channel", "value", "label", "group", "split"):
        named = getattr(chosen, role)
        found = find_column(path, columns, named) if named else usual.get(role)
        if found is not None and named != "":
            roles[role] = found
    if ("channel" in roles) != ("value" in roles):
        missing = "value" if "channel" in roles else "channel"
        raise InputError(
            f"a long table needs the {missing} as well; name it with --{missing}", path=path, column=missing
        )
    if "channel" in roles and "time" not in roles:
        raise InputError(
            f"a long table needs a time; there are: {', '.join(columns)}; name it with --time", path=path, column="time"
        )
    return roles


def _channels(layout: Layout, roles: Mapping[str, str], chosen: Columns) -> list[str]:
    if chosen.channels:
        return [find_column(layout.path, layout.columns, name) for name in chosen.channels]
    channels = [column for column in layout.columns if column not in roles.values()]
    if not channels:
        raise InputError("the file has no channels besides the time", path=layout.path, line=1)
    return channels


def _check(scratch: Scratch, layout: Layout, roles: Mapping[str, str], channels: Sequence[str]) -> None:
    """Refuse the first row with a value that cannot be read, or a missing time, entity or channel."""
    wrong: list[tuple[str, str, str]] = []
    for role, column in roles.items():
        cell = identifier(column)
        missing = f"({cell} IS NULL OR trim({cell}) = '')"
        seconds = SECONDS.format(cell)
        if role == "time":
            wrong.append((column, f"{missing} OR {seconds} IS NULL OR NOT isfinite({seconds})", NO_TIME))
        elif role == "split":
            words = ", ".join(literal(word) for word in SPLIT_WORDS)
            wrong.append(
                (
                    column,
                    f"{missing} OR lower(trim({cell})) NOT IN ({words})",
                    "no split; they are train, valid, test or 0, 1, 2",
                )
            )
        elif role in ("entity", "channel"):
            wrong.append((column, missing, f"the {role} is missing"))
    for column in channels:
        cell = identifier(column)
        number = f"TRY_CAST({cell} AS DOUBLE)"
        unread = f"{number} IS NULL OR NOT isfinite({number})"
        wrong.append(
            (column, f"{cell} IS NOT NULL AND lower(trim({cell})) NOT IN {_MISSING} AND ({unread})", "not a number")
        )
    firsts = ", ".join(f"min(row) FILTER (WHERE {condition})" for _, condition, _ in wrong)
    found = [
        (row, *what)
        for row, what in zip(scratch.rows(f"SELECT {firsts} FROM raw")[0], wrong, strict=True)
        if row is not None
    ]
    if not found:
        return
    row, column, _, message = min(found, key=lambda entry: int(str(entry[0])))
    value = scratch.value(f"SELECT {identifier(column)} FROM raw WHERE row = ?", [row])
    if column in channels:
        message += "; leave the column out with --channels, or say what it is with --label, --group or --entity"
    line = physical_line(layout, int(str(row)))
    raise InputError(message, path=layout.path, line=line, column=column, value=value)


def _picked(roles: Mapping[str, str], channels: Sequence[str]) -> str:
    """SQL of the checked columns in their types, in the order of the file."""
    texts = [
        f"trim({identifier(roles[role])}) AS {role}"
        for role in ("entity", "channel", "label", "group")
        if role in roles
    ]
    picked = [text.replace(" AS group", ' AS "group"') for text in texts]
    if "time" in roles:
        picked.append(f"{SECONDS.format(identifier(roles['time']))} AS time")
    if "split" in roles:
        words = ", ".join(f"{literal(word)}: {SPLITS.index(split)}" for word, split in SPLIT_WORDS.items())
        picked.append(f"MAP {{{words}}}[lower(trim({identifier(roles['split'])}))]::TINYINT AS split")
    numbers = [f"TRY_CAST({identifier(column)} AS DOUBLE)::FLOAT AS v{i}" for i, column in enumerate(channels)]
    return f"SELECT {', '.join([*picked, *numbers])} FROM raw ORDER BY row"


def _rows(table: pa.Table, roles: Mapping[str, str], channels: tuple[str, ...]) -> Rows:
    values = np.stack([table[f"v{i}"].to_numpy() for i in range(len(channels))], axis=1)
    return Rows(values, channels, **_beside(table, roles))


def _pivoted(layout: Layout, table: pa.Table, roles: Mapping[str, str]) -> Rows:
    """A long table as rows of all channels; refuses a measurement that is there twice."""
    beside = _beside(table, roles)
    channel = table["channel"].combine_chunks().dictionary_encode()
    entity = (
        beside["entity"].dictionary_encode().indices.to_numpy()
        if "entity" in roles
        else np.zeros(table.num_rows, np.int32)
    )
    keys = np.stack([entity.astype(np.float64), beside["time"]], axis=1)
    unique, first, row = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    n_channels = len(channel.dictionary)
    cell = row.ravel() * n_channels + channel.indices.to_numpy()
    order = np.argsort(cell, kind="stable")
    twice = np.flatnonzero(np.diff(cell[order]) == 0)
    if len(twice):
        again = int(order[twice + 1].min())
        line = physical_line(layout, again + 1)
        value = channel[again].as_py()
        raise InputError(
            "this channel was measured at this time already",
            path=layout.path,
            line=line,
            column=roles["channel"],
            value=value,
        )
    values = np.full(len(unique) * n_channels, np.nan, dtype=np.float32)
    values[cell] = table["v0"].to_numpy()
    kept = {
        name: column.take(pa.array(first)) if isinstance(column, pa.Array) else column[first]
        for name, column in beside.items()
        if column is not None
    }
    return Rows(values.reshape(-1, n_channels), tuple(channel.dictionary.to_pylist()), **kept)


def _beside(table: pa.Table, roles: Mapping[str, str]) -> dict[str, Any]:
    texts = {role: table[role].combine_chunks() if role in roles else None for role in ("entity", "label", "group")}
    texts["label"] = None if texts["label"] is None else _blank(texts["label"])
    time = table["time"].to_numpy() if "time" in roles else None
    if time is not None:
        time = time / time_unit(float(np.abs(time).max(initial=0.0)))
    split = table["split"].to_numpy().astype(np.int8) if "split" in roles else None
    return {**texts, "time": time, "split": split}


def _blank(labels: pa.StringArray) -> pa.StringArray:
    return pc.if_else(pc.equal(labels, ""), pa.scalar(None, pa.string()), labels)


def _usual(columns: Sequence[str], names: Sequence[str]) -> str | None:
    by_plain = {plain(column): column for column in reversed(columns)}
    return next((by_plain[name] for name in names if name in by_plain), None)
