"""Verbs about factors: factors, note, blind-spots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from distaff.cli.state import Json, RunId, emit_json, emit_table, printable, run_option, talk, workspace
from distaff_data.errors import InputError

if TYPE_CHECKING:
    from distaff.factors.intents.blind_spots import BlindSpotAudit
    from distaff.factors.intents.calibration import Calibration
    from distaff.factors.intents.report import FactorReport
    from distaff.factors.latents.report import SeriesFactorReport


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    for verb in (factors, note, blind_spots):
        app.command(name=verb.__name__.replace("_", "-"))(verb)


def factors(
    run: RunId,
    export: Annotated[Path | None, typer.Option(help="Write the factors as .csv, .parquet or .arrow.")] = None,
    as_json: Json = False,
) -> None:
    """The intents of a run, or the latents of a model of series, with the evidence behind each."""
    from distaff import exports
    from distaff.factors.intents.evidence import explain_run
    from distaff.factors.latents.evidence import explain_series_run
    from distaff.factors.latents.report import SeriesFactorReport
    from distaff.model.registry import model_class
    from distaff.runs import records
    from distaff.series.model import SeriesModel

    ws = workspace()
    series = model_class(records.find(ws, run).model).kind == SeriesModel.kind
    with talk.status(f"evidence behind the factors of {escape(run)}"):
        report = explain_series_run(ws, run) if series else explain_run(ws, run)
    if export is not None:
        exports.write(ws.warehouse.query("SELECT * EXCLUDE (generation) FROM factors WHERE run = ?", [run]), export)
    if as_json:
        return emit_json(report.as_dict())
    if isinstance(report, SeriesFactorReport):
        _show_latents(report)
    else:
        _show_factors(report)


def note(
    run: RunId,
    factor: Annotated[int | None, typer.Argument(help="The factor's id; all notes of the run when left out.")] = None,
    name: Annotated[str | None, typer.Option(help="Your own name for it; empty takes it back.")] = None,
    note: Annotated[str | None, typer.Option(help="A note; empty takes it back.")] = None,
    hide: Annotated[bool | None, typer.Option("--hide/--show", help="Leave it out of lists, or show it again.")] = None,
    merge_into: Annotated[
        int | None, typer.Option(help="Show it together with this factor; its own id undoes it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Name, annotate, hide or merge a factor; notes move to later runs whose factors match. Without a factor, of the run."""
    from distaff.factors.intents.notes import annotate, notes_of
    from distaff.runs import marks, records

    ws = workspace()
    if factor is None and (name is not None or note is not None):
        marks.mark(ws, marks.RUN, run, title=name, note=note)
    elif factor is None and (hide is not None or merge_into is not None):
        raise InputError("name the factor that is hidden, shown or merged: distaff note RUN FACTOR")
    if factor is not None:
        annotate(ws, run, factor, name=name, note=note, hidden=hide, merged_into=merge_into)
    records.find(ws, run)
    notes = [n.as_dict() for n in notes_of(ws, run).values()]
    of_run = marks.marks_of(ws, marks.RUN).get(run)
    if as_json:
        return emit_json({"run": run, "note": None if of_run is None else of_run.note, "notes": notes})
    if of_run is not None and of_run.note is not None:
        talk.print(printable(of_run.note), markup=False, soft_wrap=True)
    columns = ("factor", "name", "note", "merged_into", "hidden", "origin", "match")
    emit_table(f"notes on {run}", columns, [[n[c] for c in columns] for n in notes])


def blind_spots(
    run: RunId,
    by: Annotated[str | None, run_option("Count the intents of this run instead of the run's own.")] = None,
    split: Annotated[
        str | None, typer.Option(help="train, valid or test; left out, test, and valid for calibration.")
    ] = None,
    calibrate: Annotated[float | None, typer.Option(help="Also re-rank towards users' own mixes: 0 to 1.")] = None,
    as_json: Json = False,
) -> None:
    """Show what people take and are not shown: intents' shares of interactions against their shares of the lists."""
    from distaff.factors.intents.audits import audit_run

    with talk.status(f"lists of {escape(run)} beside what people take"):
        audit, steps = audit_run(workspace(), run, lens=by, split=split, calibrate=calibrate)
    if as_json:
        return emit_json(
            {"run": run, "lens": by or run, **audit.as_dict(), "calibration": [s.as_dict() for s in steps]}
        )
    _show_audit(run, audit)
    if steps:
        _show_calibration(steps)


