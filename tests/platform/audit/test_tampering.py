"""The referee is not deceived by changed or removed records, replaced data, seeds, twins, or ties in time."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from deltalake import DeltaTable
from published import publish

from distaff.audit import controls, selection
from distaff.audit.figures import figures_were_measured, fitted_to_the_dataset, no_record_removed
from distaff.audit.finding import Finding
from distaff.audit.history import Records
from distaff.audit.people import nobody_twice
from distaff.audit.splits import split_findings
from distaff.board.selection import tried
from distaff.deletion.delete import delete
from distaff.model.base import Measurement
from distaff.model.registry import model_class
from distaff.runs import aliases, records, training
from distaff.runs.logs import NAME
from distaff.runs.refit import plan_refit
from distaff.testing.data import checkerboard
from distaff_data.datasets.interactions import Interactions
from distaff_data.workspace import Workspace

DATASET = "checkerboard"
GOOD, POOR = {"embedding_dim": 4}, {"embedding_dim": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of controls: popularity, and three seeds of ALS beside one of ALS with poor settings."""
    workspace = Workspace.create(tmp_path_factory.mktemp("tampering") / "workspace")
    publish(workspace, checkerboard(60, 60, n_blocks=3, held_out=3), timed=True)
    training.train(workspace, "popularity", DATASET, device="cpu")
    training.train(workspace, "als", DATASET, settings=POOR, device="cpu")
    for seed in range(3):
        training.train(workspace, "als", DATASET, settings=GOOD, seed=seed, device="cpu")
    return workspace.root


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(made, tmp_path / "workspace")
    return Workspace.open(tmp_path / "workspace")


def of(workspace: Workspace, settings: dict[str, int], seed: int = 0) -> records.Run:
    """Return the newest run of ALS with these settings."""
    runs = (r for r in records.listing(workspace) if json.loads(r.settings) == settings and r.seed == seed)
    return next(r for r in runs if r.model == "als")


def read(workspace: Workspace, run: records.Run | None = None) -> Records:
    return Records.of(workspace, DATASET, run)


def scored(workspace: Workspace, run: records.Run, valid: float, test: float) -> None:
    """Let a run have scored so much with every user."""
    units, values = pa.array([str(u) for u in range(60)]), {"valid": valid, "test": test}
    names = ("recall@20", "ndcg@20")
    measured = [
        Measurement(split, dict.fromkeys(names, v), units, dict.fromkeys(names, torch.full((60,), v)))
        for split, v in values.items()
    ]
    training.store_measurements(workspace, run.run, measured)


# ------------------------------------------------------------------------------------------------- choice and records


def test_training_the_same_again_hides_no_choice_on_the_test(copied: Workspace) -> None:
    poor = of(copied, POOR)
    aliases.promote(copied, poor.run, "champion")
    training.train(copied, "als", DATASET, settings=POOR, device="cpu")
    for run in (None, poor):
        found = selection.chosen_on_validation(read(copied, run))
        assert found.verdict == "fail"
        assert "als (embedding_dim=1)" in found.figure
    good = of(copied, GOOD)
    training.train(copied, "als", DATASET, settings=GOOD, device="cpu")
    assert selection.chosen_on_validation(read(copied, good)).verdict == "pass"


def test_a_refit_whose_measured_run_was_deleted_is_found(copied: Workspace) -> None:
    measured = of(copied, GOOD)
    refit = training.train(copied, "als", DATASET, device="cpu", refit=plan_refit(copied, measured.run))
    aliases.promote(copied, refit.run, "champion")
    assert selection.chosen_on_validation(read(copied)).verdict == "pass"
    delete(copied, "run", measured.run)
    for run, name in ((None, "champion"), (refit, refit.run)):
        found = selection.chosen_on_validation(read(copied, run))
        expected = f"{name} was fitted on all as {measured.run}, whose record is gone"
        assert (found.verdict, found.figure) == ("fail", expected)
    assert selection.seed_not_chosen_on_test(read(copied)).verdict == "pass"
    assert fitted_to_the_dataset(read(copied, refit), refit).verdict == "pass"


def test_a_run_of_replaced_data_is_told_with_both_generations(copied: Workspace) -> None:
    run = of(copied, GOOD)
    assert fitted_to_the_dataset(read(copied, run), run).verdict == "pass"
    publish(copied, checkerboard(60, 60, n_blocks=3, held_out=4), timed=True)
    training.train(copied, "popularity", DATASET, device="cpu")
    history = read(copied, run)
    found = fitted_to_the_dataset(history, run)
    assert found.verdict == "fail"
    assert run.dataset_generation != history.generation
    assert run.dataset_generation in found.figure
    assert history.generation in found.figure
    assert selection.chosen_on_validation(history).verdict == "unknown"


