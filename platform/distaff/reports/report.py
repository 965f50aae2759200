"""The report of a run, and of the board of a dataset, for those who have no workspace."""

from __future__ import annotations

import json
from typing import Any

from distaff.board.board import Board, BoardRow, board
from distaff.board.kinds import shown
from distaff.document import Report, Section, write_report
from distaff.runs import marks, records
from distaff.runs.records import Run
from distaff.stats.intervals import Interval
from distaff_data.workspace import Workspace

_FACTORS = """
SELECT factor, name, activity, effect, stability, badge, warnings FROM factors WHERE run = ? ORDER BY activity DESC, factor
"""
_CAUSES = """
SELECT "case", rank, entity, metric, score FROM causes WHERE run = ? AND rank <= 3 ORDER BY "case", rank, entity, metric
"""


def run_report(workspace: Workspace, run_id: str) -> Report:
    """Return the report of a run: what it is, its figures on validation, its factors or its causes.

    Raises:
        UnknownNameError: There is no such run.
    """
    run = records.find(workspace, run_id)
    valid = records.metrics_of(workspace, [run_id])[run_id].get("valid", {})
    names = [*shown(valid), *sorted(valid.keys() - set(shown(valid)))]
    changed = [[name, _plain(value)] for name, value in json.loads(run.settings).items()]
    factors = [list(map(_plain, row.values())) for row in workspace.warehouse.rows(_FACTORS, [run_id])]
    causes = [list(map(_plain, row.values())) for row in workspace.warehouse.rows(_CAUSES, [run_id])]
    sections = [
        Section("What it is", _facts(workspace, run)),
        Section("On validation, which chooses", (("metric", "value"), [[name, _plain(valid[name])] for name in names]),
                "Nothing was measured on validation."),
        Section("Settings that differ from the defaults", (("setting", "value"), changed), "None."),
    ]  # fmt: skip
    if factors:
        header = ("factor", "name", "activity", "effect", "stability", "badge", "warnings")
        sections.append(Section("Factors", (header, factors)))
    if causes:
        sections.append(Section("Causes of incidents", (("incident", "rank", "entity", "metric", "score"), causes)))
    return write_report(f"Run {run_id}", sections)


def board_report(workspace: Workspace, dataset: str) -> Report:
    """Return the report of a dataset's board: models beside their controls, on the test.

    Raises:
        InputError: There is no such dataset, or nothing in it to measure.
    """
    table = board(workspace, dataset)
    names = shown(name for row in table.rows for name in row.metrics)
    header = ("model", "kind", "settings", "seeds", *names, f"{table.metric} against {table.best_control}")
    rows = [_row(row, names, table) for row in table.rows if row.chosen]
    floor = [_plain(table.noise_floor.get(name)) for name in names]
    rows += [["by chance", "", "", "", *floor, ""]] if rows else []
    facts = [f"{table.n_tried} configurations were measured in all", *table.notes]
    sections = [
        Section("Models beside their controls", (header, rows), "No run is finished yet."),
        Section("Notes", facts),
    ]
    return write_report(f"Board of {dataset}, {table.split}", sections)


def _facts(workspace: Workspace, run: Run) -> list[str]:
    mark = marks.marks_of(workspace, marks.RUN).get(run.run, marks.Annotation(marks.RUN, run.run))
    facts = [f"{run.model}{', a control,' if run.control else ''} on {run.dataset}, seed {run.seed}",
             f"{run.status}, started {run.started_at:%Y-%m-%d %H:%M} UTC, Distaff {run.version}"]  # fmt: skip
    facts += [mark.title] if mark.title else []
    facts += [mark.note] if mark.note else []
    facts += [f"tags: {', '.join(mark.tags)}"] if mark.tags else []
    return facts + (run.message or "").splitlines()


def _row(row: BoardRow, names: list[str], table: Board) -> list[str]:
    gap = row.comparison
    against = "best control" if row.model == table.best_control else "–"
    if gap is not None:
        interval = "" if gap.low is None or gap.high is None else f" [{gap.low:+.4f}, {gap.high:+.4f}]"
        p = gap.p_value if gap.p_holm is None else gap.p_holm
        against = f"{gap.difference:+.4f}{interval}" + (", no test" if p is None else f", p {p:.2g}")
    settings = ", ".join(f"{name}={_plain(value)}" for name, value in row.settings.items())
    kind = "control" if row.control else "model"
    return [
        row.model,
        kind,
        settings,
        str(len(row.runs)),
        *(_interval(row.metrics.get(name)) for name in names),
        against,
    ]


def _interval(value: Interval | None) -> str:
    if value is None or value.low is None or value.high is None:
        return "–" if value is None else f"{value.mean:.4f}"
    return f"{value.mean:.4f} [{value.low:.4f}, {value.high:.4f}]"


def _plain(value: Any) -> str:
    """Return a value in a cell."""
    if value is None or value == []:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
