"""Fitted models without the people: the attack before and after, the record, the measures, and then the model's files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from distaff.forgetting import audit, proof
from distaff.forgetting.attack import NOTHING, Membership, by_folding, by_own_scores
from distaff.forgetting.audit import ModelRecord, Request
from distaff.model import saving
from distaff.recommenders.base import Recommender
from distaff.runs import records, training
from distaff.runs.records import Run
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import DistaffError, UnsupportedError
from distaff_data.splits import SPLITS
from distaff_data.tables.interactions import load_interactions
from distaff_data.workspace import Workspace


def unlearn(
    workspace: Workspace, request: Request, runs: Sequence[Run], people: Sequence[str], progress: Callable[[str], None]
) -> dict[str, str]:
    """Take the people out of the models of runs; returns why, for those where it failed."""
    live, failed = load_interactions(workspace.warehouse, request.dataset), {}
    confounder = proof.confounded(workspace, request.dataset)
    for run in runs:
        folder = records.run_folder(workspace, run.run)
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)  # it has the people's vectors, and cannot be continued
        saving.tidy(folder / "model")
        if not (folder / "model").is_dir():
            continue
        progress(f"model: {run.run}")
        try:
            _unlearn(workspace, request, run, folder / "model", people, live, confounder)
        except DistaffError as error:
            failed[run.run] = str(error)
    return failed


def known(workspace: Workspace, names: Sequence[str], people: Sequence[str]) -> set[str]:
    """Return those of the people whom the models of runs know, whatever the tables say."""
    return named_in([records.run_folder(workspace, name) / "model" for name in names], people)


def named_in(folders: Sequence[Path], people: Sequence[str]) -> set[str]:
    """Return those of the people whom models in some folders know."""
    known_people: set[str] = set()
    for folder in folders:
        ids = Interactions.user_ids_in(folder)
        known_people |= set(people) & set(ids.filter(pc.is_in(ids, pa.array(people, pa.string()))).to_pylist())
    return known_people


def _unlearn(
    workspace: Workspace,
    request: Request,
    run: Run,
    folder: Path,
    people: Sequence[str],
    live: Interactions,
    confounder: str | None,
) -> None:
    model = Recommender.load(folder)
    users = model.data.user_positions(list(people))
    users = users[users >= 0]
    if users.numel():
        audit.record_models(workspace, [_without(model, users, request, run, confounder)])
        if _same(model.data, live.all_in_training() if run.fitted_on == records.ALL else live):
            model.bind(replace(model.data, generation=live.generation))
        training.store_measurements(workspace, run.run, model.measure())
        model.save(folder)  # last: until then all of this is done again
    if model.data.generation != run.dataset_generation:
        records.record(workspace, replace(run, dataset_generation=model.data.generation))


def _without(model: Recommender, users: Tensor, request: Request, run: Run, confounder: str | None) -> ModelRecord:
    """Change the model, and attack it before and after."""
    train, held = model.data.train.take(users), model.data.valid.union(model.data.test).take(users)

    def attack() -> Membership:
        try:
            return by_folding(model, train, held)
        except UnsupportedError:
            return NOTHING

    plain, before = by_own_scores(model, users), attack()
    method = model.unlearn(users, run.seed)
    after = attack()
    shown_by, message = proof.of_model(method, after, confounder)
    return ModelRecord(
        request.forgetting,
        run.run,
        method,
        "queued" if method == "rows" else "done",
        own_before=plain.auc,
        before=before.auc,
        after=after.auc,
        low=after.low,
        high=after.high,
        pairs=after.pairs,
        detectable=after.detectable,
        proof=shown_by,
        message=message,
    )


def _same(one: Interactions, other: Interactions) -> bool:
    """Tell whether two loads hold the same data, whatever generation they say."""
    return (
        one.user_ids.equals(other.user_ids)
        and one.item_ids.equals(other.item_ids)
        and all(
            torch.equal(getattr(one.split(s), name), getattr(other.split(s), name))
            for s in SPLITS
            for name in ("indptr", "indices")
        )
    )
