"""Metrics of incidents: a folder of labelled cases, or one table of metrics, wide or long, with or without labels.

* A **folder** holds ``cases.json``, a list of ``{case, onset, kpi, root_entities, root_metrics, group}``, the wide Parquet
  files ``cases/CASE.parquet`` and, if there is one, ``graph.csv``. With a graph, ``graph_is`` says what its edges are, in
  each case or once beside them: ``{"graph_is": "calls", "cases": [...]}``.
* A **wide** table has a time column and one column a metric. ``entity|metric`` names both; otherwise the name is divided at
  the separator a person gives, or else at its ``/``, ``.``, ``:`` or ``_``, the first of these that occurs; a name without
  any is an entity of its own. ``db_latency_ms`` may be the latency of db, or db_latency's ms: names with several of one are
  divided where the graph's or the other names' entities tell, or a person says ``first`` or ``last``, and refused
  otherwise. A table of names (``column, entity, metric``) overrides the rule.
* A **long** table has time, metric and value, and an entity in a column such as ``instance``, ``pod`` or ``service``, as
  exports of Prometheus have it. Of several values of one metric at one time the last counts.
* A **graph** has columns ``source`` and ``target``, cause and effect or caller and called, and maybe ``status``:
  ``known`` or ``forbidden``; a pair that is not listed is unknown. Whether it is ``causes`` or ``calls`` a person says; a
  dataset whose graph nobody said it of is kept as it is and asks before its first diagnosis.

Rows at unequal distances are brought to the grid of their median distance, or of ``step``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from distaff_data.arrays import Bools, Floats
from distaff_data.datasets.dependencies import read_as
from distaff_data.datasets.imputation import on_grid
from distaff_data.datasets.incidents import Case, Edge, Incidents, entity_of
from distaff_data.errors import InputError, UnknownNameError, first_line
from distaff_data.frames import positions
from distaff_data.ingest.columns import find_column, first_named
from distaff_data.ingest.options import IncidentsOptions, with_settings
from distaff_data.ingest.publish import check_new
from distaff_data.ingest.times import TimeReader, seconds_of
from distaff_data.ingest.values import check_room
from distaff_data.tables.incidents import graph_direction, publish_incidents
from distaff_data.tables.reports import IncidentsReport
from distaff_data.workspace import Workspace

_TIMES = ("timestamp", "time", "datetime", "date", "ts", "t", "epoch")
_METRICS = ("metric", "metricname", "name", "kpi", "measurement", "tag")
_VALUES = ("value", "metricvalue", "val")
_ENTITIES = (
    "entity",
    "service",
    "pod",
    "instance",
    "host",
    "node",
    "container",
    "device",
    "component",
    "machine",
    "job",
)
_DIVIDERS = ("/", ".", ":", "_")
DIVIDE_AT = ("first", "last")
_ROLES = ("column", "entity", "metric")  # of a table of names
_MOST, _ALWAYS = 100, 1 << 22  # values on a grid: so many for each of the file, or so many in any case
_STATUS = {"known": True, "true": True, "1": True, "forbidden": False, "false": False, "0": False}


def ingest_incidents(
    workspace: Workspace,
    name: str,
    paths: str | Path | Sequence[str | Path],
    options: IncidentsOptions | None = None,
    **settings: Any,
) -> IncidentsReport:
    """Load incidents as a dataset; see the module for what is read how.

    Args:
        workspace: Where to.
        name: Name of the dataset.
        paths: A folder with ``cases.json``, or files of metrics, each one case named like the file.
        options: How they are read; without ``graph``, a folder's own ``graph.csv`` is.
        settings: Single options by name, such as ``kpi="shop|latency"``; see
            :class:`~distaff_data.ingest.options.IncidentsOptions`.

    Raises:
        InputError: Something cannot be read or does not fit together; nothing was changed.
    """
    options = with_settings(options or IncidentsOptions(), settings)
    files = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    if options.divide_at not in (None, *DIVIDE_AT):
        raise UnknownNameError("place to divide a name at", str(options.divide_at), DIVIDE_AT)
    names = _read_names(options.names)
    graph, direction = options.graph, options.graph_is
    if len(files) == 1 and files[0].is_dir():
        folder = files[0]
        cases, listed = _folder_cases(folder, options, names)
        direction = direction or listed
        graph = graph or (folder / "graph.csv" if (folder / "graph.csv").is_file() else None)
    else:
        nodes = frozenset() if graph is None else _nodes(Path(graph))
        cases = [_file_case(path, options, names, nodes) for path in files]
    if not cases:
        raise InputError("name at least one file or folder")
    case_names: set[str] = set()
    for case in cases:
        if case.name in case_names:
            raise InputError("two cases have the same name", path=files[0], value=case.name)
        case_names.add(case.name)
    edges = () if graph is None else _read_graph(Path(graph), cases, options.unmeasured)
    kept = ("time", "time_format", "day_first", "separator", "divide_at", "step", "kpi", "onset", "label")
    recorded = {option: getattr(options, option) for option in kept}
    with workspace.warehouse.lock(f"dataset/{name}"):
        check_new(workspace.warehouse, name, replace=options.replace)
        graph_is = graph_direction(direction) if direction else None if edges else "causes"
        incidents = read_as(Incidents(name, tuple(cases), edges), graph_is)
        source = ", ".join(str(path) for path in files)
        return publish_incidents(workspace.warehouse, incidents, source=source, settings=recorded)


def read_folder(folder: Path, name: str, *, unmeasured: bool = False, graph_is: str | None = None) -> Incidents:
    """Return the incidents of a folder, without a warehouse; see :func:`ingest_incidents`.

    Args:
        folder: Where they are.
        name: Name of the dataset.
        unmeasured: Leave out edges of entities that no case measures.
        graph_is: The meaning of an edge, causes or calls; as the folder says when None.

    Raises:
        InputError: Something cannot be read or does not fit together.
    """
    cases, listed = _folder_cases(folder, IncidentsOptions(), {})
    graph, direction = folder / "graph.csv", graph_is or listed
    edges = _read_graph(graph, cases, unmeasured) if graph.is_file() else ()
    return read_as(
        Incidents(name, tuple(cases), edges), graph_direction(direction) if direction else None if edges else "causes"
    )


def _folder_cases(folder: Path, options: IncidentsOptions, names: Mapping[str, str]) -> tuple[list[Case], str | None]:
    """Return the cases of a folder, and what its list says of the graph."""
    listing = folder / "cases.json"
    if not listing.is_file():
        raise InputError("a folder of incidents has a cases.json; otherwise name files of metrics", path=folder)
    try:
        rows = json.loads(listing.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"the file is not JSON: {first_line(error)}", path=listing) from None
    beside = rows.get("graph_is") if isinstance(rows, dict) else None
    rows = rows.get("cases") if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "case" in row for row in rows):
        raise InputError("the file is a list of objects, each with the name of a case", path=listing)
    answers = {str(word) for word in (beside, *(row.get("graph_is") for row in rows)) if word is not None}
    if len(answers) > 1:
        raise InputError("the cases share one graph, so all say the same of it", path=listing, column="graph_is")
    graph = Path(options.graph or folder / "graph.csv")
    nodes = _nodes(graph) if graph.is_file() else frozenset()
    return [_listed_case(folder, listing, row, options, names, nodes) for row in rows], next(iter(answers), None)


def _listed_case(
    folder: Path,
    listing: Path,
    row: Mapping[str, object],
    options: IncidentsOptions,
    names: Mapping[str, str],
    nodes: Set[str],
) -> Case:
    if Path(str(row["case"])).name != str(row["case"]):
        raise InputError("a case's name is the name of its file in the folder cases", path=listing, value=row["case"])
    path = folder / "cases" / f"{row['case']}.parquet"
    columns, times, values, _ = _read_metrics(path, options, names, nodes)
    kpi, roots, metrics = row.get("kpi"), row.get("root_entities") or [], row.get("root_metrics") or []
    if not isinstance(roots, list) or not isinstance(metrics, list):
        raise InputError("root_entities and root_metrics are lists", path=listing, value=row["case"])
    return _checked_case(
        listing,
        Case(
            name=str(row["case"]),
            columns=columns,
            times=times,
            values=values,
            onset=_onset(listing, row.get("onset")),
            kpi=None if kpi is None else _kpi(listing, columns, str(kpi)),
            roots=tuple(map(str, roots)),
            root_columns=tuple(map(str, metrics)),
            group=str(row.get("group") or ""),
        ),
    )


def _onset(listing: Path, onset: object) -> float | None:
    if onset is None:
        return None
    try:
        return float(str(onset))
    except ValueError:
        raise InputError("the onset is a number of seconds", path=listing, column="onset", value=onset) from None


def _file_case(path: Path, options: IncidentsOptions, names: Mapping[str, str], nodes: Set[str]) -> Case:
    columns, times, values, marked = _read_metrics(path, options, names, nodes)
    kpi = None if options.kpi is None else _kpi(path, columns, options.kpi)
    onset = marked if options.onset is None else options.onset
    return _checked_case(path, Case(path.stem, columns, times, values, onset, kpi, tuple(options.roots)))


def _checked_case(path: Path, case: Case) -> Case:
    if case.onset is not None and not case.times[0] < case.onset <= case.times[-1]:
        span = f"after {case.times[0]:g} and up to {case.times[-1]:g}"
        raise InputError(
            f"the onset of case {case.name!r} lies {span}, so that rows are on both sides", path=path, value=case.onset
        )
    entities = set(case.entities)
    for root in case.roots:
        if root not in entities:
            raise InputError(
                f"case {case.name!r} has no such entity among its metrics", path=path, column="roots", value=root
            )
    for metric in case.root_columns:
        if metric not in case.columns:
            raise InputError(f"case {case.name!r} has no such metric", path=path, column="root_metrics", value=metric)
    return case


def _kpi(path: Path, columns: tuple[str, ...], name: str) -> int:
    if name not in columns:
        find_column(path, columns, name)  # raises, with near misses
    return columns.index(name)


def _read_metrics(
    path: Path, options: IncidentsOptions, names: Mapping[str, str], nodes: Set[str]
) -> tuple[tuple[str, ...], Floats, Floats, float | None]:
    """Return metrics' names, times, values ``(T, M)``, and the onset where a column marks it."""
    table = _read_table(path)
    time = (
        find_column(path, table.column_names, options.time) if options.time else first_named(table.column_names, _TIMES)
    )
    if time is None:
        first = ", ".join(table.column_names[:12])
        raise InputError(
            f"no column looks like the time; there are: {first}; name it with --time", path=path, column="time"
        )
    times = _seconds(path, table[time], time, TimeReader.make(options.time_format, options.day_first))
    rest = table.drop_columns([time])
    metric, value = first_named(rest.column_names, _METRICS), first_named(rest.column_names, _VALUES)
    if metric and value and not pa.types.is_floating(rest.schema.field(metric).type):
        columns, times, values = _pivot(path, rest, times, metric, value)
        marks = None
    else:
        columns, values, marks = _wide(path, rest, options, names, nodes)
    if len(times) < 2:
        raise InputError("there is one row only; an incident takes normal and abnormal rows", path=path)
    back = np.flatnonzero(np.diff(times) <= 0)
    if len(back):
        line, late = int(back[0]) + 3, float(times[back[0] + 1])
        raise InputError("time stamps are out of order", path=path, line=line, column=time, value=late)
    if not (np.nanmax(values, 0, initial=-np.inf) > np.nanmin(values, 0, initial=np.inf)).any():
        raise InputError("every metric is constant; there is nothing to diagnose", path=path)
    marked = None if marks is None or not marks.any() else float(times[marks.argmax()])
    gaps = np.diff(times)
    step = options.step or float(np.median(gaps))
    if options.step or np.ptp(gaps) > 0.01 * step:
        rows = (times[-1] - times[0]) / step + 1
        if rows * values.shape[1] > max(_MOST * values.size, _ALWAYS):
            longest = f"{gaps.max():g} s"
            raise InputError(
                f"at a step of {step:g} s the rows are {rows:.0f}, and the file has {len(times)}; its longest gap is "
                f"{longest}; divide it there, or give a longer --step",
                path=path,
            )
        times, values = on_grid(times, values, step)
    return columns, times, values, marked


