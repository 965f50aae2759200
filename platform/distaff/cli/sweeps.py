"""Verbs of sweeps: tune MODEL DATASET, and tune list, show, export and worker."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from typer.core import TyperGroup

from distaff.cli.state import (
    Engine,
    Json,
    dataset_argument,
    emit_facts,
    emit_json,
    emit_table,
    epochs,
    model_argument,
    pairs,
    study_argument,
    talk,
    workspace,
)
from distaff.sweeps import PRUNERS, STORAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distaff.runs.footprint import Footprint
    from distaff.sweeps import tuning
    from distaff.sweeps.plan import Plan
    from distaff.sweeps.trials import TrialRow
    from distaff_data.workspace import Workspace


class _StartByDefault(TyperGroup):
    """``tune MODEL DATASET`` is ``tune start MODEL DATASET``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["start", *args]
        return super().parse_args(ctx, args)


tune = typer.Typer(
    cls=_StartByDefault, no_args_is_help=True, help="Find a model's best configuration: tune MODEL DATASET."
)

Study = Annotated[str, study_argument("Name of the study; MODEL-DATASET unless it was named; see: distaff tune list.")]
Storage = Annotated[
    str | None,
    typer.Option(
        envvar=STORAGE,
        help="URL of an Optuna storage, such as postgresql://host/db; a journal in the workspace otherwise.",
        show_envvar=True,
    ),
]
Timeout = Annotated[float | None, typer.Option(help="Seconds after which no other trial is begun.", min=0)]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.add_typer(tune, name="tune")