def _show_audit(run: str, audit: BlindSpotAudit) -> None:
    emit_table(
        f"cohorts of {run}, data: {audit.split}",
        ("cohort", "users", "KL (nats)", "suppressed", "exaggerated"),
        [
            (
                c.cohort,
                c.users,
                c.kl,
                *(
                    ", ".join(str(s.factor) for s in audit.spots if s.cohort == c.cohort and s.finding == finding)
                    for finding in ("suppressed", "exaggerated")
                ),
            )
            for c in audit.cohorts
        ],
    )
    everyone = sorted((s for s in audit.spots if s.cohort == audit.cohorts[0].cohort), key=lambda s: s.ratio)
    emit_table(
        "everyone, the most suppressed first",
        ("factor", "share of data", "share of lists", "ratio", "95 % interval", "finding"),
        [
            (s.factor, s.data_share, s.list_share, s.ratio, f"[{s.low:.2f}, {s.high:.2f}]", s.finding or "")
            for s in everyone
        ],
    )


def _show_calibration(steps: list[Calibration]) -> None:
    emit_table(
        f"re-ranked towards users' own mixes, {steps[0].users} users, data: {steps[0].split}",
        ("weight", "KL (nats)", "recall@20", "churn"),
        [(s.weight, s.kl, s.recall, s.churn) for s in steps],
    )
    before, after = steps[0], steps[-1]
    change = after.recall - before.recall
    talk.print(
        f"Recall@20 {before.recall:.4f} -> {after.recall:.4f} ({change:+.4f}), KL {before.kl:.4f} -> {after.kl:.4f}",
        markup=False,
        highlight=False,
    )


def _show_factors(report: FactorReport) -> None:
    spoken = ("words (untested)",) if any(f.words for f in report.factors) else ()
    emit_table(
        f"factors of {report.run}: {report.effective_per_user:.1f} effective a user, {report.effective_overall:.1f} overall",
        ("factor", "name", *spoken, "activity", "effect", "stability", "badge", "moves most", "warnings", "top items"),
        [
            (
                f.factor,
                f.name,
                *(f.words or "" for _ in spoken),
                f.activity,
                f.effect,
                f.stability,
                f.badge,
                _headline(f.card.headline if f.card is not None else None),
                "; ".join(f.warnings),
                ", ".join(member.title for member in f.top[:5]),
            )
            for f in sorted(report.factors, key=lambda f: -f.activity)
            if f.note is None or not f.note.hidden
        ],
    )
    for warning in report.warnings:
        talk.print(warning, markup=False, highlight=False, soft_wrap=True)
    if (control := report.attribution) is not None:
        talk.print(
            f"Scores are attributed to factors: the largest brings {control.concentration:.0%} of a held-out "
            f"item's score; by shuffled responsibilities {control.shuffled:.0%} "
            f"[{control.low:.0%}, {control.high:.0%}], p {control.p_value:.2f}",
            markup=False,
            highlight=False,
        )


def _show_latents(report: SeriesFactorReport) -> None:
    if report.factors:
        active = f"{report.active} of {len(report.factors)} active"
        emit_table(
            f"latents of {report.run}: {active}, {report.information:.1f} nats a window",
            (
                "latent",
                "segment",
                "name",
                "state",
                "activity",
                "effect",
                "stability",
                "badge",
                "moves most",
                "warnings",
            ),
            [
                (
                    f.factor,
                    f.segment or "",
                    f.name,
                    f.state,
                    f.activity,
                    f.effect,
                    f.stability,
                    f.badge,
                    _headline(f.card.headline if f.card is not None else None),
                    "; ".join(f.warnings),
                )
                for f in sorted(report.factors, key=lambda f: -f.activity)
            ],
        )
    emit_table(
        f"what linear probes read from {report.run}",
        ("representation", "concept", "level", "measure", "score", "chance", "shuffled", "windows"),
        [tuple(probe.as_dict().values()) for probe in report.leakage],
    )


def _headline(effect: Any) -> str:
    return "" if effect is None else f"{effect.property} {effect.effect:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]"