def _wide(
    path: Path, table: pa.Table, options: IncidentsOptions, names: Mapping[str, str], nodes: Set[str]
) -> tuple[tuple[str, ...], Floats, Bools | None]:
    """Return metrics' names, values ``(T, M)``, and which rows are abnormal where a column marks them."""
    marks = None
    if options.label:
        label = find_column(path, table.column_names, options.label)
        marks = np.nan_to_num(_numbers(path, table[label], label)) != 0
        table = table.drop_columns([label])
    if not table.num_columns:
        raise InputError("the file has no metrics besides the time", path=path)
    unnamed = [name for name in table.column_names if name not in names]
    divided = {**names, **_divided(path, unnamed, options.separator, options.divide_at, nodes)}
    columns = tuple(divided[name] for name in table.column_names)
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise InputError("two columns are the same metric; tell them apart with --names", path=path, column=twice)
    values = np.stack([_numbers(path, table[name], name) for name in table.column_names], axis=1)
    return columns, values, marks


def _pivot(
    path: Path, table: pa.Table, times: Floats, metric: str, value: str
) -> tuple[tuple[str, ...], Floats, Floats]:
    """Return a long table as a wide one over all its times: metrics' names, times, values."""
    entity = first_named(table.column_names, _ENTITIES)
    names = _texts(table, metric)
    if entity is not None:
        names = _texts(table, entity) + "|" + names
    if names.null_count():
        raise InputError("a metric has no name", path=path, column=metric)
    numbers = _numbers(path, table[value], value)
    grid, row = np.unique(times, return_inverse=True)
    metrics = names.unique(maintain_order=True)
    check_room(path, len(grid), len(metrics))
    values = np.full((len(grid), len(metrics)), np.nan)
    values[row, positions(names, metrics).to_numpy()] = numbers  # the last of several is assigned last
    return tuple(_full_name(name, None) for name in metrics), grid, values


