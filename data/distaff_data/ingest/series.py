"""Files of series into the warehouse: wide and long tables, UEA and UCR archives, arrays of windows.

* A **wide** table has a row a moment and a column a channel, a time column where it has time, and an entity column where it
  holds several series. Columns of labels, groups and splits are read where they are named.
* A **long** table has a row a measurement: time, channel, value, and an entity where it holds several.
* ``.ts`` and ``.arff`` (UEA and UCR) and ``.npz`` hold windows, which mostly have labels; see
  :mod:`distaff_data.ingest.archives`.

Values are checked one by one; the first that cannot be read is refused with its line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from distaff_data.datasets.series import Series
from distaff_data.errors import InputError
from distaff_data.frames import to_strings
from distaff_data.ingest.archives import read_arff, read_npz, read_ts
from distaff_data.ingest.columns import common, find_column, first_named
from distaff_data.ingest.detect import SPLIT_WORDS, existing_files
from distaff_data.ingest.frames import covariates_of
from distaff_data.ingest.grid import Arranged, SeriesRows, arrange
from distaff_data.ingest.layout import FileLayout, layout_of
from distaff_data.ingest.lines import physical_line
from distaff_data.ingest.options import SeriesOptions, queried, with_settings
from distaff_data.ingest.publish import check_new
from distaff_data.ingest.times import TimeReader, check_times, dated_columns
from distaff_data.ingest.values import check_room
from distaff_data.sources import Gathered, Inputs, gathered
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
_CELLS = "cells of the channels"  # the column that holds them as a list
_NUMBER = "TRY_CAST(cell AS DOUBLE)"
_WRONG_CELL = (
    f"cell IS NOT NULL AND lower(trim(cell)) NOT IN {{missing}} AND ({_NUMBER} IS NULL OR NOT isfinite({_NUMBER}) OR "
    f"abs({_NUMBER}) > {float(np.finfo(np.float32).max)!r})"
)
_COUNTS = ("second", "seconds", "sec", "t")  # times of recordings, which start at any 0
_CHANNELS = ("channel", "variable", "metric", "sensor", "measurement", "signal", "tag")
_MISSING = "('', 'na', 'n/a', 'nan', 'null', 'none', '?')"
_HELD_OUT = 0.2  # of the training windows, where a source brings train and test but nothing to select on
_ARCHIVES = {".ts": read_ts, ".arff": read_arff, ".npz": read_npz}


def ingest_series(
    workspace: Workspace,
    name: str,
    paths: Inputs,
    options: SeriesOptions | None = None,
    **settings: Any,
) -> SeriesReport:
    """Load files of series as a dataset.

    Args:
        workspace: Where to.
        name: Name of the dataset.
        paths: One table, or the train and test files of an archive; see :mod:`distaff_data.sources` for what is no file.
        options: What a table's columns are, where that is not detected, and how the series are split.
        settings: Single options by name, such as ``time="date"``; see
            :class:`~distaff_data.ingest.options.SeriesOptions`.

    Raises:
        InputError: Something cannot be read or does not fit together; nothing was changed.
    """
    options = with_settings(options or SeriesOptions(), settings)
    check_new(workspace.warehouse, name, replace=options.replace)
    with gathered(workspace.scratch, paths, query=options.query) as found:
        return _ingest(workspace, name, found, options)


def _ingest(workspace: Workspace, name: str, found: Gathered, options: SeriesOptions) -> SeriesReport:
    files = existing_files(found.paths)
    warehouse = workspace.warehouse
    kind = files[0].suffix.lower()
    if kind in _ARCHIVES:
        windows = _ARCHIVES[kind](files, name, channels_first=options.channels_first)
        arranged, format, has_split = Arranged(windows, 0, True), kind[1:], bool(windows.splits.any())
    else:
        if len(files) > 1:
            raise InputError("give one table; several entities go into one, with a column of entities", path=files[1])
        with Scratch(workspace.scratch, files) as scratch:
            arranged, format, has_split = _read_table(scratch, files[0], name, options)
    data, split = _divided(arranged.data, options.split, has_split, options.seed)
    with warehouse.lock(f"dataset/{name}"):
        check_new(warehouse, name, replace=options.replace)
        return publish_series(
            warehouse,
            data,
            source=", ".join(map(found.told, files)),
            format=format,
            split=split,
            settings={"seed": options.seed, "step": options.step, **queried(options.query)},
            gap_rows=arranged.gap_rows,
            regular=arranged.regular,
        )


def _divided(data: Series, split: str | None, has_split: bool, seed: int) -> tuple[Series, str]:
    """Return the series divided as asked for, as given or as fits them, and how."""
    if split is not None or not has_split:
        spec = split or default_split(data)
        return divide(data, spec, seed), spec
    if not bool(data.rows_of("train").any()):
        raise InputError("the source has no training rows; divide it with --split", column="split")
    if data.whole and not bool(data.rows_of("valid").any()):
        return hold_out(data, _HELD_OUT, seed), f"given, {_HELD_OUT:g} of train held out to validate on"
    return data, "given"


def _read_table(scratch: Scratch, path: Path, name: str, options: SeriesOptions) -> tuple[Arranged, str, bool]:
    """Return the series of a table, its format, and whether it brought a split."""
    layout = layout_of(path, scratch, None if path.suffix.lower() in (".parquet", ".pq") else "delimited", header=True)
    roles = _roles(layout, options)
    reader = TimeReader.make(options.time_format, options.day_first)
    long = "channel" in roles
    covariates = _covariates(layout, roles, options)
    channels = [roles["value"]] if long else _channels(layout, roles, covariates, options)
    described = [*(column for role, column in roles.items() if role != "value"), *covariates]
    layout.stage(scratch, "columns", [*described, *channels])
    if "time" not in roles and options.time is None and (dated := _dated(scratch, channels, reader)):
        roles["time"] = _only_time(layout, dated)
        described.append(roles["time"])
        channels.remove(roles["time"])
    _gather(scratch, described, channels)
    _check(scratch, layout, roles, channels, reader)
    frame = _normalised(scratch.frame(_picked(roles, covariates, reader)))
    if frame.is_empty():
        raise InputError("the file has no rows", path=path)
    values = frame["v"].explode().to_numpy().reshape(-1, len(channels))
    rows = _pivoted(layout, frame.with_columns(v0=values[:, 0]), roles) if long else _rows(frame, values, channels)
    if covariates:
        named = frame.select(f"c{place}" for place in range(len(covariates)))
        named.columns = covariates
        n_known, n_static = len(options.known_future), len(options.static)
        first, last = n_known, len(covariates) - n_static
        divided = (covariates[:first], covariates[first:last], covariates[last:])
        rows = replace(rows, covariates=covariates_of(named, *divided, taken=()))

    def where(row: int, role: str) -> Mapping[str, Any]:
        return {"path": path, "line": physical_line(layout, row + 1), "column": roles.get(role, role)}

    if long:  # a row of the pivoted table is none of the file

        def where(row: int, role: str) -> Mapping[str, Any]:
            return {"path": path, "column": roles.get(role, role)}

    arranged = arrange(rows, name, where, step=options.step, whole=options.whole)
    return arranged, layout.format, rows.split is not None


def _roles(layout: FileLayout, options: SeriesOptions) -> dict[str, str]:
    """Return the column of each role that the file has."""
    path, columns = layout.path, layout.columns
    usual = {
        "time": common("time", columns) or first_named(columns, _COUNTS),
        "entity": first_named(columns, _ENTITIES),
        "channel": first_named(columns, _CHANNELS),
        "value": first_named(columns, ("value", "val")),
    }
    if usual["channel"] is None or usual["value"] is None or options.channels:
        usual["channel"] = usual["value"] = None
    roles = {}
    for role in ("time", "entity", "channel", "value", "label", "group", "split"):
        named = getattr(options, "split_column" if role == "split" else role)
        column = find_column(path, columns, named) if named else usual.get(role)
        if column is not None and named != "":
            roles[role] = column
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


def _only_time(layout: FileLayout, dated: Sequence[str]) -> str:
    """Return the one column of dates.

    Raises:
        InputError: There are several, or nothing beside it.
    """
    if len(dated) > 1:
        raise InputError(f"the time may be {' or '.join(dated)}; name it with --time", path=layout.path, column="time")
    if len(layout.columns) == 1:
        raise InputError("the file has no channels besides the time", path=layout.path, line=1)
    return dated[0]


def _covariates(layout: FileLayout, roles: Mapping[str, str], options: SeriesOptions) -> list[str]:
    """Return the columns of covariates.

    Raises:
        InputError: There is no such column, it has another role too, or the table is a long one.
    """
    named = [*options.known_future, *options.past, *options.static]
    found = [find_column(layout.path, layout.columns, name) for name in named]
    if found and "channel" in roles:
        raise InputError(
            "a long table has no columns of covariates; give a row a moment and a column a channel",
            path=layout.path,
            column=found[0],
        )
    for column in found:
        if column in roles.values() or column in options.channels or found.count(column) > 1:
            raise InputError("the column has two roles", path=layout.path, column=column)
    return found


def _channels(
    layout: FileLayout, roles: Mapping[str, str], covariates: Sequence[str], options: SeriesOptions
) -> list[str]:
    if options.channels:
        return [find_column(layout.path, layout.columns, name) for name in options.channels]
    channels = [column for column in layout.columns if column not in (*roles.values(), *covariates)]
    if not channels:
        raise InputError("the file has no channels besides the time", path=layout.path, line=1)
    return channels


def _dated(scratch: Scratch, channels: Sequence[str], reader: TimeReader) -> list[str]:
    """Return the channels that are dates: of those whose first rows are no numbers, as one statement of all is slow."""
    first = scratch.frame("SELECT * FROM columns ORDER BY row LIMIT 20").select(channels)
    numbers = first.with_columns(pl.all().cast(pl.Float64, strict=False))
    texts = [column for column in channels if numbers[column].null_count() > first[column].null_count()]
    return dated_columns(scratch, texts, reader, table="columns")


def _gather(scratch: Scratch, described: Sequence[str], channels: Sequence[str]) -> None:
    """Make ``raw`` of ``columns``, its channels as one list a row: planning a statement is quadratic in its columns."""
    beside, cells = (", ".join(map(identifier, columns)) for columns in (described, channels))
    scratch.execute(
        f"CREATE TABLE raw AS SELECT row, {beside}{', ' if beside else ''}[{cells}] AS {identifier(_CELLS)} FROM columns"
    )
    scratch.execute("DROP TABLE columns")


def _check(
    scratch: Scratch, layout: FileLayout, roles: Mapping[str, str], channels: Sequence[str], reader: TimeReader
) -> None:
    """Refuse the first row with a value that cannot be read, or a missing time, entity or channel."""
    wrong: list[tuple[str, str, str]] = []
    if "time" in roles:
        check_times(scratch, layout, roles["time"], reader)
    for role, column in roles.items():
        cell = identifier(column)
        missing = f"({cell} IS NULL OR trim({cell}) = '')"
        seconds = reader.seconds(cell)
        if role == "time":
            wrong.append((column, f"{missing} OR {seconds} IS NULL OR NOT isfinite({seconds})", ""))
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
    found = f"list_transform({identifier(_CELLS)}, lambda cell: {_WRONG_CELL.format(missing=_MISSING)})"
    rules = [condition for _, condition, _ in wrong] + [f"list_contains({found}, true)"]
    firsts = scratch.rows(f"SELECT {', '.join(f'min(row) FILTER (WHERE {rule})' for rule in rules)} FROM raw")[0]
    refused = [(int(str(row)), place) for place, row in enumerate(firsts) if row is not None]
    if not refused:
        return
    row, place = min(refused)
    if place < len(wrong):
        column, _, message = wrong[place]
        value = scratch.value(f"SELECT {identifier(column)} FROM raw WHERE row = ?", [row])
        if column == roles.get("time"):
            message = reader.refusal(value)
    else:
        sql = f"SELECT list_position({found}, true) - 1, {identifier(_CELLS)}[list_position({found}, true)] FROM raw"
        ((at, value),) = scratch.rows(f"{sql} WHERE row = ?", [row])
        column, message = channels[int(str(at))], "too large for 32 bits" if _is_finite(value) else "not a number"
        message += "; leave the column out with --channels, or say what it is with --label, --group or --entity"
    raise InputError(message, path=layout.path, line=physical_line(layout, row), column=column, value=value)


def _is_finite(text: object) -> bool:
    try:
        return math.isfinite(float(str(text)))
    except ValueError:
        return False


def _picked(roles: Mapping[str, str], covariates: Sequence[str], reader: TimeReader) -> str:
    """Return the SQL of the checked columns in their types, in the order of the file."""
    texts = [
        f"trim({identifier(roles[role])}) AS {role}"
        for role in ("entity", "channel", "label", "group")
        if role in roles
    ]
    picked = [text.replace(" AS group", ' AS "group"') for text in texts]
    picked += [
        f"CASE WHEN lower(trim({identifier(column)})) NOT IN {_MISSING} THEN trim({identifier(column)}) END AS c{place}"
        for place, column in enumerate(covariates)
    ]
    if "time" in roles:
        picked.append(f"{reader.seconds(identifier(roles['time']))} AS time")
    if "split" in roles:
        words = ", ".join(f"{literal(word)}: {SPLITS.index(split)}" for word, split in SPLIT_WORDS.items())
        picked.append(f"MAP {{{words}}}[lower(trim({identifier(roles['split'])}))]::TINYINT AS split")
    picked.append(f"list_transform({identifier(_CELLS)}, lambda cell: {_NUMBER}::FLOAT) AS v")
    return f"SELECT {', '.join(picked)} FROM raw ORDER BY row"


def _normalised(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the checked columns with empty labels as missing."""
    if "label" not in frame.columns:
        return frame
    return frame.with_columns(pl.when(pl.col("label") != "").then("label").alias("label"))