def test_figures_that_were_not_measured_are_found(copied: Workspace) -> None:
    run = of(copied, GOOD)
    assert figures_were_measured(read(copied)).verdict == "pass"
    clean = figures_were_measured(read(copied, run))
    assert clean.verdict == "pass"
    assert clean.figure.endswith("its model gives them on validation again")
    where = f"run = '{run.run}' AND split = 'valid' AND metric = 'recall@20'"
    DeltaTable(copied.root / "warehouse" / "metrics").update(predicate=where, updates={"value": "0.99"})
    changed = figures_were_measured(read(copied))
    assert changed.verdict == "fail"
    assert f"recall@20 of {run.run} on valid is recorded as 0.9900" in changed.figure
    DeltaTable(copied.root / "warehouse" / "unit_metrics").update(predicate=where, updates={"value": "0.99"})
    assert figures_were_measured(read(copied)).verdict == "pass"  # of a dataset no model is measured again
    again = figures_were_measured(read(copied, run))
    assert again.verdict == "fail"
    assert "its model gives" in again.figure
    copied.warehouse.erase("unit_metrics", "run = ?", [run.run])
    assert "no values of units" in figures_were_measured(read(copied)).figure


def test_a_run_without_its_record_is_found_and_a_retired_one_is_none(copied: Workspace) -> None:
    run, other = of(copied, GOOD), of(copied, POOR)
    records.record(copied, replace(other, status="retired", message="people were forgotten"))
    shutil.rmtree(records.run_folder(copied, other.run) / "model")
    found = no_record_removed(read(copied))
    assert (found.verdict, found.figure) == ("pass", "5 run folders, each with its record")
    DeltaTable(copied.root / "warehouse" / "runs").delete(f"run = '{run.run}'")
    found = no_record_removed(read(copied))
    assert (found.verdict, found.figure) == ("fail", f"1 run folders have no record, such as {run.run}")
    shutil.rmtree(records.run_folder(copied, run.run))
    found = no_record_removed(read(copied))
    assert (found.verdict, found.figure) == ("fail", f"1 runs have metrics and no record, such as {run.run}")


def test_a_seed_is_not_chosen_on_the_test(copied: Workspace) -> None:
    runs = [of(copied, GOOD, seed) for seed in range(3)]
    for run, valid, test in zip(runs, (0.5, 0.7, 0.6), (0.4, 0.5, 0.9), strict=True):
        scored(copied, run, valid, test)
    assert selection.seed_not_chosen_on_test(read(copied)).figure == "no alias stands for it"
    for number, verdict in ((0, "pass"), (1, "pass"), (2, "fail")):  # the first; validation's best; the test's
        aliases.promote(copied, runs[number].run, "champion")
        assert selection.seed_not_chosen_on_test(read(copied)).verdict == verdict
        assert selection.seed_not_chosen_on_test(read(copied, runs[number])).verdict == verdict
    scored(copied, runs[0], 0.5, 0.9)
    assert selection.seed_not_chosen_on_test(read(copied)).verdict == "pass"  # no better than another on the test


# ------------------------------------------------------------------------------------------------------ looks, controls


def test_a_fit_that_ended_early_counts_where_it_showed_a_value(copied: Workspace) -> None:
    before = tried(copied, DATASET)
    assert before == {"als": 2, "popularity": 1}
    for number, status in enumerate(("interrupted", "failed", "running")):
        for shown in ({"loss": 1.0}, {"loss": 1.0, "recall@20": 0.3}):
            settings = json.dumps({"embedding_dim": 100 + 2 * number + len(shown)})
            run = replace(of(copied, GOOD), run=f"als-{DATASET}-{number}{len(shown)}", status=status, settings=settings)
            records.record(copied, run)
            folder = records.run_folder(copied, run.run)
            folder.mkdir()
            (folder / NAME).write_text(json.dumps({"epoch": 1, "seconds": 0.1, **shown}) + "\n{torn")
    assert tried(copied, DATASET) == {"als": 5, "popularity": 1}


def test_what_a_model_chooses_by_itself_counts(copied: Workspace) -> None:
    settings = {"components": "ease:penalty=250,als:embedding_dim=4"}
    plan = training.FitPlan("blend", DATASET, settings, device="cpu")
    run, model = training.fit_run(copied, plan)
    assert model.n_tried > 4
    assert records.find(copied, run.run).n_tried == run.n_tried == model.n_tried
    assert of(copied, GOOD).n_tried is None
    assert tried(copied, DATASET) == {"als": 2, "blend": model.n_tried, "popularity": 1}
    figure = selection.configurations_tried(read(copied)).figure
    assert figure == f"{model.n_tried + 3} in all: als 2, blend {model.n_tried}, popularity 1"


def test_a_control_below_chance_or_untuned_below_popularity_is_crippled(copied: Workspace) -> None:
    assert controls.tuned_controls(read(copied)).verdict == "pass"
    run = training.train(copied, "ease", DATASET, device="cpu")
    assert controls.tuned_controls(read(copied)).verdict == "pass"
    simplest = next(r for r in records.listing(copied) if r.model == "popularity")
    scored(copied, simplest, 0.9, 0.9)
    scored(copied, run, 0.8, 0.8)
    found = controls.tuned_controls(read(copied))
    assert found.verdict == "fail"
    assert "ease, of which one configuration was tried, has 0.8000 on validation, popularity 0.9000" in found.figure
    assert "als" not in found.figure  # two configurations were tried
    scored(copied, run, 0.01, 0.01)
    assert "ease has 0.0100 on validation, chance 0." in controls.tuned_controls(read(copied)).figure


