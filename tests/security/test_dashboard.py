"""Attacks on the dashboard: strangers, uploads, pages that others open it in."""

from __future__ import annotations

import ast
import http.client
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from dashboard_pages import turn_to
from dashboard_server import dashboard, free_port
from streamlit import config
from streamlit.testing.v1 import AppTest

import distaff_dashboards
from distaff_dashboards.access import gate, login
from distaff_dashboards.launch import command, launch
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

HERE = Path(distaff_dashboards.__file__).parent
GOOD = """
[auth]
redirect_uri = "https://distaff.example.org/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
client_id = "distaff"
client_secret = "hunter2hunter2"
server_metadata_url = "https://login.example.org/.well-known/openid-configuration"

[access]
domains = ["example.org"]
"""


def configure(workspace: Workspace, text: str = GOOD, mode: int = 0o600) -> Path:
    file = workspace.root / "login.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.7", "example.org", "127.0.0.1.evil.org", ""])
def test_other_machines_reach_it_only_through_a_login(workspace: Workspace, address: str) -> None:
    with pytest.raises(InputError, match="only listens on this machine"):
        launch(workspace.root, address=address)


def test_login_opens_the_address_and_is_asked_for_everywhere(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = configure(workspace)
    started: dict[str, Any] = {}

    class Server:
        stdin = None

        def __init__(self, arguments: list[str], env: dict[str, str]) -> None:
            started.update(arguments=arguments, env=env)

        def wait(self) -> int:
            return 0

    monkeypatch.setattr("distaff.lifeline.start", Server)
    for address in ("0.0.0.0", "127.0.0.1"):
        assert launch(workspace.root, address=address, port=0) == 0
        assert started["env"][login.REQUIRED] == "1"
        assert f"--secrets.files={file.resolve()}" in started["arguments"]
        assert "distaff.example.org" in started["env"]["STREAMLIT_SERVER_ALLOWED_HOSTS"].split()
    file.unlink()
    launch(workspace.root, port=0)
    assert started["env"][login.REQUIRED] == "0"
    (secrets,) = [flag.partition("=")[2] for flag in started["arguments"] if flag.startswith("--secrets.files=")]
    assert tomllib.loads(Path(secrets).read_text()) == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("https://distaff", "http://distaff"), "redirect_uri must be https"),
        (("/oauth2callback", "/elsewhere"), "redirect_uri must be https"),
        (("https://login", "http://login"), "server_metadata_url must begin with https"),
        (("0123456789abcdef0123456789abcdef", "short"), "fewer than 32"),
        (('client_secret = "hunter2hunter2"', ""), "needs redirect_uri"),
        (('domains = ["example.org"]', ""), "who may come in"),
        (('domains = ["example.org"]', "everyone = true"), "who may come in"),
        (('domains = ["example.org"]', 'domains = "example.org"'), "who may come in"),
        (("[auth]", "[auth"), "not TOML"),
    ],
)
def test_login_that_is_not_safe_is_refused_without_its_secrets(
    workspace: Workspace, change: tuple[str, str], said: str
) -> None:
    configure(workspace, GOOD.replace(*change))
    with pytest.raises(InputError, match=said) as caught:
        launch(workspace.root, address="0.0.0.0")
    assert "hunter2" not in str(caught.value)


def test_secrets_that_others_can_read_are_refused(workspace: Workspace) -> None:
    configure(workspace, mode=0o644)
    with pytest.raises(InputError, match="chmod 600"):
        launch(workspace.root)


@pytest.mark.parametrize(
    ("claims", "enters"),
    [
        ({"email": "Ann@Example.org", "email_verified": True}, True),
        ({"email": "bob@other.org", "email_verified": True}, True),
        ({"email": "eve@other.org", "email_verified": True}, False),
        ({"email": "ann@example.org", "email_verified": False}, False),
        ({"email": "ann@example.org"}, False),
        ({"email": "ann@example.org", "email_verified": "true"}, False),
        ({"email": "x@evil.org@example.org.evil.org", "email_verified": True}, False),
        ({"email": "example.org", "email_verified": True}, False),
        ({"email_verified": True}, False),
    ],
)
def test_only_verified_addresses_on_the_list_come_in(claims: dict[str, Any], enters: bool) -> None:
    access = {"emails": ["bob@other.org"], "domains": ["example.org"]}
    assert login.may_enter(claims, access) is enters