@tune.command()
def start(
    model: Annotated[str, model_argument()],
    dataset: Annotated[str, dataset_argument()],
    trials: Annotated[int, typer.Option(help="Trials that the study has in the end.", min=1)] = 20,
    timeout: Timeout = None,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
    storage: Storage = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Objective on validation; repeatable: the Pareto front is shown.")
    ] = None,
    pruner: Annotated[str | None, typer.Option(help=f"{', '.join(PRUNERS)}.")] = None,
    space: Annotated[Path | None, typer.Option(help="TOML file that changes the search space.")] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            help="Setting that all trials share: key=value; repeatable. Epochs and patience bind controls too."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of the best configuration, one a seed; 0 for none.", min=0)] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the trials, and first seed of those runs.")] = 0,
    controls: Annotated[bool, typer.Option("--controls", help="Tune the controls too, with the same budget.")] = False,
    study: Annotated[str | None, typer.Option(help="Name of the study; MODEL-DATASET otherwise.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    engine: Engine = "local",
    as_json: Json = False,
) -> None:
    """Search a model's space on validation data, then put its best configuration on the board; goes on where it stopped.

    Example: distaff tune dccf ml-100k --trials 40 --workers 2 --controls
    """
    from distaff.model.registry import model_class
    from distaff.sweeps import tuning
    from distaff.sweeps.plan import Plan

    ws = workspace()
    plan = Plan.make(
        ws,
        model,
        dataset,
        metrics=tuple(metric or ()),
        settings=pairs(set or []),
        space=space,
        pruner=pruner,
        seed=seed,
        device=device,
    )
    run = functools.partial(
        _sweep, ws, budget=trials, workers=workers, timeout=timeout, storage=storage, engine=engine, seeds=seeds
    )
    others = tuning.controls(ws, plan) if controls else []
    tuned = [name for name in others if model_class(name).Config.search_space()]
    if others:
        bounded = {name: tuning.control_settings(plan, name) for name in tuned}
        _tell_plan(model, bounded, [name for name in others if name not in tuned], trials)
    sweeps = [run(plan, study or f"{model}-{dataset}")]
    untuned: list[str] = []
    for name in others:
        if name in tuned:
            control = Plan.make(
                ws,
                name,
                dataset,
                metrics=tuning.control_metrics(plan),
                settings=tuning.control_settings(plan, name),
                seed=seed,
                device=device,
            )
            sweeps.append(run(control, f"{study}-{name}" if study else f"{name}-{dataset}"))
        else:
            untuned += _fit_default(ws, name, plan, seeds)
    costs = _costs(ws, plan, sweeps, untuned) if controls else []
    if as_json:
        tuned_controls = [sweep.as_dict() for sweep in sweeps[1:]]
        costs_of_all = [cost.as_dict() for cost in costs]
        return emit_json(sweeps[0].as_dict() | {"controls": tuned_controls, "untuned": untuned, "costs": costs_of_all})
    for sweep in sweeps:
        _show(sweep)
    if costs:
        _show_costs(costs)
    talk.print(f"compare them with: distaff board {dataset}", markup=False)


@tune.command("list")
def list_studies(as_json: Json = False) -> None:
    """List the studies, newest first; of one that was killed the status is still what it was."""
    rows = workspace().warehouse.rows(
        "SELECT study, model, dataset, metrics, trials, best, status, written_at FROM studies ORDER BY written_at DESC"
    )
    if as_json:
        return emit_json({"studies": rows})
    columns = ("study", "model", "dataset", "metrics", "trials", "best", "status", "written_at")
    emit_table("studies", columns, [tuple(row[column] for column in columns) for row in rows])


@tune.command()
def show(study: Study, storage: Storage = None, as_json: Json = False) -> None:
    """The trials of a study, the best first, and its Pareto front when it has several objectives."""
    from distaff.sweeps import tuning

    sweep = tuning.find_study(workspace(), study, storage)
    if as_json:
        return emit_json(sweep.as_dict())
    _show(sweep)


@tune.command()
def export(
    study: Study,
    file: Annotated[Path, typer.Argument(help="A configuration as .toml; all trials as .csv, .parquet or .arrow.")],
    trial: Annotated[int | None, typer.Option(help="Whose configuration; the best trial's otherwise.")] = None,
    storage: Storage = None,
) -> None:
    """Write the best configuration as TOML, or the trials as a table.

    Example: distaff tune export dccf-ml-100k best.toml
    """
    from distaff import exports
    from distaff.sweeps import tuning

    ws = workspace()
    sweep = tuning.find_study(ws, study, storage)
    if file.suffix == ".toml":
        exports.write_settings(sweep.settings(trial), file)
    else:
        exports.write(
            ws.warehouse.query("SELECT * EXCLUDE (written_at) FROM trials WHERE study = ? ORDER BY trial", [study]),
            file,
        )
    typer.echo(f"written to {file}")


@tune.command()
def worker(study: Study, timeout: Timeout = None, storage: Storage = None) -> None:
    """Work on a study that distaff tune began, from this or another machine that sees the workspace."""
    from distaff import lifeline
    from distaff.sweeps.worker import work

    lifeline.tie()
    typer.echo(f"{work(workspace(), study, storage=storage, timeout=timeout)} trials")


def _tell_plan(model: str, tuned: Mapping[str, Mapping[str, Any]], untuned: list[str], trials: int) -> None:
    """Say what a sweep with controls will do, in what order; Ctrl-C leaves what is done, and the same command goes on.

    Args:
        model: The model that is tuned.
        tuned: Its controls, and the settings of the model's that bind them as well.
        untuned: Controls with nothing to tune.
        trials: Of each study.
    """
    text = f"{1 + len(tuned)} studies of {trials} trials, in this order: {', '.join([model, *tuned])}"
    for key, value in {key: value for bounds in tuned.values() for key, value in bounds.items()}.items():
        text += f"; {key}={value} for {', '.join(name for name, bounds in tuned.items() if key in bounds)} too"
    if untuned:
        text += f"; fitted as they are: {', '.join(untuned)}"
    talk.print(text, markup=False, highlight=False, soft_wrap=True)


def _sweep(ws: Workspace, plan: Plan, name: str, *, seeds: int, **options: Any) -> tuning.Sweep:
    from distaff.sweeps import tuning

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bar:
        task = bar.add_task(name, total=options["budget"])

        def progress(new: list[TrialRow], done: int, budget: int) -> None:
            bar.update(task, completed=done, total=budget, description=f"{name}  {_course(new[-1])}")
            if not talk.is_terminal:
                for row in new:
                    talk.print(f"{name}: {_course(row)}", highlight=False, markup=False, soft_wrap=True)

        sweep = tuning.tune(ws, plan, name, progress=progress, **options)
    return tuning.retrain(ws, sweep, seeds, lambda seed: epochs(f"best of {name}, seed {seed}"))


def _fit_default(ws: Workspace, name: str, plan: Plan, seeds: int) -> list[str]:
    """Return the run of a control with nothing to tune, which goes on the board as it is."""
    from distaff.runs import records, training

    if not seeds:
        return []
    done = (name, "done", plan.generation, records.TRAIN)
    for run in records.listing(ws, plan.dataset):
        if (run.model, run.status, run.dataset_generation, run.fitted_on) == done:
            return [run.run]
    with epochs(name) as report:
        return [training.train(ws, name, plan.dataset, seed=plan.seed, device=plan.device, report=report).run]


def _costs(ws: Workspace, plan: Plan, sweeps: list[tuning.Sweep], untuned: list[str]) -> list[Footprint]:
    """Return what the best configuration of each model costs, the best on validation first; none where none was fitted."""
    from distaff.runs.footprint import footprint
    from distaff.sweeps import tuning

    metric = next(iter(tuning.control_metrics(plan)), plan.metrics[0])
    costs = [footprint(ws, sweep.runs, trials=len(sweep.trials), metric=metric) for sweep in sweeps if sweep.runs]
    costs += [footprint(ws, [run], trials=0, metric=metric) for run in untuned]
    sign = 1 if plan.lower_is_better()[plan.metrics.index(metric)] else -1
    return sorted(costs, key=lambda cost: (cost.valid is None, sign * (cost.valid or 0.0), cost.model))


def _show_costs(costs: list[Footprint]) -> None:
    emit_table(
        "equal budgets: the best of as many trials each, on validation data, and what it costs",
        ("model", "trials", costs[0].metric, "numbers a user", "MB", "seconds a fit"),
        [(c.model, c.trials, c.valid, c.numbers_per_user, c.megabytes, c.seconds) for c in costs],
    )


def _course(row: TrialRow) -> str:
    values = row.as_dict()
    reached = [f"{name} {value:.4f}" for name, value in values["metrics"].items()]
    settings = [f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in values["settings"].items()]
    return "  ".join([f"trial {row.trial} {row.state}", *reached, *settings, *([row.message] if row.message else [])])


def _show(sweep: tuning.Sweep) -> None:
    plan = sweep.plan
    rows = [row.as_dict() for row in sweep.trials]
    sign = 1 if plan.lower_is_better()[0] else -1
    first = plan.metrics[0]
    rows.sort(key=lambda row: (first not in row["metrics"], sign * row["metrics"].get(first, 0.0), row["trial"]))
    emit_table(
        f"{sweep.study}: {len(rows)} trials, on validation data",
        ("trial", "state", *plan.metrics, *plan.space, "seconds", "message"),
        [
            (
                f"{row['trial']}{' *' if row['trial'] in sweep.front else ''}",
                row["state"],
                *(row["metrics"].get(name) for name in plan.metrics),
                *(row["settings"].get(name) for name in plan.space),
                row["seconds"],
                row["message"],
            )
            for row in rows
        ],
    )
    if sweep.front:
        emit_facts("best configuration", {**sweep.settings(), "runs": ", ".join(sweep.runs) or None})
