"""The whole way in: from the button to the provider and back, in a browser, for who may enter and for who may not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard_server import browser_page, dashboard, free_port, needs_browser
from login_provider import CLIENT, SECRET, Provider, login_provider

from distaff_data.workspace import Workspace

pytestmark = [needs_browser, pytest.mark.browser]


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with login_provider(tmp_path) as found:
        yield found


@pytest.fixture
def url(filled: Workspace, provider: Provider) -> Iterator[str]:
    port = free_port()
    file = filled.root / "login.toml"
    file.write_text(
        f'[auth]\nredirect_uri = "http://localhost:{port}/oauth2callback"\ncookie_secret = "{"x" * 40}"\n'
        f'client_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
        f'server_metadata_url = "{provider.url}/.well-known/openid-configuration"\n'
        '[access]\nemails = ["ann@example.org"]\n'
    )
    file.chmod(0o600)
    with dashboard(filled, port, {"SSL_CERT_FILE": str(provider.certificate)}):
        yield f"http://localhost:{port}"
    file.unlink()


def test_only_accounts_that_are_named_get_past_the_login(url: str, provider: Provider) -> None:
    with browser_page(ignore_https_errors=True) as page:
        page.goto(f"{url}/factors", wait_until="domcontentloaded")
        page.get_by_role("button", name="Log in").wait_for()
        assert page.get_by_role("link", name="Factors").count() == 0

        provider.claims = {"email": "mallory@example.org", "email_verified": True}
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("may not see this workspace").wait_for()
        assert page.get_by_role("link", name="Factors").count() == 0
        page.get_by_role("button", name="Log out").click()

        provider.claims = {"email": "ann@example.org", "email_verified": True}
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("A control leads").wait_for()
        page.get_by_role("link", name="Factors").wait_for()
        assert SECRET not in page.content()
