"""A small workspace with everything the pages show, made through the platform's own functions."""

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from streamlit import config

from distaff.factors.intents.evidence import explain_run
from distaff.recommenders.score import score_run
from distaff.runs import records, training
from distaff_data.workspace import Workspace

DATASET = "shop"
HOSTILE = '=HYPERLINK("http://x") <b>[click](http://x)</b> $x$ `y`'
N_ITEMS, N_USERS, N_GROUPS = 90, 60, 3


def publish_dataset(
    workspace: Workspace, name: str, rows: Sequence[tuple[str, str, str]], titles: dict[str, str]
) -> None:
    """Write a dataset from ``(user, item, split)`` rows; items get a title and the genre of their group."""
    users, items = ({k: i for i, k in enumerate(dict.fromkeys(row[c] for row in rows))} for c in (0, 1))
    trained = [row for row in rows if row[2] == "train"]
    counts = {c: {k: sum(row[c] == k for row in trained) for k in ids} for c, ids in ((0, users), (1, items))}
    with workspace.warehouse.publish(f"dataset/{name}") as out:
        out.append("interactions", [{"user_id": u, "item_id": i, "split": s} for u, i, s in rows], dataset=name)
        for column, (table, ids) in enumerate((("users", users), ("items", items))):
            key = f"{table[:-1]}_id"
            found = [{key: k, "position": at, "n_train": counts[column][k]} for k, at in ids.items()]
            out.append(table, found, dataset=name)
        known = [{"id": i, "name": "title", "value": title} for i, title in titles.items()]
        known += [{"id": i, "name": "genre", "value": f"group {int(i[1:]) % N_GROUPS}"} for i in items]
        out.append("attributes", known, dataset=name, entity="item")
        facts = {"users": len(users), "items": len(items), "train": len(trained)}
        entry = {"dataset": name, "kind": "interactions", "facts": json.dumps(facts), "created_at": datetime.now(UTC)}
        out.append("datasets", [entry])


def planted_rows(seed: int = 0) -> list[tuple[str, str, str]]:
    """Users who mostly take items of their own group."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(N_USERS):
        own = np.arange(N_ITEMS) % N_GROUPS == user % N_GROUPS
        weight = np.where(own, 1.0, 0.08)
        taken = draw.choice(N_ITEMS, size=8, replace=False, p=weight / weight.sum())
        splits = ["test", "valid"] + ["train"] * 6
        rows += [(f"u{user}", f"i{item}", split) for item, split in zip(taken, splits, strict=True)]
    return rows


QUICK_DCCF: dict[str, object] = {
    "n_intents": 3,
    "embedding_dim": 8,
    "max_epochs": 2,
    "samples_per_epoch": 512,
    "batch_size": 512,
}


def with_dataset(root: Path) -> Workspace:
    workspace = Workspace.create(root)
    titles = {f"i{n}": f"Item number {n}" for n in range(N_ITEMS - 1)} | {"i0": HOSTILE}
    publish_dataset(workspace, DATASET, planted_rows(), titles)
    return workspace


@pytest.fixture(autouse=True, scope="session")
def _on_loopback() -> None:
    """As the launcher sets it: the app refuses any other address."""
    config.set_option("server.address", "127.0.0.1")


@pytest.fixture
def hostile() -> str:
    """The title of item ``i0``."""
    return HOSTILE


@pytest.fixture
def quick_dccf() -> dict[str, object]:
    """Settings of a model that is fitted at once and learns little."""
    return dict(QUICK_DCCF)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a dataset, to be copied."""
    return with_dataset(tmp_path_factory.mktemp("published") / "workspace").root


@pytest.fixture
def bare(published: Path, tmp_path: Path) -> Workspace:
    """A workspace with a dataset and no run."""
    shutil.copytree(published, tmp_path / "workspace")
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture(scope="session")
def filled(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with two controls, two seeds of a model, and the intents of one of each."""
    root = tmp_path_factory.mktemp("dashboard") / "workspace"
    shutil.copytree(published, root)
    workspace = Workspace.open(root)
    training.train(workspace, "popularity", DATASET, device="cpu")
    control = training.train(workspace, "nmf", DATASET, settings={"n_intents": 3}, device="cpu")
    models = [training.train(workspace, "dccf", DATASET, settings=QUICK_DCCF, seed=s, device="cpu") for s in (0, 1)]
    for run in (control, models[-1]):
        explain_run(workspace, run.run)
    score_run(workspace, models[-1].run, top_k=10)
    return workspace


@pytest.fixture
def lost(bare: Workspace) -> Workspace:
    """A workspace with intents whose model's files are gone."""
    run = training.train(bare, "nmf", DATASET, settings={"n_intents": 3}, device="cpu")
    explain_run(bare, run.run)
    shutil.rmtree(records.run_folder(bare, run.run) / "model")
    return bare
