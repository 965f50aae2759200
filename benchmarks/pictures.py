"""Takes pictures of the dashboard: ``python benchmarks/pictures.py WORKSPACE [--out docs] [--width 1440] [--dark]``.

The workspace is made where there is none: a planted dataset of each kind, with runs on it. First the three journeys are
walked by clicks alone, from the question to the answer, with a picture of where each ends; then each page is opened by its
address. ``--axe FILE`` runs that axe-core script on every page too and prints its findings by impact; it is not among the
project's packages.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from distaff import jobs
from distaff.factors.intents.evidence import explain_run
from distaff.incidents.diagnose import diagnose
from distaff.jobs import Job
from distaff.recommenders.score import score_run
from distaff.runs import aliases, training
from distaff_data.planted.samples import sample
from distaff_data.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    *("", "factors", "factor", "person", "item", "blind-spots", "series", "incident"),
    *("followed", "board", "run", "compare", "audit", "sweeps", "jobs", "glossary"),
)
OF_ALL_KINDS = ("board", "run", "compare", "audit")
_IDLE = "document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning'"
_WHOLE = (
    "Math.max(...[...document.querySelectorAll('section.stMain, [data-testid=stMain]')].map(part => part.scrollHeight))"
)
_TALLEST = 2400  # pixels
_ROW, _HEADER = 35, 36  # pixels of a table
_SETTLE = 3000  # milliseconds after the server is done, for figures to be drawn


def make_workspace(root: Path) -> Workspace:
    """Return a small workspace that has something for every page."""
    workspace = Workspace.create(root)
    sample(workspace, "planted-interactions", name="shop", n_users=300, n_items=120, n_events=12_000)
    settings: dict[str, dict[str, object]] = {
        "popularity": {},
        "ease": {},
        "nmf": {"n_intents": 6},
        "plait": {"components": "ease,als:embedding_dim=16"},
    }
    fitted = [training.train(workspace, name, "shop", settings=own, seed=seed, device="cpu").run
              for name, own in settings.items() for seed in (0, 1)]  # fmt: skip
    for run in (fitted[-1], fitted[-3]):
        explain_run(workspace, run)
        score_run(workspace, run, top_k=10)
    aliases.promote(workspace, fitted[-1], "champion")
    jobs.add(workspace, Job.parse("nightly", {"cron": "0 3 * * *", "model": "champion", "top_k": 10}))
    sample(workspace, "planted-incidents", name="outages", n_cases=4, n_entities=6, n_normal=200, n_fault=80)
    for model in ("coral", "floor_z"):
        diagnose(workspace, "outages", model=model)
    sample(workspace, "planted-series", name="plant", n_windows=200)
    training.train(workspace, "pca", "plant", settings={"n_components": 4}, device="cpu")
    return workspace


class Photographer:
    """A browser's page that clicks, waits and takes pictures.

    Attributes:
        clicks: Made since the journey began.
    """

    def __init__(self, page: Any, address: str, out: Path, width: int) -> None:
        self.page, self.address, self.out, self.width, self.clicks = page, address, out, width, 0

    def open(self, path: str) -> None:
        """Open a page by its address."""
        self.page.goto(f"{self.address}/{path}", wait_until="domcontentloaded")
        self.settle()
        self.clicks = 0

    def settle(self) -> None:
        """Wait until the page stands."""
        self.page.get_by_role("heading", level=1).first.wait_for()
        self.page.wait_for_timeout(_SETTLE)
        self.page.wait_for_function(_IDLE)
        self.page.wait_for_timeout(_SETTLE)

    def look_inside(self, dataset: str) -> None:
        """Click the link of a dataset on Home that leads into its journey."""
        card = self.page.get_by_test_id("stVerticalBlock").filter(has=self.page.get_by_text(dataset, exact=True)).last
        card.get_by_test_id("stPageLink").get_by_text("Look inside").first.click()
        self._clicked()

    def row(self, table: int = 0) -> None:
        """Click the first row of a table."""
        grid = self.page.get_by_test_id("stDataFrame").nth(table).locator(".dvn-scroller")
        grid.click(position={"x": 60, "y": _HEADER + _ROW // 2})
        self._clicked()

    def link(self, label: str) -> None:
        """Click a link."""
        self.page.get_by_test_id("stPageLink").get_by_text(label).first.click()
        self._clicked()

    def take(self, name: str) -> None:
        """Write a picture of the whole page, down to a height."""
        height = min(int(self.page.evaluate(_WHOLE)), _TALLEST)
        self.page.set_viewport_size({"width": self.width, "height": max(height, 700)})
        self.page.wait_for_timeout(_SETTLE)
        self.page.screenshot(path=str(self.out / f"{name}.png"))
        self.page.set_viewport_size({"width": self.width, "height": 1000})

    def _clicked(self) -> None:
        self.clicks += 1
        self.settle()


def why_do_they_buy(visitor: Photographer, dataset: str) -> None:
    """From Home to one factor of a dataset of interactions."""
    visitor.look_inside(dataset)
    visitor.row()


def what_drives_it(visitor: Photographer, dataset: str) -> None:
    """From Home to a series and its model."""
    visitor.look_inside(dataset)


def which_service_broke(visitor: Photographer, dataset: str) -> None:
    """From Home to the causes of an incident."""
    visitor.look_inside(dataset)
    visitor.row()


JOURNEYS: Mapping[str, Callable[[Photographer, str], None]] = {
    "interactions": why_do_they_buy,
    "series": what_drives_it,
    "incidents": which_service_broke,
}


def findings(page: Any, script: str) -> list[tuple[str, str, int]]:
    """Return axe-core's violations on a page: impact, rule and how many elements."""
    page.evaluate(script)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(one["impact"], one["id"], len(one["nodes"])) for one in result["violations"]]


def main() -> None:
    """Walk the journeys, then open the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--pages", nargs="*", default=list(PAGES), help="some of the pages only")
    parser.add_argument("--no-journeys", action="store_true")
    parser.add_argument("--axe", type=Path, help="an axe-core script, to be run on every page")
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from dashboard_server import browser_page, dashboard, free_port

    is_there = (asked.workspace / "distaff.toml").exists()
    workspace = Workspace.open(asked.workspace) if is_there else make_workspace(asked.workspace)
    asked.out.mkdir(parents=True, exist_ok=True)
    view = {"viewport": {"width": asked.width, "height": 1000}, "color_scheme": "dark" if asked.dark else "light"}
    with dashboard(workspace, free_port()) as address, browser_page(**view) as page:
        visitor = Photographer(page, address, asked.out, asked.width)
        kinds = {row["kind"]: row["dataset"] for row in workspace.warehouse.rows("SELECT kind, dataset FROM datasets")}
        for kind, walk in () if asked.no_journeys else JOURNEYS.items():
            visitor.open("")
            walk(visitor, kinds[kind])
            visitor.take(f"journey-{kind}")
            print(f"{walk.__doc__} {visitor.clicks} clicks", flush=True)
        for path in asked.pages:
            shop = kinds["interactions"] if path in OF_ALL_KINDS else None
            visitor.open(path if shop is None else f"{path}?dataset={quote(shop)}")
            visitor.take(path or "home")
            if asked.axe:
                for impact, rule, n in findings(page, asked.axe.read_text()):
                    print(f"{path or 'home'}: {impact}: {rule} ({n})", flush=True)


if __name__ == "__main__":
    main()
