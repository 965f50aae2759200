"""The dashboard's pages, run without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import distaff_dashboards

APP = Path(distaff_dashboards.__file__).with_name("app.py")


def opened(monkeypatch: pytest.MonkeyPatch, root: Path, page: str, **link: str) -> AppTest:
    """Open a page over a workspace, as a link with parameters does."""
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(root))
    app = AppTest.from_file(str(APP), default_timeout=120).run()
    assert not app.exception
    app.switch_page(page)
    for name, value in link.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    """Everything a page says outside tables and figures."""
    parts = [*app.info, *app.warning, *app.success, *app.error]
    parts += [*app.markdown, *app.caption, *app.code, *app.subheader]
    return "\n".join(str(part.value) for part in parts)


def plain(app: AppTest) -> str:
    """The same without what keeps names from being read as markup."""
    return said(app).replace("\\", "")