def test_visitor_without_a_login_sees_no_page(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(workspace.root))
    monkeypatch.setenv(login.REQUIRED, "1")
    app = AppTest.from_file(str(HERE / "app.py"), default_timeout=600)
    app.secrets["auth"] = {"redirect_uri": "https://x/oauth2callback", "cookie_secret": "0" * 32}
    app.run()
    assert [button.label for button in app.button] == ["Log in"]
    assert not app.dataframe
    assert not app.code


def test_app_that_was_started_by_hand_for_everybody_shows_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(workspace.root))
    monkeypatch.delenv(login.REQUIRED, raising=False)
    before = config.get_option("server.address")
    try:
        for address in (None, "0.0.0.0"):
            config.set_option("server.address", address)
            app = AppTest.from_file(str(HERE / "app.py"), default_timeout=600).run()
            assert "no login" in app.error[0].value
            assert not app.dataframe
            assert not app.code
    finally:
        config.set_option("server.address", before)


def test_no_file_is_a_page_by_itself(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit serves every file of a folder ``pages`` beside the app, without the gate before it."""
    assert not (HERE / "pages").exists()
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(workspace.root))
    monkeypatch.setenv(login.REQUIRED, "1")
    app = AppTest.from_file(str(HERE / "app.py"), default_timeout=600)
    app.secrets["auth"] = {"redirect_uri": "https://x/oauth2callback", "cookie_secret": "0" * 32}
    for path in ("board", "factors", "jobs"):
        turn_to(app, path).run()
        assert [button.label for button in app.button] == ["Log in"]
        assert not app.title or app.title[0].value == "Distaff"


def test_nothing_can_be_uploaded_and_no_html_is_rendered() -> None:
    forbidden = {"file_uploader", "camera_input", "audio_input", "chat_input", "data_editor", "html", "iframe"}
    for file in HERE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "st":
                assert node.attr not in forbidden, file
                # The one script of ours fills in the address: it is a constant, and takes its data as JSON.
                assert node.attr != "components" or file.name == "address.py", file
            if isinstance(node, ast.keyword):
                assert node.arg not in ("unsafe_allow_html", "unsafe_allow_javascript"), file
    flags = command(port=1, address="127.0.0.1", open_browser=False)
    assert "--server.maxUploadSize=1" in flags


def _handshake(address: str, host: str, origin: str) -> int:
    """Ask for the socket that carries a page's data, as a browser does; returns the status."""
    netloc = urlsplit(address).netloc
    connection = http.client.HTTPConnection(netloc, timeout=600)
    headers = {"Host": host.format(netloc), "Origin": origin.format(netloc), "Upgrade": "websocket", "Connection": "Upgrade",
               "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==", "Sec-WebSocket-Version": "13"}  # fmt: skip
    connection.request("GET", "/_stcore/stream", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.processes
def test_socket_of_a_page_answers_no_other_host_and_no_other_page(workspace: Workspace) -> None:
    with dashboard(workspace, free_port()) as address:
        assert _handshake(address, "{}", "http://{}") == 101
        assert _handshake(address, "{}", "http://evil.example") == 403
        assert _handshake(address, "evil.example", "http://evil.example") == 403
        assert _handshake(address, "evil.example", "http://{}") == 403


def test_page_of_another_server_of_this_machine_is_shown_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gate.is_own("http://127.0.0.1:8501", "127.0.0.1:8501")
    assert gate.is_own(None, "127.0.0.1:8501")
    for origin in ("http://localhost:9999", "http://127.0.0.1:9999", "null", "http://127.0.0.1:8501@evil.example", ""):
        assert not gate.is_own(origin, "127.0.0.1:8501"), origin
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(workspace.root))
    monkeypatch.setattr(gate, "is_own", lambda origin, host: False)
    monkeypatch.setattr(login, "is_loopback", lambda address: True)
    app = AppTest.from_file(str(HERE / "app.py"), default_timeout=600).run()
    assert "by its own address" in app.error[0].value
    assert not app.dataframe


def test_requests_from_other_pages_and_for_other_hosts_are_refused_by_the_server() -> None:
    flags = command(port=1, address="127.0.0.1", open_browser=False)
    assert not any("enableXsrfProtection=false" in flag or "enableCORS=false" in flag for flag in flags)
    assert config.get_option("server.enableXsrfProtection") is True
    assert config.get_option("server.enableCORS") is True