def _rows(frame: pl.DataFrame, values: npt.NDArray[np.float32], channels: Sequence[str]) -> SeriesRows:
    """Return values ``(n, C)`` with the columns of a frame of n rows that describe them."""
    texts = {role: to_strings(frame[role]) for role in ("entity", "label", "group") if role in frame.columns}
    time, split = (frame[role].to_numpy() if role in frame.columns else None for role in ("time", "split"))
    return SeriesRows(values, tuple(channels), time=time, split=split, **texts)


def _pivoted(layout: FileLayout, frame: pl.DataFrame, roles: Mapping[str, str]) -> SeriesRows:
    """Return a long table as rows of all channels; refuse a measurement that is there twice."""
    keys = ["entity", "time"] if "entity" in roles else ["time"]
    repeated = (~frame.select(pl.struct(*keys, "channel").is_first_distinct()).to_series()).arg_true()
    if len(repeated):
        row = int(repeated[0])
        raise InputError(
            "this channel was measured at this time already",
            path=layout.path,
            line=physical_line(layout, row + 1),
            column=roles["channel"],
            value=frame["channel"][row],
        )
    moments = frame.unique(keys, keep="first", maintain_order=True)
    channels = frame["channel"].unique(maintain_order=True)
    places = frame.join(moments.select(*keys, pl.row_index("row")), on=keys, how="left", maintain_order="left")
    check_room(layout.path, len(moments), len(channels))
    values = np.full((len(moments), len(channels)), np.nan, dtype=np.float32)
    values[places["row"].to_numpy(), frame["channel"].cast(pl.Enum(channels)).to_physical().to_numpy()] = frame["v0"]
    return _rows(moments, values, channels.to_list())
