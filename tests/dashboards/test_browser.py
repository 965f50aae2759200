"""The app in a real browser: started as a person starts it, clicked through, with no error on either side."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard_server import browser_page, dashboard, free_port, needs_browser

from distaff_data.workspace import Workspace

pytestmark = [needs_browser, pytest.mark.browser]


@pytest.fixture
def url(filled: Workspace) -> Iterator[str]:
    with dashboard(filled, free_port()) as address:
        yield address


def test_all_pages_work_in_a_browser_without_network(url: str, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    shots = Path(os.environ.get("DISTAFF_SCREENSHOTS") or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    errors: list[str] = []
    foreign: list[str] = []
    with browser_page(viewport={"width": 1360, "height": 2400}) as page:
        page.on("pageerror", lambda error: errors.append(str(error)))

        def only_local(route: object) -> None:
            target = route.request.url  # type: ignore[attr-defined]
            if target.startswith((url, "data:", "blob:")):
                route.continue_()  # type: ignore[attr-defined]
            else:
                foreign.append(target)
                route.abort()  # type: ignore[attr-defined]

        page.route("**/*", only_local)

        page.goto(url, wait_until="domcontentloaded")
        page.get_by_text("A control leads").wait_for()
        page.get_by_test_id("stMetricValue").nth(3).wait_for()
        page.locator(".js-plotly-plot .errorbar").first.wait_for(state="attached")
        page.screenshot(path=shots / "board.png", full_page=True)

        page.get_by_role("link", name="Factors").click()
        page.get_by_test_id("stMetricValue").nth(3).wait_for()
        page.get_by_test_id("stDataFrame").first.locator(".dvn-scroller").wait_for()
        page.screenshot(path=shots / "factors.png", full_page=True)

        # A click on a row of the index opens that factor.
        page.get_by_test_id("stDataFrame").first.locator(".dvn-scroller").click(position={"x": 14, "y": 88})
        page.wait_for_url(lambda found: "/factor?" in found and "intent=" in found)
        page.locator(".js-plotly-plot .bars").nth(2).wait_for(state="attached")
        page.get_by_text("What if").wait_for()
        for _ in range(6):  # a key pressed while the page is drawn anew is lost
            page.get_by_role("slider").first.press("ArrowRight")
            with contextlib.suppress(sync_api.TimeoutError):
                page.wait_for_url("**relevance=0.**", timeout=10_000)
                break
        page.wait_for_url("**relevance=0.**")
        page.screenshot(path=shots / "factor.png", full_page=True)
        factor = page.url

        page.get_by_role("link", name="Blind spots").click()
        page.get_by_text("Calibrated re-ranking").wait_for()
        page.locator(".js-plotly-plot .scatterlayer").nth(1).wait_for(state="attached")
        page.screenshot(path=shots / "blind-spots.png", full_page=True)

        page.get_by_role("link", name="Intents").click()
        page.locator(".js-plotly-plot .bars").nth(2).wait_for(state="attached")
        page.screenshot(path=shots / "intents.png", full_page=True)

        # A link that somebody was sent opens the same view.
        page.goto(factor, wait_until="domcontentloaded")
        page.get_by_text("0.35", exact=True).first.wait_for()
    assert errors == []
    assert foreign == []
