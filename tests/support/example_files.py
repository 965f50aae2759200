"""Small files of each kind, by the names under which the documentation speaks of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

_TASTES = ("silk thread", "oak table", "copper pan")


def write_example_files(folder: Path) -> None:
    """Write ``orders.csv, products.csv, sites.csv, machines.csv, metrics.csv, calls.csv`` and the folder ``cases``."""
    generator = np.random.default_rng(0)
    _shop(folder, generator)
    _sites(folder, generator)
    _machines(folder, generator)
    _outages(folder, generator)


def frame_of_interactions() -> pl.DataFrame:
    """Return ``user_id, item_id`` of 40 users and 30 items in two tastes."""
    pairs = [(f"u{u}", f"i{i}") for u in range(40) for i in range(30) if u % 2 == i % 2 and (u * 7 + i * 3) % 5]
    return pl.DataFrame(pairs, schema=["user_id", "item_id"], orient="row")


def _shop(folder: Path, generator: np.random.Generator) -> None:
    items = [f"p{i}" for i in range(45)]
    rows = []
    for customer in range(90):
        taste = customer % 3
        weights = np.where(np.arange(45) % 3 == taste, 40.0, 1.0)
        chosen = generator.choice(45, 10, replace=False, p=weights / weights.sum())
        rows += [
            {"customer": f"c{customer}", "product": items[i], "bought_at": f"2026-0{1 + n % 9}-{1 + customer % 28:02d}"}
            for n, i in enumerate(chosen)
        ]
    pl.DataFrame(rows).write_csv(folder / "orders.csv")
    pl.DataFrame(
        {
            "product": items,
            "name": [f"{_TASTES[i % 3].split()[1]} no. {i}" for i in range(45)],
            "category": [_TASTES[i % 3].split()[1] for i in range(45)],
            "description": [f"a {_TASTES[i % 3]} of kind{i % 5} for the house" for i in range(45)],
        }
    ).write_csv(folder / "products.csv")


def _sites(folder: Path, generator: np.random.Generator) -> None:
    hours = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 1, 17), "1h", eager=True)
    frames = []
    for site in ("north", "south"):
        day = np.sin(2 * np.pi * np.arange(len(hours)) / 24)
        noise = generator.normal(size=(len(hours), 2)) / 5
        frames.append(
            pl.DataFrame(
                {"time": hours, "site": [site] * len(hours), "load": day + noise[:, 0], "heat": 2 * day + noise[:, 1]}
            )
        )
    pl.concat(frames).write_csv(folder / "sites.csv")


def _machines(folder: Path, generator: np.random.Generator) -> None:
    frames = []
    for machine in range(30):
        faulty = machine % 2
        wave = np.sin(np.arange(32) * (0.4 + 0.5 * faulty)) + generator.normal(size=32) / 10
        frames.append(
            pl.DataFrame(
                {
                    "time": np.arange(32),
                    "machine": [f"m{machine}"] * 32,
                    "vibration": wave,
                    "state": ["worn" if faulty else "sound"] * 32,
                }
            )
        )
    pl.concat(frames).write_csv(folder / "machines.csv")


def _outages(folder: Path, generator: np.random.Generator) -> None:
    """Write three cases in which the database breaks, and then the shop that calls it."""
    (folder / "cases" / "cases").mkdir(parents=True)
    for case in range(3):
        db, web = generator.normal(size=(2, 240))
        db[160:] += 6
        latency = 0.8 * np.concatenate([[0.0], db[:-1]]) + 0.5 * web + generator.normal(size=240) / 4
        table = pl.DataFrame({"time": np.arange(240) * 60.0, "db|cpu": db, "web|cpu": web, "shop|latency": latency})
        table.write_parquet(folder / "cases" / "cases" / f"case{case}.parquet")
        table.write_csv(folder / "metrics.csv")
    cases = [
        {"case": f"case{case}", "onset": 160 * 60, "kpi": "shop|latency", "root_entities": ["db"]} for case in range(3)
    ]
    (folder / "cases" / "cases.json").write_text(json.dumps(cases))
    pl.DataFrame({"source": ["shop", "shop"], "target": ["db", "web"]}).write_csv(folder / "calls.csv")
