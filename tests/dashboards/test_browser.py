"""The app in a real browser: the three journeys walked by clicks alone, with no error on either side."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from dashboard_server import browser_page, dashboard, free_port, needs_browser

from distaff.incidents.diagnose import diagnose
from distaff.runs import records, training
from distaff_data.planted.samples import sample
from distaff_data.workspace import Workspace

pytestmark = [needs_browser, pytest.mark.browser]

ROW, HEADER = 35, 36  # pixels of a table


@pytest.fixture(scope="module")
def three_kinds(filled: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The filled workspace with incidents and series beside its interactions."""
    root = tmp_path_factory.mktemp("journeys") / "workspace"
    shutil.copytree(filled.root, root)
    workspace = Workspace.open(root)
    sample(workspace, "planted-incidents", name="outages", n_cases=2, n_entities=4, n_normal=120, n_fault=60)
    for model in ("coral", "floor_z"):
        diagnose(workspace, "outages", model=model)
    sample(workspace, "planted-series", name="plant", n_windows=60, n_steps=16)
    training.train(workspace, "pca", "plant", settings={"n_components": 2}, device="cpu")
    return workspace


class Visitor:
    """A person before the browser who does nothing but click, and counts it."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url, self.clicks = page, url, 0
        self.shots = os.environ.get("DISTAFF_SCREENSHOTS")

    def go_home(self) -> None:
        self.page.goto(self.url, wait_until="domcontentloaded")
        self.clicks = 0

    def click(self, target: Any, **options: Any) -> None:
        target.click(**options)
        self.clicks += 1

    def menu(self, name: str) -> None:
        self.click(self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True))

    def link(self, name: str, place: int = 0) -> None:
        self.click(self.page.get_by_test_id("stPageLink").get_by_text(name).nth(place))

    def row(self, table: int, row: int) -> None:
        """Click a row of one of the page's tables."""
        grid = self.page.get_by_test_id("stDataFrame").nth(table).locator(".dvn-scroller")
        self.click(grid, position={"x": 60, "y": HEADER + ROW * row + ROW // 2})

    def bar(self, bar: Any) -> None:
        """Click a bar of a figure: whatever lies over it tells the figure where the mouse is."""
        bar.hover(force=True)
        self.click(bar, force=True)

    def arrives(self, path: str, *names: str, **parameters: str) -> dict[str, str]:
        """Wait until a page has been reached and has written what it shows into the address; return that.

        Args:
            path: The page.
            names: What the address has to name.
            parameters: What it has to name, with its value.
        """

        def is_there(url: str) -> bool:
            query = _query(url)
            held = all(query.get(name) == value for name, value in parameters.items())
            return urlsplit(url).path == f"/{path}" and held and query.keys() >= set(names)

        self.page.wait_for_url(is_there)
        title = path.capitalize() or "Home"
        self.page.get_by_role("heading", level=1, name=title, exact=True).wait_for()
        return _query(self.page.url)

    def look(self, name: str) -> None:
        """Keep a picture, where somebody wants them."""
        if self.shots:
            folder = Path(self.shots)
            folder.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=folder / f"{name}.png", full_page=True)


def _query(url: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture(scope="module")
def visitor(three_kinds: Workspace) -> Iterator[Visitor]:
    """One browser for all journeys; afterwards nothing may have failed in it, or have been asked of another server."""
    errors: list[str] = []
    foreign: list[str] = []
    with dashboard(three_kinds, free_port()) as url, browser_page(viewport={"width": 1440, "height": 1200}) as page:
        page.on("pageerror", lambda error: errors.append(str(error)))

        def only_local(route: Any) -> None:
            target = route.request.url
            if target.startswith((url, "data:", "blob:")):
                route.continue_()
            else:
                foreign.append(target)
                route.abort()

        page.route("**/*", only_local)
        yield Visitor(page, url)
        assert page.get_by_test_id("stException").count() == 0
    assert errors == []
    assert foreign == []


def test_from_home_to_why_these_people_take_this(visitor: Visitor, three_kinds: Workspace) -> None:
    visitor.go_home()
    visitor.page.get_by_text("A control leads").first.wait_for()
    visitor.look("home")
    visitor.link("Look inside")  # 1: the dataset
    shown = visitor.arrives("factors", "run", dataset="shop")
    visitor.look("factors")
    visitor.row(0, 1)  # 2: a factor
    shown |= visitor.arrives("factor", "factor", dataset="shop", run=shown["run"])
    bars = visitor.page.get_by_test_id("stPlotlyChart").first.locator(".bars .point path")
    bars.nth(2).wait_for(state="attached")
    visitor.look("factor")
    visitor.bar(bars.nth(2))  # 3: one of its items
    shown |= visitor.arrives("item", "item", dataset="shop", run=shown["run"])
    visitor.page.get_by_text("Who takes it", exact=True).wait_for()
    visitor.look("item")
    visitor.row(1, 0)  # 4: one of those who take it
    shown |= visitor.arrives("person", "user", dataset="shop", run=shown["run"])
    visitor.page.get_by_text("Recommendations, and what each intent adds").wait_for()
    visitor.look("person")
    assert visitor.clicks == 4
    takers = three_kinds.warehouse.rows(
        "SELECT user_id FROM interactions WHERE item_id = ? AND split = 'train'", [shown["item"]]
    )
    assert shown["user"] in [row["user_id"] for row in takers]


def test_from_home_to_which_service_broke(visitor: Visitor, three_kinds: Workspace) -> None:
    visitor.go_home()
    inside = visitor.page.get_by_test_id("stPageLink").get_by_text("Look inside")
    inside.nth(2).wait_for()
    visitor.link("Look inside", 2)  # 1: the dataset
    shown = visitor.arrives("incident", "run", "case", "cause", dataset="outages")
    visitor.page.get_by_text("Causal graph", exact=True).wait_for()
    causes = three_kinds.warehouse.rows(
        'SELECT metric FROM causes WHERE run = ? AND "case" = ? ORDER BY rank, metric', [shown["run"], shown["case"]]
    )
    assert shown["cause"] == causes[0]["metric"]
    visitor.look("incident")
    visitor.row(0, 1)  # 2: the second suspect
    visitor.arrives("incident", cause=causes[1]["metric"], run=shown["run"], case=shown["case"])
    visitor.page.get_by_text("Rank 2,").wait_for()
    assert visitor.clicks == 2


def test_from_home_to_what_drives_a_sensor(visitor: Visitor) -> None:
    visitor.go_home()
    visitor.page.get_by_test_id("stPageLink").get_by_text("Look inside").nth(2).wait_for()
    visitor.link("Look inside", 1)  # 1: the dataset
    shown = visitor.arrives("series", "run", dataset="plant")
    visitor.page.get_by_text("As measured", exact=True).wait_for()
    visitor.look("series")
    visitor.link("About this run")  # 2: the run
    visitor.arrives("run", run=shown["run"])
    visitor.page.get_by_text("On validation", exact=True).wait_for()
    assert visitor.clicks == 2


def test_the_menu_keeps_the_run_and_a_link_that_was_sent_opens_the_same_view(
    visitor: Visitor, three_kinds: Workspace
) -> None:
    control = next(run.run for run in records.listing(three_kinds) if run.model == "nmf")
    page = visitor.page
    page.goto(f"{visitor.url}/factors?run={control}", wait_until="domcontentloaded")
    visitor.arrives("factors", run=control, dataset="shop")
    visitor.menu("Blind spots")
    page.get_by_role("heading", level=1, name="Blind spots").wait_for()
    page.wait_for_url(f"**/blind-spots?**run={control}**")
    page.get_by_text("Calibrated re-ranking").first.wait_for()
    visitor.look("blind-spots")
    visitor.menu("Board")
    visitor.arrives("board", dataset="shop")
    page.get_by_test_id("stMetricValue").nth(3).wait_for()
    page.locator(".js-plotly-plot .errorbar").first.wait_for(state="attached")
    visitor.look("board")
    visitor.row(0, 0)
    opened = visitor.arrives("run", "run", dataset="shop")
    visitor.menu("Person")
    page.wait_for_url(f"**/person?**run={opened['run']}**")
    page.get_by_role("textbox", name="Search").fill("number 44")
    page.get_by_role("textbox", name="Search").press("Enter")
    visitor.link("Item number 44")
    visitor.arrives("item", item="i44", dataset="shop")
    page.goto(f"{visitor.url}/factor?run=gone", wait_until="domcontentloaded")
    page.get_by_text("names a run that is not here: gone").wait_for()


def test_back_takes_back_one_click_at_a_time(visitor: Visitor, three_kinds: Workspace) -> None:
    """What a page shows by default is in the address and costs no press of the button."""
    visitor.go_home()
    page = visitor.page
    page.get_by_text("A control leads").first.wait_for()
    start = visitor.arrives("")
    visitor.menu("Factors")
    first = visitor.arrives("factors", "dataset", "run")
    control = next(run.run for run in records.listing(three_kinds) if run.model == "nmf")
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option").filter(has_text=control.rpartition("-")[2]).click()
    visitor.arrives("factors", run=control)
    visitor.menu("Factor")
    visitor.arrives("factor", "factor", run=control)
    for path, shown in (("factors", first | {"run": control}), ("factors", first), ("", start)):
        page.go_back()
        visitor.arrives(path, **shown)
        if shown:
            page.get_by_test_id("stCode").get_by_text(shown["run"], exact=True).wait_for()
    page.go_forward()
    visitor.arrives("factors", **first)