def _divided(
    path: Path, names: Sequence[str], separator: str | None, at: str | None, nodes: Set[str]
) -> dict[str, str]:
    """Return ``entity|metric`` of each column's name.

    Raises:
        InputError: A name can be divided in several places, and nothing tells where.
    """
    first, last = ({name: _full_name(name, separator, place) for name in names} for place in DIVIDE_AT)
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


def _full_name(name: str, separator: str | None, at: str = "last") -> str:
    if separator is None and "|" in name:
        return name
    divider = separator or next((d for d in _DIVIDERS if d in name.strip(d)), None)
    entity, _, metric = (name.partition if at == "first" else name.rpartition)(divider) if divider else ("", "", name)
    return f"{entity}|{metric}" if entity and metric else f"{name}|value"


def _read_table(path: Path) -> pa.Table:
    if not path.is_file():
        raise InputError("there is no such file", path=path)
    if path.stat().st_size == 0:
        raise InputError("the file is empty", path=path)
    try:
        table = pq.read_table(path) if path.suffix.lower() in (".parquet", ".pq") else pacsv.read_csv(path)
        names = table.column_names
    except UnicodeDecodeError:
        raise InputError("the file is not UTF-8; convert it first (iconv -f LATIN1 -t UTF-8)", path=path) from None
    except Exception as error:  # what a foreign file makes Arrow raise is of any class
        reason = first_line(error) or type(error).__name__
        raise InputError(f"the file cannot be read: {reason}", path=path) from None
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError("two columns have this name", path=path, line=1, column=twice)
    return table


