"""From selection to production: a fit on everything, with the settings and epochs that validation chose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
import torch
from published import publish
from typer.testing import CliRunner

from distaff.audit.figures import fitted_to_the_dataset
from distaff.audit.history import Records
from distaff.board.board import board
from distaff.cli.app import app
from distaff.forgetting.forget import forget
from distaff.recommenders.base import Recommender
from distaff.recommenders.score import score_run
from distaff.runs import records, training
from distaff.runs.refit import chosen_epoch, plan_refit
from distaff.scheduling import retraining
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError
from distaff_data.ingest import IngestReport
from distaff_data.planted.samples import sample
from distaff_data.tables.interactions import load_interactions
from distaff_data.workspace import Workspace

QUICK = {"embedding_dim": 4, "max_epochs": 40, "eval_every": 1, "patience": 2, "lr": 0.05, "batch_size": 64}
EVERYONE = torch.arange(40)


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    publish(workspace, checkerboard())
    return workspace


def call(workspace: Workspace, *arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["--workspace", str(workspace.root), *arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    runs: list[dict[str, Any]] = json.loads(result.stdout)["runs"]
    return runs


def test_a_refit_trains_the_epochs_that_validation_chose_on_everything(filled: Workspace) -> None:
    measured = training.train(filled, "lightgcn", "checkerboard", settings=QUICK, device="cpu")
    epochs = chosen_epoch(filled, measured)
    assert epochs is not None
    curve = filled.warehouse.frame("SELECT epoch, value FROM history WHERE name = 'recall@20' ORDER BY epoch")
    best = curve.filter(pl.col("value") == pl.col("value").max())["epoch"][0]
    assert epochs == best < curve["epoch"].max()  # the fit went on for its patience; the refit does not
    refit = training.train(filled, "lightgcn", "checkerboard", device="cpu", refit=plan_refit(filled, measured.run))
    assert (refit.fitted_on, refit.refit_of, refit.epochs, refit.settings) == (
        records.ALL, measured.run, epochs, measured.settings
    )  # fmt: skip
    trained = filled.warehouse.rows("SELECT max(epoch) AS last FROM history WHERE run = ?", [refit.run])
    assert trained == [{"last": epochs}]
    everything = load_interactions(filled.warehouse, "checkerboard").all_in_training()
    assert (everything.train.nnz, everything.valid.nnz, everything.test.nnz) == (
        sum(checkerboard().split(split).nnz for split in ("train", "valid", "test")), 0, 0
    )  # fmt: skip
    alone = Recommender.named("lightgcn")(**QUICK | {"max_epochs": epochs}).fit(everything, device="cpu")
    kept = Recommender.load(records.model_folder(filled, refit.run))
    assert torch.equal(kept.predict(EVERYONE), alone.predict(EVERYONE))


@pytest.mark.parametrize(
    ("model", "settings"),
    [("blend", {"components": "ease:penalty=20,item_knn"}), ("plait", {"components": "ease,item_knn", "n_intents": 2})],
)
def test_a_refit_takes_what_a_model_chose_by_itself(filled: Workspace, model: str, settings: dict[str, Any]) -> None:
    measured = training.train(filled, model, "checkerboard", settings=settings, device="cpu")
    assert measured.n_tried
    plan = plan_refit(filled, measured.run)
    refit = training.train(filled, model, "checkerboard", device="cpu", refit=plan)
    first, again = (cast(Any, Recommender.load(records.model_folder(filled, run.run))) for run in (measured, refit))
    assert again.blend == pytest.approx(first.blend)
    assert refit.n_tried is None  # nothing was chosen anew
    assert plan_refit(filled, refit.run).settings == json.loads(refit.settings)


def test_a_refit_is_never_on_the_board_and_cannot_be_measured(filled: Workspace) -> None:
    measured = training.train(filled, "ease", "checkerboard", device="cpu")
    before = board(filled, "checkerboard")
    refit = training.train(filled, "ease", "checkerboard", device="cpu", refit=plan_refit(filled, measured.run))
    assert records.metrics_of(filled, [refit.run])[refit.run] == {}
    assert board(filled, "checkerboard") == before
    assert records.same_but_seed(filled, measured.run) == []
    with pytest.raises(InputError, match="nothing is held out"):
        training.evaluate(filled, refit.run)
    assert plan_refit(filled, refit.run) == plan_refit(filled, measured.run)


def test_lists_of_a_refit_start_from_the_last_items_and_hide_all_that_a_user_has(workspace: Workspace) -> None:
    report = sample(workspace, "planted-interactions", n_users=60, n_items=50, n_events=1500)
    assert isinstance(report, IngestReport)
    measured = training.train(workspace, "ease", report.dataset, device="cpu")
    refit = training.train(workspace, "ease", report.dataset, device="cpu", refit=plan_refit(workspace, measured.run))
    for run in (measured, refit):
        score_run(workspace, run.run, top_k=10)
    held = workspace.warehouse.rows(
        "SELECT count(*) AS n FROM recommendations JOIN interactions USING (user_id, item_id)"
    )
    assert held == [{"n": 0}]
    data = load_interactions(workspace.warehouse, report.dataset)
    lists = Recommender.named("ease")().fit(data.all_in_training(), device="cpu").recommend(k=10)
    published = workspace.warehouse.frame(
        "SELECT user_id, rank, item_id FROM recommendations WHERE run = ? ORDER BY ALL", [refit.run]
    )
    assert published.equals(lists.select("user_id", "rank", "item_id").sort(pl.all()))


def test_an_interrupted_refit_goes_on_as_one(filled: Workspace) -> None:
    measured = training.train(filled, "lightgcn", "checkerboard", settings=QUICK, device="cpu")
    plan = replace(plan_refit(filled, measured.run), epochs=6)
    whole = training.train(filled, "lightgcn", "checkerboard", device="cpu", refit=plan)

    def stop(epoch: object) -> None:
        if getattr(epoch, "epoch", 0) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(filled, "lightgcn", "checkerboard", device="cpu", refit=plan, report=stop)
    stopped = next(run for run in records.listing(filled) if run.status == "interrupted")
    resumed = training.resume(filled, stopped.run)
    assert (resumed.status, resumed.fitted_on, resumed.epochs) == ("done", records.ALL, 6)
    one, other = (Recommender.load(records.model_folder(filled, run.run)) for run in (whole, resumed))
    assert torch.equal(one.predict(EVERYONE), other.predict(EVERYONE))


def test_a_refit_from_which_people_were_forgotten_is_fitted_on_all_again(filled: Workspace) -> None:
    measured = training.train(filled, "lightgcn", "checkerboard", settings=QUICK, device="cpu")
    refit = training.train(filled, "lightgcn", "checkerboard", device="cpu", refit=plan_refit(filled, measured.run))
    forget(filled, ["7"], "checkerboard")
    anew = records.find(filled, retraining._fitted(filled, records.find(filled, refit.run)))
    assert (anew.fitted_on, anew.epochs, anew.refit_of) == (records.ALL, refit.epochs, measured.run)
    assert anew.run != refit.run


def test_a_refit_that_forgot_people_exactly_is_of_the_dataset_as_it_is_now(filled: Workspace) -> None:
    measured = training.train(filled, "ease", "checkerboard", device="cpu")
    refit = training.train(filled, "ease", "checkerboard", device="cpu", refit=plan_refit(filled, measured.run))
    forget(filled, ["7"], "checkerboard")
    for run in (measured, refit):
        found = fitted_to_the_dataset(Records.of(filled, "checkerboard", run), records.find(filled, run.run))
        assert found.verdict == "pass", found.figure


def test_the_verb_takes_the_board_choice_or_the_run_named(filled: Workspace) -> None:
    for penalty in ("0.1", "500"):
        call(filled, "train", "ease", "checkerboard", "--set", f"penalty={penalty}")
    best, other = board(filled, "checkerboard").rows
    assert (best.chosen, other.chosen) == (True, False)
    (by_board,) = call(filled, "train", "ease", "checkerboard", "--on", "all")
    assert (by_board["refit_of"], by_board["metrics"]) == (best.runs[0], {})
    (named,) = call(filled, "train", "ease", "checkerboard", "--on", "all", "--from", other.runs[0])
    assert named["refit_of"] == other.runs[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ease", "checkerboard", "--on", "all"), "has no finished run"),
        (("ease", "checkerboard", "--on", "valid"), "train or on all"),
        (("ease", "checkerboard", "--from", "x"), "--on all"),
        (("ease", "checkerboard", "--on", "all", "--set", "penalty=3"), "that validation chose"),
        (("ease", "--on", "all"), "name a model and a dataset"),
    ],
)
def test_what_makes_no_refit_is_refused(filled: Workspace, arguments: tuple[str, ...], said: str) -> None:
    wrong = CliRunner().invoke(app, ["--workspace", str(filled.root), "train", *arguments])
    assert isinstance(wrong.exception, InputError)
    assert said in str(wrong.exception)


def test_series_are_not_fitted_on_all(workspace: Workspace) -> None:
    sample(workspace, "planted-series", n_windows=60, n_steps=16)
    run = training.train(workspace, "raw_ridge", "planted-series", device="cpu")
    with pytest.raises(InputError, match="validation rows"):
        training.train(workspace, "raw_ridge", "planted-series", refit=plan_refit(workspace, run.run))
    assert Path(records.model_folder(workspace, run.run)).is_dir()
