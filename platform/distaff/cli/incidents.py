"""The verbs for incidents: diagnose, report."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from distaff.cli.state import (
    Json,
    dataset_argument,
    emit_facts,
    emit_json,
    emit_table,
    moment,
    pairs,
    progress_bar,
    run_id,
    talk,
    workspace,
)
from distaff_data.errors import InputError

if TYPE_CHECKING:
    from distaff.incidents.diagnose import DiagnosisReport
    from distaff.incidents.feed import Rows
    from distaff.incidents.follow import Update
    from distaff.incidents.rankings import Diagnosis


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command(name="diagnose")(diagnose_verb)
    app.command(name="report")(report_verb)


def diagnose_verb(
    dataset: Annotated[str, dataset_argument("Name of a dataset of incidents.")],
    model: Annotated[str, typer.Option(help="Registry name; see: distaff models.")] = "coral",
    onset: Annotated[
        str | None, typer.Option(help="given or detected; given unless --set or --follow say else.")
    ] = None,
    set: Annotated[list[str] | None, typer.Option(help="Setting of the model: key=value; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of random draws.")] = 0,
    graph_is: Annotated[
        str | None,
        typer.Option(help="The graph's edges: causes (source acts on target) or calls (source calls it); said once."),
    ] = None,
    changes: Annotated[
        Path | None, typer.Option(help="A CSV file of changes (time, entity, what): those shortly before are told.")
    ] = None,
    follow_: Annotated[
        str | None,
        typer.Option("--follow", help="A growing CSV file of metrics, - for stdin, or prometheus://host:9090."),
    ] = None,
    match: Annotated[
        list[str] | None, typer.Option(help="With --follow of a server: PromQL whose series are followed; repeatable.")
    ] = None,
    entity_label: Annotated[
        str | None, typer.Option(help="Label that names the entity; service, pod, instance, ... otherwise.")
    ] = None,
    alert: Annotated[
        str | None, typer.Option(help="Alert by whose firing incidents begin; detected in the metrics otherwise.")
    ] = None,
    step: Annotated[float | None, typer.Option(help="Seconds between rows that are asked for; 15 otherwise.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="First moment: 2026-11-30T14:00, or seconds; an hour ago otherwise.")
    ] = None,
    kpi: Annotated[str | None, typer.Option(help="With --follow: the KPI; the dataset's otherwise.")] = None,
    batch: Annotated[
        int | None, typer.Option(help="With --follow: rows at a time; the model's setting batch otherwise.", min=2)
    ] = None,
    idle: Annotated[float | None, typer.Option(help="With --follow: stop after so many quiet seconds.")] = None,
    speed: Annotated[
        float | None, typer.Option(help="With --follow: times real time; as fast as it can otherwise.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rank the root causes of every incident, or follow metrics as they come.

    Example: distaff diagnose outages --model coral --onset detected
    """
    from distaff.incidents.diagnose import diagnose
    from distaff.incidents.follow import follow
    from distaff_data.tables.incidents import declare_graph

    settings: dict[str, str] = pairs(set or []) | ({} if onset is None else {"onset": onset})
    settings |= {} if changes is None else {"changes": str(changes.resolve())}
    if settings.get("onset", "given") not in ("given", "detected"):
        raise InputError("the onset is given or detected", column="onset", value=settings["onset"])
    ws = workspace()
    if graph_is is not None:
        declare_graph(ws.warehouse, dataset, graph_is)
    if follow_ is not None:
        if settings.get("onset") == "given":
            raise InputError("onsets of a stream are not known, only detected: leave onset=given out with --follow")
        with _source(follow_, match or [], start, step, entity_label, alert) as source:
            aside = follow(
                ws,
                dataset,
                source,
                model=model,
                settings=settings,
                seed=seed,
                kpi=kpi,
                batch=batch,
                idle=idle,
                speed=speed,
                report=_printer(as_json),
            )
        if aside.rows:
            talk.print(f"{aside.rows} rows set aside in {aside.file}", markup=False, highlight=False, soft_wrap=True)
        return
    if match or entity_label or alert or step or start:
        raise InputError("--match, --entity-label, --alert, --step and --from are of a server that is followed")
    with progress_bar(f"{model} on {dataset}") as progress:
        report = diagnose(
            ws,
            dataset,
            model=model,
            settings=settings,
            seed=seed,
            report=lambda epoch: progress(epoch.epoch, int(epoch.losses["total"])),
        )
    if as_json:
        emit_json(report.as_dict())
    else:
        _show(report)


