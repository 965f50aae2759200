"""The report of one incident, as Markdown for a ticket and as one HTML file that needs nothing else.

Both say when it began, what is likely the cause and how sure that is, what speaks for each of the first causes, the path
from the first one to the KPI with the evidence of every hop, and what changed shortly before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

import numpy as np

from distaff.document import Report, Section, write_report
from distaff.exports import DATES_FROM
from distaff.incidents.cause_sets import SUCH, UNTOLD
from distaff.incidents.rankings import Cause, Diagnosis
from distaff.incidents.tables import read_diagnoses
from distaff.runs.records import find
from distaff_data.arrays import Floats
from distaff_data.datasets.incidents import Case
from distaff_data.errors import UnknownNameError
from distaff_data.tables.incidents import load_incidents
from distaff_data.workspace import Workspace

_FIRST = 10  # causes that are shown
_DRAWN = 6  # metrics that are drawn beside the KPI
_WIDTH, _HEIGHT = 640, 46  # of a line in pixels
_POINTS = 400  # of a line


def incident_report(workspace: Workspace, run: str, case: str) -> Report:
    """Return the report of a case of a run that diagnosed it.

    Raises:
        UnknownNameError: There is no such run, or it diagnosed no such case.
    """
    record = find(workspace, run)
    diagnoses = read_diagnoses(workspace.warehouse, run)
    if case not in diagnoses:
        raise UnknownNameError("case", case, diagnoses)
    incident = load_incidents(workspace.warehouse, record.dataset, case).cases[0]
    return report_of(incident, diagnoses[case], dataset=record.dataset, model=record.model, run=run)


def report_of(case: Case, diagnosis: Diagnosis, *, dataset: str, model: str, run: str) -> Report:
    """Return the report of a case and its diagnosis."""
    title = f"Incident {case.name} of {dataset}"
    facts = _facts(case, diagnosis, f"{model}, run {run}")
    causes = [_cause_row(number, cause, diagnosis) for number, cause in enumerate(diagnosis.causes[:_FIRST], 1)]
    hops = _hops(diagnosis)
    causes_of = ("#", "entity", "metric", "score", "deviation", "left its normal after")
    sections = [
        Section("Facts", facts),
        Section("Causes", (causes_of, causes), "No cause is ranked."),
        Section("Path of the first cause", (("from", "to", "evidence"), hops), "No path to the KPI is known."),
        Section("Changed shortly before", list(diagnosis.changes), "No change is known."),
    ]
    return write_report(title, sections, "\n".join(["<h2>Metrics</h2>", *_drawings(case, diagnosis)]))


def _facts(case: Case, diagnosis: Diagnosis, by: str) -> list[str]:
    began = "no onset was found" if diagnosis.trigger is None else f"began at {_moment(diagnosis.trigger)}"
    facts = [began, f"KPI: {'none' if case.kpi is None else case.columns[case.kpi]}", f"ranked by {by}"]
    facts += [f"graph: {diagnosis.graph}"] if diagnosis.graph else []
    facts += [] if diagnosis.p_value is None else [f"chance of such rows if nothing happened: {diagnosis.p_value:.2g}"]
    if diagnosis.likely:
        facts.append(f"in nine of ten such cases the cause is among: {', '.join(diagnosis.likely)} ({SUCH})")
    elif diagnosis.likely is not None:
        facts.append(f"which entity is the cause {UNTOLD}")
    return facts + list(diagnosis.warnings)


def _cause_row(number: int, cause: Cause, diagnosis: Diagnosis) -> list[str]:
    entity, _, metric = cause.column.partition("|")
    own = "" if cause.own is None else f"{cause.own:.3g}"
    return [str(number), entity, metric or "value", f"{cause.score:.3g}", own, _after(cause.onset, diagnosis.trigger)]


def _hops(diagnosis: Diagnosis) -> list[list[str]]:
    """Return each hop of the first cause's path, and what speaks for it."""
    if not diagnosis.causes:
        return []
    first, of_column = diagnosis.causes[0], {cause.column: cause for cause in diagnosis.causes}
    rows = []
    for source, target in pairwise(first.path):
        evidence = [f"{name} left its normal after {_after(of_column[name].onset, diagnosis.trigger)}"
                    for name in (source, target) if name in of_column and of_column[name].onset is not None]  # fmt: skip
        own = of_column[source].own if source in of_column else None
        evidence += [] if own is None else [f"{source} is {own:.3g} times as far out as ever"]
        evidence += ["an edge that the incident brought"] if f"{source} -> {target}" in first.new_edges else []
        rows.append([source, target, "; ".join(evidence)])
    return rows


def _after(onset: float | None, trigger: float | None) -> str:
    if onset is None:
        return "–"
    return f"{onset:.6g} s" if trigger is None else f"{onset - trigger:.6g} s"


def _moment(seconds: float) -> str:
    if seconds < DATES_FROM:
        return f"{seconds:.6g} s"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _drawings(case: Case, diagnosis: Diagnosis) -> list[str]:
    """Return a line for the KPI and each of the first causes, with the onset in each."""
    kpi = [] if case.kpi is None else [case.columns[case.kpi]]
    names = [*kpi, *(cause.column for cause in diagnosis.causes[:_DRAWN])]
    return [_drawing(name, case.times, case.values[:, case.columns.index(name)], diagnosis.trigger) for name in names]


def _drawing(name: str, times: Floats, values: Floats, trigger: float | None) -> str:
    few = np.unique(np.linspace(0, len(times) - 1, min(len(times), _POINTS)).astype(int))
    across = _scaled(times, _WIDTH)
    seen = [i for i in few if np.isfinite(values[i])]
    up = _scaled(values, _HEIGHT)
    points = " ".join(f"{across(times[i]):.1f},{_HEIGHT - up(values[i]):.1f}" for i in seen)
    mark = (
        ""
        if trigger is None
        else f'<line x1="{across(trigger):.1f}" x2="{across(trigger):.1f}" y1="0" y2="{_HEIGHT}"/>'
    )
    return (
        f"<figure><figcaption>{escape(name)}</figcaption>"
        f'<svg viewBox="0 -2 {_WIDTH} {_HEIGHT + 4}" width="{_WIDTH}" role="img" aria-label="{escape(name)} over time">'
        f'<polyline points="{points}"/>{mark}</svg></figure>'
    )


def _scaled(values: Floats, size: int) -> Callable[[float], float]:
    """Return the function that brings the range of values to 0 ... size."""
    finite = values[np.isfinite(values)]
    low = float(finite.min()) if len(finite) else 0.0
    span = float(np.ptp(finite)) if len(finite) else 0.0
    return lambda value: size * (float(value) - low) / span if span > 0 else size / 2
