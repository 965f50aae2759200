"""The dashboard's pages, run without a browser."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

import distaff_dashboards

APP = Path(distaff_dashboards.__file__).with_name("app.py")

# A server looks once through all that is installed for components that come with it, an AppTest every time: over a second.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


def turn_to(app: AppTest, path: str) -> AppTest:
    """Make the next run that of the page at a path of the URL; ``switch_page`` only knows pages that are files."""
    app._page_hash = calc_hash(path)
    return app


def opened(monkeypatch: pytest.MonkeyPatch, root: Path, path: str, **link: str) -> AppTest:
    """Open the page at a path of the URL over a workspace, as a link with parameters does."""
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(root))
    app = turn_to(AppTest.from_file(str(APP), default_timeout=600), path)
    for name, value in link.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    """Return everything a page says outside tables and figures."""
    parts = [*app.info, *app.warning, *app.success, *app.error]
    parts += [*app.markdown, *app.caption, *app.code, *app.subheader]
    return "\n".join(str(part.value) for part in parts)


def plain(app: AppTest) -> str:
    """Return :func:`said` without what keeps names from being read as markup."""
    return said(app).replace("\\", "")


def address_of(app: AppTest) -> dict[str, str]:
    """Return what the address names in the end: what the server wrote, and what it has the browser fill in."""
    filled_in = [json.loads(element.proto.json)["shown"] for element in app.get("bidi_component")]
    named = {name: value if isinstance(value, str) else value[-1] for name, value in app.query_params.items()}
    return {name: value for one in filled_in for name, value in one.items()} | named
