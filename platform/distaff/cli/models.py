"""Verbs about models: models, train, evaluate, runs, show, board, score."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distaff.cli.state import (
    Engine,
    Json,
    RunId,
    dataset_argument,
    emit_facts,
    emit_json,
    emit_table,
    epochs,
    model_argument,
    pairs,
    progress_bar,
    run_option,
    talk,
    tell_drift,
    workspace,
)
from distaff_data.errors import InputError

if TYPE_CHECKING:
    from distaff.board.board import Board, BoardRow
    from distaff.runs.marks import Annotation
    from distaff.runs.records import Run
    from distaff.runs.refit import Refit
    from distaff.runs.training import FitPlan
    from distaff.stats.intervals import Interval
    from distaff_data.workspace import Workspace

Dataset = Annotated[str, dataset_argument()]
Test = Annotated[
    bool, typer.Option("--test", help="Show what was scored on the test as well, which choices should not look at.")
]


Archived = Annotated[bool, typer.Option("--archived", help="With those that are archived.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    for verb in (models, train, evaluate, runs_verb, show, board, score):
        app.command(name=verb.__name__.removesuffix("_verb"))(verb)


def models(
    name: Annotated[str | None, typer.Argument(help="Only this one, with its settings.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """List the registered models and controls, with what a sweep may change; of one, the settings.

    Example: distaff models dccf
    """
    from distaff.model import catalogue

    if name is not None:
        return _show_settings(catalogue.line(name), catalogue.settings(name), as_json)
    rows = catalogue.catalogue()
    if as_json:
        return emit_json({"models": rows})
    emit_table(
        "models",
        ("model", "works on", "control", "what it does", "a sweep changes"),
        [
            (
                r["model"],
                r["kind"],
                "yes" if r["control"] else "",
                f"cannot be used: {r['broken']}" if "broken" in r else r["summary"],
                ", ".join(r["tunes"]),
            )
            for r in rows
        ],
    )


def _show_settings(line: dict[str, Any], settings: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        return emit_json({**line, "settings": settings})
    emit_facts(line["model"], {key: line[key] for key in ("kind", "control", "summary")})
    emit_table(
        "settings, given by --set NAME=VALUE",
        ("setting", "default", "what it is", "a sweep looks at"),
        [(s["setting"], str(s["default"]), s["description"], s["tuned"] or "") for s in settings],
    )


def train(
    model: Annotated[str | None, model_argument()] = None,
    dataset: Annotated[str | None, dataset_argument()] = None,
    set: Annotated[list[str] | None, typer.Option(help="Setting of the model: key=value; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="First seed.")] = 0,
    seeds: Annotated[int, typer.Option(help="How many seeds, one run each.", min=1)] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    resume: Annotated[str | None, run_option("Continue this run instead of starting one.")] = None,
    on: Annotated[
        str, typer.Option(help="train; or all, for production: nothing held out, settings and epochs chosen before.")
    ] = "train",
    source: Annotated[
        str | None,
        run_option("With --on all: whose settings and epochs; the board's choice otherwise.", "--from"),
    ] = None,
    test: Test = False,
    graph_is: Annotated[
        str | None, typer.Option(help="Of incidents: their graph's edges are causes or calls; said once.")
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(help="Copy the finished runs and their models to this MLflow server, or file:///folder."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit a model on a dataset: one run per seed.

    Example: distaff train dccf ml-100k --set n_intents=32 --seeds 3

    For production, with what validation chose: distaff train dccf ml-100k --on all

    By two processes: torchrun --nproc-per-node 2 -m distaff train dccf ml-100k
    """
    from distaff.model import distributed
    from distaff.runs import training
    from distaff_data.tables.incidents import declare_graph

    ws = workspace()
    refit = _refit(ws, model, dataset, on, source, set or [])
    plans = [
        training.FitPlan(model, dataset, pairs(set or []), each, device, refit)
        for each in range(seed, seed + seeds)
        if model is not None and dataset is not None
    ]
    if distributed.rank():
        return _join(ws, plans, resume)
    done: list[Run] = []
    if resume is not None:
        with epochs(resume) as report:
            done.append(training.resume(ws, resume, report=report))
    elif not plans:
        raise InputError("name a model and a dataset: distaff train MODEL DATASET")
    else:
        if graph_is is not None:
            declare_graph(ws.warehouse, plans[0].dataset, graph_is)
        for plan in plans:
            with epochs(f"{plan.model} on {plan.dataset}, seed {plan.seed}") as report:
                done.append(training.fit_run(ws, plan, report=report)[0])
    _show_runs(ws, done, as_json, test)
    if not as_json:
        _tell(done)
    if mlflow is not None:
        from distaff.runs.tracking import export_run

        for run in done:
            copy = export_run(ws, run.run, mlflow, test=test)
            talk.print(f"{run.run} is {copy} in MLflow", markup=False, highlight=False, soft_wrap=True)


