"""Training: one fit of a model on a dataset with one seed, recorded from start to end, and measured."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from distaff._version import __version__
from distaff.model.base import Epoch, Measurement, Model
from distaff.model.fitting import fit, pick_device
from distaff.model.registry import model_class
from distaff.runs import logs
from distaff.runs.liveness import held
from distaff.runs.records import ALL, TRAIN, Run, find, is_alive, model_folder, record, run_folder
from distaff.runs.refit import Refit, everything
from distaff_data.errors import InputError, redacted
from distaff_data.workspace import Workspace


class Pruned(Exception):  # noqa: N818 - no error: a decision
    """Raised by the ``report`` of a trial to end it early; the run is recorded as pruned."""


@dataclass(frozen=True)
class Trial:
    """The place of a run in a sweep, of which it is a trial.

    Its test metrics are not looked at and its weights are not kept: training its configuration with its seed gives them.

    Attributes:
        study: The sweep's name.
        number: The trial's number.
        measure: What the fitted model is worth on validation data.
    """

    study: str
    number: int
    measure: Callable[[Model[Any]], Mapping[str, float]]


@dataclass(frozen=True)
class FitPlan:
    """A fit to be done: a model, its settings, and the dataset.

    Attributes:
        model: Registry name.
        dataset: Name of a dataset of the model's kind.
        settings: Configuration that differs from the defaults; those of ``refit`` where there is one.
        seed: Seed of every random draw.
        device: ``auto``, ``cpu`` or ``cuda``.
        refit: Fit on everything, with these settings and epochs: nothing is held out, so nothing is measured.
    """

    model: str
    dataset: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = "auto"
    refit: Refit | None = None

    @property
    def fitted_on(self) -> str:
        """The part of the dataset that is fitted to."""
        return TRAIN if self.refit is None else ALL

    @property
    def epochs(self) -> int | None:
        """The number of epochs, where it was chosen before."""
        return None if self.refit is None else self.refit.epochs

    def estimator(self) -> Model[Any]:
        """Return the unfitted model.

        Raises:
            InputError: A name or setting is wrong.
        """
        model: Model[Any] = model_class(self.model)(**(self.settings if self.refit is None else self.refit.settings))
        return model


def train(
    workspace: Workspace,
    model: str,
    dataset: str,
    *,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    report: Callable[[Epoch], None] = lambda _: None,
    trial: Trial | None = None,
    refit: Refit | None = None,
) -> Run:
    """Fit a model and record the run; see :class:`FitPlan` and :func:`fit_run`."""
    plan = FitPlan(model, dataset, settings or {}, seed, device, refit)
    return fit_run(workspace, plan, report=report, trial=trial)[0]


def fit_run(
    workspace: Workspace,
    plan: FitPlan,
    *,
    report: Callable[[Epoch], None] = lambda _: None,
    trial: Trial | None = None,
) -> tuple[Run, Model[Any]]:
    """Fit a model and record the run; returns both, so that what follows loads nothing again.

    Args:
        workspace: Where the dataset is and the run goes.
        plan: The model, its settings and the dataset.
        report: Called after each epoch; in a trial it may raise :class:`Pruned`.
        trial: The trial of a sweep that this is.

    Raises:
        InputError: A name or setting is wrong; no run is recorded.
        KeyboardInterrupt: Passed on, after the run has been marked ``interrupted``.
    """
    estimator, refit = plan.estimator(), plan.refit
    data = _read(workspace, estimator, plan.dataset, plan.fitted_on)
    run = Run(
        run=f"{plan.model}-{plan.dataset}-{uuid.uuid4().hex[:8]}",
        model=plan.model,
        control=estimator.control,
        dataset=plan.dataset,
        dataset_generation=data.generation,
        seed=plan.seed,
        status="running",
        config=json.dumps(estimator.config.model_dump(mode="json")),
        settings=json.dumps(estimator.config.changed()),
        device=pick_device(plan.device).type,
        threads=torch.get_num_threads(),
        version=__version__,
        process=os.getpid(),
        started_at=datetime.now(UTC),
        seconds=0.0,
        study=None if trial is None else trial.study,
        trial=None if trial is None else trial.number,
        fitted_on=plan.fitted_on,
        refit_of=None if refit is None else refit.of,
        epochs=plan.epochs,
    )
    folder = run_folder(workspace, run.run)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(run.config)
    with held(folder):
        return _carry_out(workspace, run, estimator, data, report, trial=trial), estimator


def join_training(workspace: Workspace, plan: FitPlan) -> None:
    """Take part in a fit that process 0 of ``torchrun`` does with :func:`fit_run`; records nothing."""
    estimator = plan.estimator()
    data = _read(workspace, estimator, plan.dataset, plan.fitted_on)
    fit(estimator, data, seed=plan.seed, device=plan.device, epochs=plan.epochs)


def join_resumed(workspace: Workspace, run_id: str) -> None:
    """Take part in a fit that process 0 of ``torchrun`` continues with :func:`resume`; records nothing."""
    run = find(workspace, run_id)
    estimator = model_class(run.model)(**json.loads(run.config))
    data = _read(workspace, estimator, run.dataset, run.fitted_on)
    folder = run_folder(workspace, run_id) / "checkpoint"
    fit(estimator, data, seed=run.seed, device=run.device, folder=folder, resume=True, epochs=run.epochs)


def resume(workspace: Workspace, run_id: str, *, report: Callable[[Epoch], None] = lambda _: None) -> Run:
    """Continue a run that was interrupted, killed or failed, from its last checkpoint.

    Raises:
        InputError: The run is done, is still being fitted, or its dataset has changed since.
    """
    run = _unfinished(workspace, run_id)
    if run.status == "running" and is_alive(workspace, run):
        raise InputError(f"run {run_id!r} is being fitted by process {run.process}")
    folder = run_folder(workspace, run_id)
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        run = _unfinished(workspace, run_id)  # somebody else may have finished it meanwhile
        estimator = model_class(run.model)(**json.loads(run.config))
        data = _read(workspace, estimator, run.dataset, run.fitted_on)
        if data.generation != run.dataset_generation:
            raise InputError(f"dataset {run.dataset!r} has been replaced since run {run_id!r} began; train anew")
        continued = replace(run, status="running", process=os.getpid(), message=None)
        return _carry_out(workspace, continued, estimator, data, report, resume=True)


def _unfinished(workspace: Workspace, run_id: str) -> Run:
    run = find(workspace, run_id)
    if run.study is not None:
        raise InputError(f"run {run_id!r} is a trial of {run.study}, which goes on with: distaff tune")
    if run.status == "done":
        raise InputError(f"run {run_id!r} is done; there is nothing to resume")
    return run


def evaluate(workspace: Workspace, run_id: str) -> list[Measurement]:
    """Measure a finished run again, and store what it scored.

    Raises:
        InputError: The run is not done, or what it is measured on is gone.
    """
    if find(workspace, run_id).fitted_on == ALL:
        raise InputError(f"run {run_id!r} was fitted on all its dataset, so nothing is held out to measure it on")
    model: Model[Any] = Model.load(model_folder(workspace, run_id))
    model.load_results(workspace.warehouse, run_id)
    measurements = model.measure()
    store_measurements(workspace, run_id, measurements)
    return measurements


def store_measurements(workspace: Workspace, run_id: str, measurements: list[Measurement]) -> None:
    """Publish what a run scored: the metrics, and the headline metrics of every unit."""
    with workspace.warehouse.publish(f"metrics/{run_id}") as publication:
        rows = [
            {"split": m.split, "metric": name, "value": value}
            for m in measurements
            for name, value in m.metrics.items()
        ]
        publication.append("metrics", rows, run=run_id)
        for m in measurements:
            for name, values in m.per_unit.items():
                table = pa.table({"unit": m.units, "value": values.double().numpy()})
                publication.append("unit_metrics", table, run=run_id, split=m.split, metric=name)


def _read(workspace: Workspace, model: Model[Any], dataset: str, fitted_on: str) -> Any:
    """Return what a model is fitted to: the dataset as it is divided, or all of it as training data."""
    data = model.read(workspace.warehouse, dataset)
    return everything(data) if fitted_on == ALL else data


def _carry_out(
    workspace: Workspace,
    run: Run,
    model: Model[Any],
    data: Any,
    report: Callable[[Epoch], None],
    *,
    resume: bool = False,
    trial: Trial | None = None,
) -> Run:
    """Fit, evaluate, save and record; whatever happens, the run's last state is recorded."""
    folder = run_folder(workspace, run.run)
    before, start = run.seconds, time.perf_counter()

    def ended(status: str, message: str | None = None) -> Run:
        final = replace(run, status=status, message=message, seconds=before + time.perf_counter() - start)
        record(workspace, final)
        return final

    record(workspace, run)
    try:
        with (folder / logs.NAME).open("a", buffering=1) as log:

            def on_epoch(epoch: Epoch) -> None:
                line = {"epoch": epoch.epoch, "seconds": time.perf_counter() - start, **epoch.losses, **epoch.valid}
                log.write(json.dumps(line) + "\n")
                report(epoch)

            fit(
                model,
                data,
                seed=run.seed,
                device=run.device,
                report=on_epoch,
                folder=folder / "checkpoint" if trial is None else None,
                resume=resume,
                epochs=run.epochs,
            )
        if trial is None:
            measurements = model.measure()
            model.save(folder / "model")
        else:
            measurements = [Measurement("valid", trial.measure(model), pa.array([], pa.string()), {})]
        _publish_history(workspace, run.run, folder / logs.NAME)
        store_measurements(workspace, run.run, measurements)
        if trial is None:
            model.publish_results(workspace.warehouse, run.run)
    except Pruned as pruned:
        _publish_history(workspace, run.run, folder / logs.NAME)
        return ended("pruned", str(pruned))
    except KeyboardInterrupt:
        ended("interrupted", "stopped by the user")
        raise
    except Exception as error:
        ended("failed", redacted(f"{type(error).__name__}: {error}"))
        raise
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    run = replace(run, n_tried=model.n_tried or None)
    return ended("done", "\n".join(model.remarks) or None)


def _publish_history(workspace: Workspace, run_id: str, log: Path) -> None:
    """Publish the log; an epoch fitted twice, around a resumption, counts once."""
    epochs = {line["epoch"]: line for line in logs.epochs(log)}
    rows = [
        {"epoch": epoch, "name": name, "value": value}
        for epoch, line in epochs.items()
        for name, value in line.items()
        if name != "epoch"
    ]
    if rows:
        with workspace.warehouse.publish(f"history/{run_id}") as publication:
            publication.append("history", rows, run=run_id)
