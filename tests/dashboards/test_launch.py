import socket
from pathlib import Path

import pytest

from distaff_dashboards.launch import command, launch
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Workspace.create(tmp_path / "workspace").root


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.7", "::", "example.org", ""])
def test_an_address_others_could_reach_is_refused(root: Path, address: str) -> None:
    with pytest.raises(InputError, match="only listens on this machine"):
        launch(root, address=address)


def test_a_folder_without_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="distaff init"):
        launch(tmp_path)


def test_a_port_in_use_is_refused(root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="--port"):
            launch(root, port=taken.getsockname()[1])


def test_missing_packages_are_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"distaff\[dashboards\]"):
        launch(root)


def test_the_server_tells_nobody_and_shows_no_internals() -> None:
    flags = command(port=1, address="127.0.0.1", open_browser=False)
    assert "--browser.gatherUsageStats=false" in flags
    assert "--client.showErrorDetails=none" in flags
    assert "--client.disableDataExport=true" in flags
    assert "--server.address=127.0.0.1" in flags
    assert "--server.headless=true" in flags