def _join(ws: Workspace, plans: Sequence[FitPlan], resume: str | None) -> None:
    """Take part in fits as a process of torchrun that is not the first; what is wrong, the first says."""
    from distaff.runs import training

    if resume is not None:
        training.join_resumed(ws, resume)
    else:
        for plan in plans:
            training.join_training(ws, plan)


def _refit(
    ws: Workspace, model: str | None, dataset: str | None, on: str, source: str | None, settings: list[str]
) -> Refit | None:
    """Return what a fit on everything takes from the run named, or from the board's choice; None for a fit on train."""
    from distaff.board.selection import chosen_run
    from distaff.runs import records
    from distaff.runs.refit import plan_refit

    if on == records.TRAIN and source is None:
        return None
    if on != records.ALL:
        raise InputError("a run is fitted on train or on all; --from goes with --on all", value=on)
    if settings:
        raise InputError("--on all takes the settings that validation chose; name the run that has them: --from RUN")
    if model is None or dataset is None:
        raise InputError("name a model and a dataset: distaff train MODEL DATASET --on all")
    if source is None:
        return plan_refit(ws, chosen_run(ws, model, dataset).run)
    run = records.find(ws, source)
    if run.model != model:
        raise InputError(f"run {run.run!r} is of {run.model}, not of {model}", value=source)
    return plan_refit(ws, run.run)


def evaluate(run: RunId, test: Test = False, as_json: Json = False) -> None:
    """Score a finished run on its validation data again, and on its test when asked."""
    from distaff.runs import training

    ws = workspace()
    measured = [m for m in training.evaluate(ws, run) if m.split in _splits(test)]
    if as_json:
        return emit_json({"run": run, "metrics": {m.split: dict(m.metrics) for m in measured}})
    emit_table(
        f"run {run}",
        ("metric", *(m.split for m in measured)),
        [(name, *(m.metrics[name] for m in measured)) for name in (measured[0].metrics if measured else ())],
    )
    if not test:
        talk.print("its test is shown with --test", markup=False)
    for m in measured:
        for note in m.notes:
            talk.print(f"{m.split}: {note}", markup=False)


def runs_verb(
    dataset: Annotated[str | None, typer.Option(help="Only runs on this dataset.")] = None,
    study: Annotated[str | None, typer.Option(help="The trials of this sweep, which are left out otherwise.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only runs that have this tag.")] = None,
    archived: Archived = False,
    test: Test = False,
    as_json: Json = False,
) -> None:
    """List the runs, newest first."""
    from distaff.runs import marks, records
    from distaff_data.tables.datasets import kind_of

    ws = workspace()
    if dataset is not None:
        kind_of(ws.warehouse, dataset)  # refuses one that there is not
    said = marks.marks_of(ws, marks.RUN)
    aside = {run for run, mark in said.items() if mark.archived and not archived}
    tagged = {run for run, mark in said.items() if tag in mark.tags}
    runs = [run for run in records.listing(ws, dataset, study=study) if run.run not in aside]
    _show_runs(ws, [run for run in runs if tag is None or run.run in tagged], as_json, test)


def show(run: RunId, test: Test = False, as_json: Json = False) -> None:
    """Everything known about one run; what it scored on the test only when asked."""
    from distaff.runs import records

    ws = workspace()
    record = records.find(ws, run)
    metrics = {split: values for split, values in records.metrics_of(ws, [run])[run].items() if split in _splits(test)}
    facts: dict[str, Any] = {
        **vars(record),
        "config": json.loads(record.config),
        "settings": json.loads(record.settings),
    }
    if as_json:
        return emit_json({**facts, "metrics": metrics})
    emit_facts(f"run {run}", facts)
    for split, values in metrics.items():
        emit_facts(split, values)


def board(
    dataset: Dataset,
    split: Annotated[str, typer.Option(help="valid or test.")] = "test",
    archived: Archived = False,
    as_json: Json = False,
) -> None:
    """Compare the models run on a dataset with their controls, chosen on validation; the test shows the chosen ones."""
    from distaff.board.board import board as make_board

    compared = make_board(workspace(), dataset, split=split, archived=archived)
    if as_json:
        return emit_json(compared.as_dict())
    _show_board(compared)


def score(
    run: RunId,
    top_k: Annotated[int, typer.Option(help="Length of each list.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Write .csv, .parquet or .arrow too.")] = None,
    users: Annotated[Path | None, typer.Option(help="Score only the users in this file, an id a line.")] = None,
    engine: Engine = "local",
    as_json: Json = False,
) -> None:
    """Publish top-k lists for all users, whole or not at all."""
    from distaff.recommenders.base import Recommender
    from distaff.recommenders.score import score_run
    from distaff.runs import records

    ws = workspace()
    with progress_bar(f"scoring {run}") as progress:
        model = Recommender.load(records.model_folder(ws, run))
        done = score_run(ws, run, top_k=top_k, out=out, users=users, engine=engine, progress=progress, model=model)
    warnings = tell_drift(run, model)
    if as_json:
        emit_json({**vars(done), "warnings": warnings})
    else:
        emit_facts(f"scored {run}", vars(done))