def report_verb(
    run: Annotated[
        str, typer.Argument(help="A run; or a dataset, for its board.", callback=run_id, metavar="RUN|DATASET")
    ],
    case: Annotated[str | None, typer.Argument(help="One of the incidents that the run diagnosed.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the two files; made if it is not there.")] = Path("."),
    as_json: Json = False,
) -> None:
    """Write the report of a run, of a board or of one incident: a self-contained HTML file, and Markdown for a ticket.

    Example: distaff report coral-20240101T000000 outage-7 --out reports

    Of a board: distaff report shop
    """
    from distaff.exports import write_files
    from distaff.incidents.report import incident_report
    from distaff.reports.report import board_report, run_report

    ws = workspace()
    if case is not None:
        report = incident_report(ws, run, case)
    elif ws.warehouse.rows("SELECT 1 FROM datasets WHERE dataset = ?", [run]):
        report = board_report(ws, run)
    else:
        report = run_report(ws, run)
    files = write_files(out, run if case is None else f"{run}-{case}", {"html": report.html, "md": report.markdown})
    facts = {"report": report.title, **{ending: str(file) for ending, file in files.items()}}
    if as_json:
        emit_json(facts)
    else:
        emit_facts("report", facts)


def _source(
    name: str, match: list[str], start: str | None, step: float | None, entity_label: str | None, alert: str | None
) -> AbstractContextManager[BinaryIO | Rows]:
    """Return what is followed: a file, standard input, or a server."""
    from distaff.incidents.follow import open_source
    from distaff.incidents.poll import HISTORY, PrometheusRows
    from distaff_data.sources import prometheus

    if not name.startswith(("prometheus://", "http://", "https://")):
        if match or entity_label or alert or step or start:
            raise InputError("--match, --entity-label, --alert, --step and --from are of a server that is followed")
        return open_source(name)
    if not match:
        raise InputError("say what is followed of the server, with --match 'latency_seconds'", column="match")
    if step is not None and not 0 < step < math.inf:
        raise InputError("the step is a number of seconds above 0", column="step", value=step)
    now = time.time()
    first = now - HISTORY if start is None else prometheus.moment(start, "from")
    asked = prometheus.Asked(name, match, first, now, step or prometheus.STEP, entity_label, alert)

    def tell(sentence: str) -> None:
        talk.print(sentence, markup=False, highlight=False, soft_wrap=True)

    return nullcontext(PrometheusRows(asked, tell=tell))


def _printer(as_json: bool) -> Callable[[Update], None]:
    from distaff.incidents.tables import case_dict

    def show(update: Update) -> None:
        case = case_dict(update.diagnosis)
        if as_json:
            sys.stdout.write(json.dumps({**case, "converged": update.converged}) + "\n")
            sys.stdout.flush()
            return
        causes = ", ".join(f"{c['metric']} {c['score']:.2f}" for c in case["causes"][:5])
        state = "converged" if update.converged else "open"
        typer.echo(f"{case['case']} ({state}): {causes}")
        for warning in case["warnings"]:
            typer.echo(f"{case['case']}: {warning}", err=True)

    return show


def _leading(diagnosis: Diagnosis) -> str:
    """Return the metrics that a ranking begins with, in a cell."""
    from distaff.incidents.tables import cause_rows

    return ", ".join(f"{c['metric']} {c['score']:.3g}" for c in cause_rows(diagnosis)[:3])


def _likely(diagnosis: Diagnosis) -> str | None:
    """Return how many entities, from the first on, hold the cause in nine of ten cases, in a cell."""
    if diagnosis.likely is None:
        return None
    size = len(diagnosis.likely)
    return "cannot tell" if not size else "the 1st" if size == 1 else f"the first {size}"


def _show(report: DiagnosisReport) -> None:
    rows = [
        (d.case, moment(d.trigger), *(d.entities[i] if i < len(d.entities) else None for i in range(3)), _likely(d),
         _leading(d))
        for d in report.diagnoses
    ]  # fmt: skip
    columns = ("case", "trigger", "1st", "2nd", "3rd", "in 9 of 10 cases", "metrics that lead, with scores")
    emit_table(f"{report.run.model} on {report.run.dataset}", columns, rows)
    for level, values in report.metrics.items():
        low_high = report.intervals[level]
        facts = {k: f"{v:.3f} [{low_high[k][0]:.3f}, {low_high[k][1]:.3f}]" for k, v in values.items()}
        emit_facts(f"{level} level", facts)
    if report.trigger is not None and (
        report.trigger["detected"] or report.trigger["missed"]
    ):  # else no onset is known
        emit_facts("trigger", report.trigger)
    if report.cause_sets is not None:
        emit_facts("sets of causes", {name: f"{value:.3g}" for name, value in report.cause_sets.items()})
    if report.memory:
        rows = [(int(row["seen"]), f"{row['ac@1']:.3f}", f"{row['shuffled']:.3f}") for row in report.memory]
        emit_table("held-out incidents, past ones remembered", ("seen of each cause", "ac@1", "causes shuffled"), rows)
    graphs = Counter(d.graph for d in report.diagnoses if d.graph is not None)
    emit_facts("cases by the graph their ranking is by", {str(graph): n for graph, n in graphs.items()})
    told = [(d.case, change) for d in report.diagnoses for change in d.changes]
    if told:
        emit_table("changes shortly before", ("case", "change"), told)
    for warning, cases in Counter(w for d in report.diagnoses for w in d.warnings).items():
        typer.echo(f"{cases} of {len(report.diagnoses)} cases: {warning}", err=True)
