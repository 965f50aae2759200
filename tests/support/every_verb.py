"""A small workspace with something for every verb, and a command line of each verb on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

Call = Callable[..., tuple[int, str, str]]

NOT_CALLED = {"demo": "takes a minute, and calls the others", "tune worker": "what tune start calls"}


def fill(call: Call, files: Path) -> dict[str, str]:
    """Fill a workspace by the verbs themselves; returns names of runs by what they are."""
    write_files(files)
    ingestions: list[tuple[str, ...]] = [
        ("ingest", "interactions", "shop", f"{files}/orders.csv", "--split", "random:0.6,0.2,0.2"),
        ("ingest", "items", "shop", f"{files}/items.csv"),
        ("ingest", "series", "sites", f"{files}/sites.csv", "--split", "rows:80,20,20"),
        ("ingest", "incidents", "outages", f"{files}/cases"),
    ]
    for arguments in ingestions:
        done(call(*arguments))
    runs = {
        "nmf": _train(call, "nmf", "shop", "--set", "n_intents=2"),
        "popularity": _train(call, "popularity", "shop"),
        "pca": _train(call, "pca", "sites", "--set", "seq_len=8", "--set", "n_components=2", "--set", "horizons=4"),
        "nsigma": _train(call, "nsigma", "outages"),
    }
    verbs: list[tuple[str, ...]] = [
        ("score", runs["nmf"], "--top-k", "3"),
        ("factors", runs["nmf"]),
        ("note", runs["nmf"], "0", "--note", "a note"),
        ("promote", runs["popularity"], "--as", "champion"),
        ("schedule", "add", "nightly", "--cron", "0 3 * * *", "--model", "champion"),
    ]
    for arguments in verbs:
        done(call(*arguments))
    return runs


def write_files(folder: Path) -> None:
    """Write ``orders.csv``, ``items.csv``, ``sites.csv`` and the folder ``cases``."""
    draw = np.random.default_rng(0)
    pairs = [f"u{u},i{i}" for u in range(24) for i in range(16) if u % 2 == i % 2 or (u + i) % 7 == 0]
    (folder / "orders.csv").write_text("user,item\n" + "\n".join(pairs) + "\n")
    items = [f"i{i},{'even' if i % 2 == 0 else 'odd'},item {i}" for i in range(16)]
    (folder / "items.csv").write_text("item,kind,title\n" + "\n".join(items) + "\n")
    wave = np.sin(np.arange(120) / 3)
    sites = pl.DataFrame({"time": np.arange(120), "a": wave + draw.normal(size=120) / 9, "b": draw.normal(size=120)})
    sites.write_csv(folder / "sites.csv")
    (folder / "cases" / "cases").mkdir(parents=True)
    db, web = draw.normal(size=(2, 120))
    db[80:] += 6
    shop = 0.8 * np.concatenate([[0.0], db[:-1]]) + 0.5 * web + draw.normal(size=120) / 4
    table = pl.DataFrame({"time": np.arange(120) * 60.0, "db|cpu": db, "web|cpu": web, "shop|latency": shop})
    table.write_parquet(folder / "cases" / "cases" / "first.parquet")
    case = {"case": "first", "onset": 80 * 60, "kpi": "shop|latency", "root_entities": ["db"]}
    (folder / "cases" / "cases.json").write_text(json.dumps([case]))


def commands(runs: dict[str, str], files: Path) -> dict[str, list[str]]:
    """Return the arguments of every verb, by its name; those that change much come last."""
    nmf, popularity, pca, nsigma = (runs[name] for name in ("nmf", "popularity", "pca", "nsigma"))
    given = {
        "init": [],
        "datasets": [],
        "tables": [],
        "sql": ["SELECT count(*) FROM interactions"],
        "models": [],
        "runs": [],
        "show": [nmf],
        "board": ["shop"],
        "aliases": [],
        "schedule list": [],
        "tune show": ["none"],
        "tune list": [],
        "tune export": ["none", str(files / "none.toml")],
        "evaluate": [nmf],
        "audit": [popularity],
        "factors": [nmf],
        "note": [nmf, "1", "--note", "another"],
        "blind-spots": [nmf],
        "explain": [nmf, "u1"],
        "steer": [nmf, "u1", "--factor", "0=0.5"],
        "rerank": [nmf, "u1", "--set", "0=0.5"],
        "diagnose": ["outages", "--model", "nsigma"],
        "report": [nsigma, "first", "--out", str(files / "reports")],
        "embed": [pca],
        "export": [nmf, str(files / "graph")],
        "forecast": [pca],
        "classify": [pca],
        "anomalies": [pca],
        "adapt": ["sites", "--source", "a", "--target", "b"],
        "keygen": [str(files / "key.pem")],
        "sign": [nmf],  # refused, since no key is named
        "serve": ["champion", "--address", "0.0.0.0"],  # refused without a token, once the workspace is opened
        "dashboard": ["--address", "0.0.0.0", "--no-browser"],  # refused without a login, once it is opened
        "schedule add": ["weekly", "--cron", "0 4 * * 1", "--model", "champion"],
        "schedule remove": ["weekly"],
        "schedule run": ["--once"],
        "tune start": ["popularity", "shop", "--trials", "1", "--seeds", "0"],
        "score": [nmf, "--top-k", "2"],
        "train": ["popularity", "shop", "--seeds", "1"],
        "promote": [nmf, "--as", "champion"],
        "rollback": ["champion"],
        "sample": ["planted-incidents", "--as", "planted", "--set", "n_cases=1"],
        "ingest items": ["shop", str(files / "items.csv")],
        "ingest users": ["shop", str(files / "none.csv")],
        "ingest series": ["sites", str(files / "sites.csv"), "--replace", "--split", "rows:80,20,20"],
        "ingest incidents": ["outages", str(files / "cases"), "--replace"],
        "ingest interactions": ["shop", str(files / "orders.csv"), "--replace"],
        "archive run": [nmf],
        "archive dataset": ["sites", "--undo"],
        "rename": [nmf, "a title"],
        "tag": [nmf, "weekly"],
        "delete run": [pca],
        "delete study": ["none"],
        "bin": [],
        "restore": [pca],
        "delete dataset": ["planted"],
        "forget": ["u3", "--dataset", "shop", "--yes"],
        "doctor": [],
    }
    return {verb: [*verb.split(), *arguments] for verb, arguments in given.items()}


def done(ended: tuple[int, str, str]) -> str:
    """Return what a call printed that went well."""
    status, out, err = ended
    assert status == 0, err
    return out


def _train(call: Call, *arguments: str) -> str:
    return str(json.loads(done(call("train", *arguments, "--json")))["runs"][0]["run"])