def test_a_model_without_what_it_claims_is_a_control_that_it_needs(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = {model: model_class(model).ablations for model in ("plait", "dgvae", "dccf", "als")}
    assert needs == {"plait": ("blend",), "dgvae": ("macridvae_graph",), "dccf": ("lightgcn",), "als": ()}
    run = of(copied, GOOD)
    assert controls.standard_controls(read(copied, run)).figure == "ease is missing"
    monkeypatch.setattr(model_class("als"), "ablations", ("nmf", "a model of a package that is not here"))
    found = controls.standard_controls(read(copied, run)).figure
    assert found == "ease is missing; nmf, which is als without what it claims, is missing"


def test_controls_alone_are_compared_with_one_that_has_a_seed(copied: Workspace) -> None:
    assert selection.seeds_in_the_interval(read(copied)).figure == "als (embedding_dim=4) 3"
    for seed in (1, 2):
        records.record(copied, replace(of(copied, GOOD, seed), status="failed"))
    training.train(copied, "ease", DATASET, device="cpu")
    found = selection.seeds_in_the_interval(read(copied))
    assert (found.verdict, found.figure) == ("fail", "als (embedding_dim=4) has 1 of 3 seeds")
    for run in records.listing(copied):
        records.record(copied, replace(run, status="failed"))
    assert selection.seeds_in_the_interval(read(copied)).verdict == "unknown"


# -------------------------------------------------------------------------------------------------------- the data


def order(workspace: Workspace, times: str) -> Finding:
    """Return the line about time where the interactions have the times that an expression gives."""
    table = DeltaTable(workspace.root / "warehouse" / "interactions")
    table.update(updates={"time": times})
    return split_findings(workspace, DATASET, "interactions")[1]


def test_ties_are_no_order_and_validation_has_its_place(copied: Workspace) -> None:
    assert split_findings(copied, DATASET, "interactions")[1].verdict == "pass"
    by_split = "CASE WHEN split = 'train' THEN {} WHEN split = 'valid' THEN {} ELSE {} END"
    for train, valid, test, verdict, figure in (
        (
            1.0,
            1.0,
            1.0,
            "unknown",
            "180 of 180 test interactions are of the very time of one of their user in training",
        ),
        (
            1.0,
            2.0,
            2.0,
            "unknown",
            "180 of 180 test interactions are of the very time of one of their user in validation",
        ),
        (2.0, 1.0, 3.0, "fail", "180 of 180 valid interactions are earlier than one of their user in training"),
        (1.0, 3.0, 2.0, "fail", "180 of 180 test interactions are earlier than one of their user in validation"),
        (1.0, 2.0, 3.0, "pass", "0 of 180 test interactions are earlier than one of their user in training"),
    ):
        found = order(copied, by_split.format(train, valid, test))
        assert (found.verdict, found.figure[: len(figure)]) == (verdict, figure)


def taken(seed: int, *, n_users: int, n_items: int, density: float) -> list[tuple[str, int, str]]:
    """Return interactions with popularity like that of films, and a random split of each user's."""
    rng = np.random.default_rng(seed)
    chances = 1.0 / (10.0 + np.arange(n_items))
    chances *= density * n_items / chances.sum()
    rows = []
    for user in range(n_users):
        activity = rng.lognormal(-0.5, 1.0)
        items = np.flatnonzero(rng.random(n_items) < np.minimum(chances * activity, 0.95))
        rows += [(str(user), int(i), str(rng.choice(["train", "valid", "test"], p=[0.7, 0.1, 0.2]))) for i in items]
    return rows


def twice(rows: list[tuple[str, int, str]]) -> Finding:
    users, items, splits = zip(*rows, strict=True)
    return nobody_twice(Interactions.from_arrays(np.array(users), np.array(items), list(splits), name="taken"))


def test_people_who_are_there_twice_are_found() -> None:
    rows = taken(0, n_users=200, n_items=300, density=0.08)
    second = [(f"{user} again", item, "train") for user, item, _ in rows]
    found = twice(rows + second)
    assert found.verdict == "fail"
    n, _, n_users = found.figure.split()[:3]
    assert int(n) > 0.95 * int(n_users)
    few = [row for row in second if int(row[0].split()[0]) < 2]
    assert twice(rows + few).verdict == "pass"  # a trace


@pytest.mark.parametrize(("n_items", "density"), [(300, 0.08), (100, 0.3), (1500, 0.06)])
def test_nobody_is_called_twice_because_data_are_dense(n_items: int, density: float) -> None:
    for seed in range(3):
        found = twice(taken(seed, n_users=300, n_items=n_items, density=density))
        assert (found.verdict, found.figure.split()[0]) == ("pass", "0")


def test_twins_cannot_be_told_of_short_histories() -> None:
    assert twice([("a", 1, "train"), ("a", 2, "test"), ("b", 1, "train")]).verdict == "unknown"
