"""Times the dashboard's pages in a browser: ``python benchmarks/pages.py [--runs N] [--items N] [--incidents N] [--json]``.

A workspace is generated with that many runs, items and incidents; a server is started as people start it, and each page is
opened by its address, twice, in headless Chromium: **first paint** is when its title stands, **stable** when the server has
nothing more to draw. The first visit is to a server that has read nothing yet; the second says what a person who comes back,
or a colleague, waits. Seconds on a machine with other load are not the product's.

Rows that a real workspace has by training are written as such a training writes them, with drawn values.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from distaff.factors.intents.evidence import explain_run
from distaff.incidents.diagnose import diagnose
from distaff.recommenders.score import score_run
from distaff.runs import training
from distaff_data.planted.samples import sample
from distaff_data.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("", "factors", "factor", "person", "item", "words", "blind-spots", "series", "incident", "followed", "board", "run",
         "compare", "audit", "sweeps", "jobs", "glossary")  # fmt: skip
SHOP, OUTAGES, PLANT = "shop", "outages", "plant"
_STABLE = "document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning'"


def generate(root: Path, *, runs: int, items: int, incidents: int) -> Workspace:
    """Make a workspace with a dataset of each kind, real runs on each, and drawn ones up to ``runs``."""
    workspace = Workspace.create(root)
    sample(
        workspace, "planted-interactions", name=SHOP, n_items=items, n_users=max(items // 10, 200), n_events=8 * items
    )
    for model, settings in (("popularity", {}), ("puresvd", {"n_intents": 12}), ("nmf", {"n_intents": 12})):
        run = training.train(workspace, model, SHOP, settings=settings, device="cpu").run
    explain_run(workspace, run)
    score_run(workspace, run, top_k=10)
    sample(workspace, "planted-incidents", name=OUTAGES, n_cases=incidents, n_entities=6, n_normal=120, n_fault=60)
    for model in ("coral", "floor_z"):
        diagnose(workspace, OUTAGES, model=model)
    sample(workspace, "planted-series", name=PLANT, n_windows=500)
    training.train(workspace, "pca", PLANT, settings={"n_components": 4}, device="cpu")
    _draw_runs(workspace, runs)
    return workspace


def _draw_runs(workspace: Workspace, n: int) -> None:
    """Write runs with metrics on both splits, as trainings of one model with other settings and seeds write them."""
    rng, warehouse = np.random.default_rng(0), workspace.warehouse
    like = warehouse.rows("SELECT * FROM runs WHERE model = 'nmf' LIMIT 1")[0]
    begin = datetime.now(UTC) - timedelta(days=90)
    rows = []
    for number in range(n):
        settings = json.dumps({"n_intents": int(4 + number // 5), "lr": float(np.round(rng.uniform(1e-3, 1e-2), 5))})
        own = {
            "run": f"dccf-{SHOP}-{number:08x}",
            "model": "dccf",
            "control": False,
            "seed": number % 5,
            "settings": settings,
        }
        rows.append(like | own | {"started_at": begin + timedelta(hours=number)})
    with warehouse.publish(f"benchmark/{SHOP}") as out:
        values = rng.uniform(0.05, 0.2, (n, 2))
        metrics = pl.DataFrame(
            [(row["run"], split, name, value * scale) for row, pair in zip(rows, values, strict=True)
             for split, value in zip(("valid", "test"), pair, strict=True)
             for name, scale in (("recall@20", 1.0), ("ndcg@20", 0.6))],
            {"run": pl.String, "split": pl.String, "metric": pl.String, "value": pl.Float64}, orient="row",
        )  # fmt: skip
        out.append("metrics", metrics)
    for row in rows:
        row.pop("written_at", None)
    warehouse.append("runs", rows, written_at=datetime.now(UTC))


def visit(page: Any, address: str, path: str) -> tuple[float, float]:
    """Open a page in a browser; return the seconds until its title stands, and until nothing more is drawn."""
    start = time.perf_counter()
    page.goto(f"{address}/{path}", wait_until="domcontentloaded")
    page.get_by_role("heading", level=1).first.wait_for()
    first = time.perf_counter() - start
    page.wait_for_function(_STABLE)
    return first, time.perf_counter() - start


def measure(workspace: Workspace, pages: list[str]) -> list[dict[str, Any]]:
    """Return seconds of two visits to each page, of one server and one browser."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from dashboard_server import browser_page, dashboard, free_port

    rows = []
    with dashboard(workspace, free_port()) as address, browser_page(viewport={"width": 1440, "height": 1000}) as page:
        for path in pages:
            (first, stable), (again, stable_again) = visit(page, address, path), visit(page, address, path)
            rows.append({"page": path, "first": first, "stable": stable, "again": again, "stable_again": stable_again})
    return rows


def main() -> None:
    """Generate a workspace, or take one, and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--incidents", type=int, default=200)
    parser.add_argument("--workspace", type=Path, help="made there, or taken from there; a temporary one otherwise")
    parser.add_argument("--pages", nargs="*", default=list(PAGES), help="some of the pages only")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = asked.workspace or Path(folder) / "workspace"
        made = (root / "distaff.toml").exists()
        sizes = {"runs": asked.runs, "items": asked.items, "incidents": asked.incidents}
        workspace = Workspace.open(root) if made else generate(root, **sizes)
        rows = measure(workspace, asked.pages)
    if asked.json:
        print(json.dumps(rows))
        return
    print(f"{'page':<14}{'first paint':>12}{'stable':>9}{'again':>12}{'stable':>9}   seconds")
    for row in rows:
        seconds = f"{row['first']:>12.2f}{row['stable']:>9.2f}{row['again']:>12.2f}{row['stable_again']:>9.2f}"
        print(f"{row['page'] or 'home':<14}{seconds}")


if __name__ == "__main__":
    main()
