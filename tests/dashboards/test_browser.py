"""The app in a real browser: started as a person starts it, clicked through, with no error on either side."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from distaff_data.workspace import Workspace

CHROMIUM = Path(os.environ.get("DISTAFF_CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
PATIENCE = 60_000  # milliseconds: the machine may be busy

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}; set DISTAFF_CHROMIUM")


@pytest.fixture
def url(filled: Workspace) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = (
        "import sys; from pathlib import Path; from distaff_dashboards.launch import launch; "
        f"sys.exit(launch(Path({str(filled.root)!r}), port={port}, open_browser=False))"
    )
    server = subprocess.Popen([sys.executable, "-c", start], start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(address)
        yield address
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def _wait_until_healthy(address: str) -> None:
    for _ in range(300):
        try:
            if urllib.request.urlopen(f"{address}/_stcore/health").read() == b"ok":
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"no dashboard at {address}")


def test_all_pages_work_in_a_browser_without_network(url: str, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    shots = Path(os.environ.get("DISTAFF_SCREENSHOTS") or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    errors: list[str] = []
    foreign: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page(viewport={"width": 1360, "height": 2400})
        page.set_default_timeout(PATIENCE)
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
        slider = page.get_by_role("slider").first
        slider.focus()
        slider.press("ArrowRight")
        page.wait_for_url("**relevance=0.35**")
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
        browser.close()
    assert errors == []
    assert foreign == []