def _seconds(path: Path, column: pa.ChunkedArray, name: str, reader: TimeReader) -> Floats:
    if pa.types.is_string(column.type):
        texts = pl.Series(name, column)
        seconds = reader.of_texts(texts)
        wrong = (seconds.is_null() & texts.is_not_null()).arg_true()
        if len(wrong):
            row = int(wrong[0])
            message = reader.refusal(texts[row])
            raise InputError(message, path=path, line=row + 2, column=name, value=texts[row])
        return _checked_times(path, seconds.to_numpy().astype(np.float64), column, name)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        times: Floats = column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() / 1e6
    else:
        times = _numbers(path, column, name)
    return _checked_times(path, times, column, name)


def _checked_times(path: Path, times: Floats, column: pa.ChunkedArray, name: str) -> Floats:
    if np.isnan(times).any():
        raise InputError("a time stamp is missing", path=path, line=int(np.isnan(times).argmax()) + 2, column=name)
    try:
        return seconds_of(times)
    except ValueError as error:
        message, at = error.args
        raise InputError(message, path=path, line=at + 2, column=name, value=column[at].as_py()) from None


def _numbers(path: Path, column: pa.ChunkedArray, name: str) -> Floats:
    """Return numbers with NaN where nothing or no finite number stands."""
    try:
        numbers = column.cast(pa.float64()).to_numpy().astype(np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        wrong = ((i + 2, v.as_py()) for i, v in enumerate(column) if not _is_number(v.as_py()))
        line, value = next(wrong, (None, None))
        raise InputError("the value is no number", path=path, line=line, column=name, value=value) from None
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _is_number(value: object) -> bool:
    if value is None:
        return True
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _read_names(path: str | Path | None) -> dict[str, str]:
    if path is None:
        return {}
    table = _read_table(Path(path))
    columns = [find_column(Path(path), table.column_names, role) for role in _ROLES]
    names = pl.DataFrame({role: _texts(table, column) for role, column in zip(_ROLES, columns, strict=True)})
    gaps = names.select(pl.any_horizontal(pl.all().fill_null("").str.strip_chars() == "").arg_true()).to_series()
    if len(gaps):
        raise InputError("column, entity and metric all have a name", path=path, line=int(gaps[0]) + 2)
    return dict(names.select("column", pl.format("{}|{}", "entity", "metric")).iter_rows())


def _nodes(path: Path) -> Set[str]:
    """Return the names that a graph's edges begin or end at, and their entities."""
    table = _read_table(path)
    names = {
        str(n) for role in ("source", "target") for n in _texts(table, find_column(path, table.column_names, role))
    }
    return names | {entity_of(name) for name in names}


def _read_graph(path: Path, cases: Sequence[Case], unmeasured: bool) -> tuple[Edge, ...]:
    table = _read_table(path)
    source, target = (find_column(path, table.column_names, role) for role in ("source", "target"))
    status = first_named(table.column_names, ("status", "known"))
    measured = {column for case in cases for column in case.columns}
    measured |= {entity_of(column) for column in measured}
    words = _texts(table, status) if status else pl.lit("known")
    exists = pl.col("word").str.strip_chars().str.to_lowercase().replace_strict(_STATUS, default=None)
    edges = (
        pl.DataFrame({"source": _texts(table, source), "target": _texts(table, target)})
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


def _texts(table: pa.Table, column: str) -> pl.Series:
    """Return a column as text, numbers as Arrow writes them."""
    return pl.Series(column, table[column].cast(pa.string()))