def _show_runs(ws: Workspace, runs: list[Run], as_json: bool, test: bool) -> None:
    from distaff.runs import marks, records

    splits, said = _splits(test), marks.marks_of(ws, marks.RUN)
    metrics = {
        run: {split: values for split, values in measured.items() if split in splits}
        for run, measured in records.metrics_of(ws, [r.run for r in runs]).items()
    }
    if as_json:
        return emit_json({"runs": [r.summary(metrics[r.run]) | _marked(said.get(r.run)) for r in runs]})

    def scores(run: Run, split: str) -> str:
        values = metrics[run.run].get(split, {})
        return ", ".join(f"{name} {values[name]:.4f}" for name in _shown(run.model, values))

    marked = {r.run: (_in_short(said[r.run]),) for r in runs if r.run in said}
    blank = ("",) if marked else ()
    emit_table(
        "runs",
        ("run", "seed", "status", "seconds", "settings", *splits, *(("marks",) if marked else ())),
        [
            (
                r.run,
                r.seed,
                _status(r),
                r.seconds,
                r.settings,
                *(scores(r, split) for split in splits),
                *marked.get(r.run, blank),
            )
            for r in runs
        ],
    )


def _marked(mark: Annotation | None) -> dict[str, Any]:
    """Return what is said about a run, for JSON; nothing where nothing is."""
    if mark is None:
        return {}
    return {"title": mark.title, "note": mark.note, "tags": mark.tags, "archived": mark.archived}


def _in_short(mark: Annotation) -> str:
    """Return a run's title and tags, and whether it is archived, in a cell."""
    parts = [mark.title, ", ".join(mark.tags), "archived" if mark.archived else None]
    return " · ".join(part for part in parts if part)


def _splits(test: bool) -> tuple[str, ...]:
    """Return the splits whose figures are shown."""
    return ("valid", "test") if test else ("valid",)


def _status(run: Run) -> str:
    return run.status if run.refit_of is None else f"{run.status}, fitted on all as {run.refit_of}"


def _tell(runs: list[Run]) -> None:
    """Print what models chose by themselves."""
    for run in runs:
        for note in (run.message or "").splitlines():
            talk.print(f"seed {run.seed}: {note}", markup=False)


def _shown(model: str, metrics: Collection[str]) -> list[str]:
    """Return those of a run's metrics that tables show; all of a model that is not installed any more."""
    from distaff.model.catalogue import line

    try:
        names = line(model)["shown"]
    except InputError:
        return sorted(metrics)
    return [name for name in names if name in metrics]


def _show_board(board: Board) -> None:
    from distaff.board.kinds import shown

    names = shown(name for row in board.rows for name in row.metrics)
    chosen_by = f"{board.metric} (valid)"
    rows: list[tuple[object, ...]] = [
        (
            row.model,
            "control" if row.control else "model",
            ", ".join(f"{k}={v}" for k, v in row.settings.items()),
            len(row.runs),
            row.n_tried if row.chosen else "–",
            _interval(row.validation.get(board.metric)),
            *(_interval(row.metrics.get(name)) for name in names),
            _versus(row, board),
        )
        for row in board.rows
    ]
    floor = [f"{board.noise_floor[name]:.4f}" if name in board.noise_floor else "–" for name in names]
    rows.append(("noise floor", "chance", "", "–", "–", "–", *floor, "–"))
    columns = (
        *("model", "kind", "settings", "seeds", "tried", chosen_by, *names),
        f"{board.metric} against {board.best_control}",
    )
    emit_table(f"board of {board.dataset} ({board.split})", columns, rows)
    if board.rows:
        talk.print(f"{board.n_tried} configurations were measured on {board.dataset} in all", markup=False)
    for note in board.notes:
        talk.print(note, markup=False, soft_wrap=True)


def _versus(row: BoardRow, board: Board) -> str:
    """Return the comparison of a row with the best control, in a cell."""
    gap = row.comparison
    if not row.chosen:
        return "not chosen"
    if gap is None:
        return "best control" if row.model == board.best_control else "–"
    if gap.p_value is None or gap.p_holm is None or gap.low is None or gap.high is None:
        return f"{gap.difference:+.4f}, seed variance {gap.seed_variance}: no test; train more seeds"
    borrowed = " (seed variance borrowed)" if gap.seed_variance == "borrowed" else ""
    return (
        f"{gap.difference:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}] p={gap.p_value:.2g} Holm={gap.p_holm:.2g}{borrowed}"
    )


def _interval(value: Interval | None) -> str:
    if value is None:
        return "–"
    if value.low is None:
        return f"{value.mean:.4f}"
    return f"{value.mean:.4f} [{value.low:.4f}, {value.high:.4f}]"
