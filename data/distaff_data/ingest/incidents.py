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
* **OpenTelemetry** metrics as the collector's file exporter writes them, a request in JSON on each line, of which the entity
  is an attribute; see :mod:`distaff_data.ingest.otlp`.
* A **graph** has columns ``source`` and ``target``, cause and effect or caller and called, and maybe ``status``:
  ``known`` or ``forbidden``; a pair that is not listed is unknown. Whether it is ``causes`` or ``calls`` a person says; a
  dataset whose graph nobody said it of is kept as it is and asks before its first diagnosis.

Rows at unequal distances are brought to the grid of their median distance, or of ``step``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Set
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distaff_data.datasets.dependencies import read_as
from distaff_data.datasets.incidents import Case, Incidents
from distaff_data.errors import InputError, UnknownNameError, first_line
from distaff_data.ingest.columns import find_column
from distaff_data.ingest.incident_graph import graph_nodes, read_graph
from distaff_data.ingest.incident_metrics import read_metrics
from distaff_data.ingest.incident_names import DIVIDE_AT, read_names
from distaff_data.ingest.options import IncidentsOptions, queried, with_settings
from distaff_data.ingest.publish import check_new
from distaff_data.ingest.times import seconds_of_text
from distaff_data.sources import Gathered, Inputs, Spool, gathered, prometheus, telling
from distaff_data.tables.incidents import graph_direction, publish_incidents
from distaff_data.tables.reports import IncidentsReport
from distaff_data.workspace import Workspace


def ingest_incidents(
    workspace: Workspace,
    name: str,
    paths: Inputs = (),
    options: IncidentsOptions | None = None,
    **settings: Any,
) -> IncidentsReport:
    """Load incidents as a dataset; see the module for what is read how.

    Args:
        workspace: Where to.
        name: Name of the dataset.
        paths: A folder with ``cases.json``, or files of metrics, each one case named like the file; see
            :mod:`distaff_data.sources` for what is no file. None with ``prometheus``, of which one case is read; see
            :mod:`distaff_data.sources.prometheus`.
        options: How they are read; without ``graph``, a folder's own ``graph.csv`` is.
        settings: Single options by name, such as ``kpi="shop|latency"``; see
            :class:`~distaff_data.ingest.options.IncidentsOptions`.

    Raises:
        InputError: Something cannot be read or does not fit together; nothing was changed.
    """
    options = with_settings(options or IncidentsOptions(), settings)
    if options.prometheus is not None:
        return _ingest_prometheus(workspace, name, paths, options)
    if options.match or options.alert:
        raise InputError("--match and --alert are of a Prometheus server; say which with --prometheus")
    with gathered(workspace.scratch, paths, query=options.query) as found:
        return _ingest(workspace, name, found, options)


def _ingest_prometheus(workspace: Workspace, name: str, paths: Inputs, options: IncidentsOptions) -> IncidentsReport:
    """Load one case from a server, named by its alert or the dataset, and by when it begins."""
    if options.start is None or options.end is None or not options.match:
        raise InputError("of a Prometheus server say what is read: --match, --from and --to")
    if paths != [] and paths != ():
        raise InputError("give files, or a Prometheus server")
    start, end = prometheus.moment(options.start, "from"), prometheus.moment(options.end, "to")
    step = options.step or prometheus.STEP
    asked = prometheus.Asked(
        str(options.prometheus), options.match, start, end, step, options.entity_label, options.alert
    )
    check_new(workspace.warehouse, name, replace=options.replace)
    begins = f"{datetime.fromtimestamp(start, UTC):%Y%m%dT%H%M%S}"
    case = re.sub(r"[^A-Za-z0-9._-]", "_", f"{options.alert or name}-{begins}")
    with Spool(workspace.scratch) as spool:
        path, shown, onset = prometheus.read(spool, asked, case)
        at = options.onset if onset is None or options.onset is not None else str(onset)
        with telling({path: shown}):
            return _ingest(workspace, name, Gathered([path], {path: shown}), replace(options, onset=at, step=step))


def _ingest(workspace: Workspace, name: str, found: Gathered, options: IncidentsOptions) -> IncidentsReport:
    files = [Path(path) for path in found.paths]
    if options.divide_at not in (None, *DIVIDE_AT):
        raise UnknownNameError("place to divide a name at", str(options.divide_at), DIVIDE_AT)
    names = read_names(options.names)
    graph, direction = options.graph, options.graph_is
    if len(files) == 1 and files[0].is_dir():
        folder = files[0]
        cases, listed = _folder_cases(folder, options, names)
        direction = direction or listed
        graph = graph or (folder / "graph.csv" if (folder / "graph.csv").is_file() else None)
    else:
        nodes = frozenset() if graph is None else graph_nodes(Path(graph))
        cases = [_file_case(path, options, names, nodes) for path in files]
    if not cases:
        raise InputError("name at least one file or folder")
    case_names: set[str] = set()
    for case in cases:
        if case.name in case_names:
            raise InputError("two cases have the same name", path=files[0], value=case.name)
        case_names.add(case.name)
    edges = () if graph is None else read_graph(Path(graph), cases, options.unmeasured)
    kept = (
        "time",
        "time_format",
        "day_first",
        "separator",
        "divide_at",
        "step",
        "kpi",
        "onset",
        "label",
        "entity_label",
    )
    recorded = {option: getattr(options, option) for option in kept} | queried(options.query)
    if options.prometheus is not None:
        asked = ("match", "start", "end", "alert")
        recorded |= {option: getattr(options, option) for option in asked}
    with workspace.warehouse.lock(f"dataset/{name}"):
        check_new(workspace.warehouse, name, replace=options.replace)
        incidents = _with_direction(Incidents(name, tuple(cases), edges), direction)
        source = ", ".join(map(found.told, files))
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
    edges = read_graph(graph, cases, unmeasured) if graph.is_file() else ()
    return _with_direction(Incidents(name, tuple(cases), edges), direction)


def _with_direction(incidents: Incidents, direction: str | None) -> Incidents:
    """Return incidents whose edges are causes; as they are where nobody said what their edges mean."""
    meaning = graph_direction(direction) if direction else None if incidents.edges else "causes"
    return read_as(incidents, meaning)


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
    nodes = graph_nodes(graph) if graph.is_file() else frozenset()
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
    columns, times, values, _ = read_metrics(path, options, names, nodes)
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


def _onset(path: Path, onset: object) -> float | None:
    if onset is None:
        return None
    seconds = seconds_of_text(str(onset))
    if not math.isfinite(seconds):
        raise InputError("the onset is a number or an ISO date", path=path, column="onset", value=onset)
    return seconds


def _file_case(path: Path, options: IncidentsOptions, names: Mapping[str, str], nodes: Set[str]) -> Case:
    columns, times, values, marked = read_metrics(path, options, names, nodes)
    kpi = None if options.kpi is None else _kpi(path, columns, options.kpi)
    onset = marked if options.onset is None else _onset(path, options.onset)
    return _checked_case(path, Case(path.stem, columns, times, values, onset, kpi, tuple(options.roots)))


def _checked_case(path: Path, case: Case) -> Case:
    if case.onset is not None and not case.times[0] < case.onset <= case.times[-1]:
        span = f"after {case.times[0]:.15g} and up to {case.times[-1]:.15g} seconds"
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
