"""Attacks through files that are loaded: objects that run when they are unpickled, content that was changed."""

from __future__ import annotations

import ast
import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

import distaff
from distaff.model import checkpoints, saving
from distaff.recommenders.base import Recommender
from distaff.testing.data import checkerboard
from distaff_data.errors import InputError
from distaff_data.ingest import ingest_attributes, ingest_interactions
from distaff_data.ingest.archives import read_npz
from distaff_data.workspace import Workspace

ROOT = Path(distaff.__file__).parents[2]
SOURCES = [
    f
    for folder in ("platform", "graph", "timeseries", "dashboards", "data", "benchmarks")
    for f in (ROOT / folder).rglob("*.py")
]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "yaml"}


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.write_text, (self.victim, "owned")


def test_no_source_unpickles_or_evaluates() -> None:
    assert len(SOURCES) > 150
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not MODULES & {name.name.split(".")[0] for name in node.names}, file
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in MODULES, file
            if not isinstance(node, ast.Call):
                continue
            called, keywords = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert called not in ("eval", "exec", "compile", "__import__", "os.system", "os.popen"), file
            assert called not in ("torch.load", "pd.read_pickle", "pandas.read_pickle"), file
            if called in ("np.load", "numpy.load"):
                assert keywords.get("allow_pickle") == "False", file
            assert keywords.get("shell", "False") == "False", file


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model = Recommender.named("popularity")().fit(checkerboard(), device="cpu")
    model.save(tmp_path / "model")
    return tmp_path / "model"


def resign(folder: Path, name: str) -> None:
    """Write the file's new digest into the manifest, as an attacker would."""
    manifest = json.loads((folder / "model.json").read_text())
    manifest["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    del manifest["digest"]
    manifest["digest"] = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    (folder / "model.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", ["model.safetensors", "interactions.safetensors", "users.parquet"])
@pytest.mark.parametrize("signed", [False, True])
def test_pickle_in_the_place_of_an_artefact_is_refused_and_not_run(
    saved: Path, tmp_path: Path, name: str, signed: bool
) -> None:
    victim = tmp_path / "victim"
    torch.save({"counts": Bomb(victim)}, saved / name) if signed else (saved / name).write_bytes(
        pickle.dumps(Bomb(victim))
    )
    if signed:
        resign(saved, name)
    with pytest.raises(InputError, match="cannot be read" if signed else "changed since"):
        saving.load(saved)
    assert not victim.exists()


def test_pickled_checkpoint_is_refused_and_not_run(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (tmp_path / "last.safetensors").write_bytes(pickle.dumps(Bomb(victim)))
    with pytest.raises(InputError, match="checkpoint"):
        checkpoints.read_checkpoint(tmp_path, "last")
    assert not victim.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"model": "os"},
        {"model": "popularity", "config": {"__class__": "x"}},
        {"sha256": []},
        {"config": None},
        {"generation": {}, "dataset": 7, "config": {"no_such": 1}},
    ],
)
def test_manifest_that_was_tampered_with_is_refused(saved: Path, change: dict[str, object]) -> None:
    manifest = json.loads((saved / "model.json").read_text())
    (saved / "model.json").write_text(json.dumps(manifest | change))
    with pytest.raises(InputError):
        saving.load(saved)
    (saved / "model.json").write_text("{")
    with pytest.raises(InputError):
        saving.load(saved)


def test_arrays_of_objects_are_refused_and_not_run(workspace: Workspace, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    array = np.array([Bomb(victim), Bomb(victim)], dtype=object)
    np.savez(tmp_path / "x.npz", x=array)
    np.save(tmp_path / "vectors.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match="Python objects"):
        read_npz([tmp_path / "x.npz"], "x")
    (tmp_path / "log.csv").write_text("user,item\n1,0\n2,1\n")
    ingest_interactions(workspace, "shop", tmp_path / "log.csv", split=None)
    with pytest.raises(InputError):
        ingest_attributes(workspace, "item", "shop", [f"text={tmp_path / 'vectors.npy'}"])
    assert not victim.exists()


def _resign_all(folder: Path) -> None:
    """Write every digest and the description of every tensor anew, as an attacker would who knows how."""
    file = folder / "model.json"
    manifest = json.loads(file.read_text())
    manifest["sha256"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(manifest["sha256"])
    }
    tensors = load_file(folder / "model.safetensors")
    manifest["tensors"] = {
        name: {"type": str(t.dtype), "shape": list(t.shape), "finite": bool(torch.isfinite(t).all())}
        for name, t in tensors.items()
    }
    del manifest["digest"]
    manifest["digest"] = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    file.write_text(json.dumps(manifest))


_WEIGHTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "fewer rows": lambda t: t[:2].clone(),
    "more rows": lambda t: torch.cat([t, t]),
    "flat": lambda t: t.flatten(),
    "whole numbers": lambda t: t.long(),
    "not a number": lambda t: torch.full_like(t, torch.nan),
    "infinite": lambda t: torch.full_like(t, torch.inf),
}


@pytest.mark.parametrize("model", ["nmf", "ease"])
@pytest.mark.parametrize("change", _WEIGHTS)
@pytest.mark.parametrize("signed", [False, True])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, model: str, change: str, signed: bool) -> None:
    settings = {"n_intents": 2} if model == "nmf" else {}
    Recommender.named(model)(**settings).fit(checkerboard(), device="cpu").save(tmp_path / "model")
    saving.load(tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    save_file({name: _WEIGHTS[change](tensor) for name, tensor in load_file(file).items()}, file)
    if signed:
        _resign_all(tmp_path / "model")
    with pytest.raises(InputError, match="cannot be read" if signed else "changed since"):
        saving.load(tmp_path / "model")


@pytest.mark.parametrize(
    "change", ["users cut", "one item for all", "column out of range", "negative column", "starts that fall"]
)
def test_ids_and_positions_that_do_not_fit_are_refused(saved: Path, change: str) -> None:
    tensors = load_file(saved / "interactions.safetensors")
    if change in ("users cut", "one item for all"):
        file = saved / ("users.parquet" if change == "users cut" else "items.parquet")
        table = pq.read_table(file)
        ids = table["id"].to_pylist()
        pq.write_table(table.slice(0, 3) if change == "users cut" else pa.table({"id": ids[:1] * len(ids)}), file)
    elif change == "starts that fall":
        tensors["train.indptr"][1] = tensors["train.indptr"][2] + 1
    else:
        tensors["train.indices"][0] = 10**6 if change == "column out of range" else -1
    save_file(tensors, saved / "interactions.safetensors")
    _resign_all(saved)
    with pytest.raises(InputError, match="cannot be read"):
        saving.load(saved)


def test_digests_can_neither_be_left_out_nor_the_manifest_be_changed(saved: Path) -> None:
    text = (saved / "model.json").read_text()
    manifest = json.loads(text)
    old = {key: value for key, value in manifest.items() if key not in ("format", "digest", "tensors")}
    for without in (manifest, old):
        (saved / "model.json").write_text(json.dumps(without | {"sha256": {}}))
        with pytest.raises(InputError):
            saving.load(saved)
    (saved / "model.json").write_text(json.dumps(manifest | {"generation": "another"}))
    with pytest.raises(InputError, match="changed since"):
        saving.load(saved)
    (saved / "model.json").write_text(json.dumps(old))
    assert saving.load(saved).name == "popularity", "0.1 wrote no more than this"
    (saved / "model.json").write_text(text)
    (saved / "added.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="no digest"):
        saving.load(saved)
