"""The app in a process of its own, closed to everyone but this machine and those who have logged in.

Streamlit is imported in that process only, so that the command line starts fast and works without it.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from pathlib import Path

from distaff import lifeline
from distaff_dashboards.access import login
from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

_HERE = Path(__file__).parent
_NO_SECRETS = _HERE / "no_secrets.toml"
_NEEDED = ("streamlit", "plotly")
_OPTIONS = {
    "browser.gatherUsageStats": "false",
    "client.disableDataExport": "true",  # Streamlit's own CSV button does not defuse formulas; ours does
    "client.showErrorDetails": "none",
    "client.toolbarMode": "viewer",
    "logger.hideWelcomeMessage": "true",  # with it go Streamlit's offers to install something from a page
    "server.fileWatcherType": "none",
    "server.maxUploadSize": "1",
    "server.runOnSave": "false",
    "server.showEmailPrompt": "false",
    "theme.base": str(_HERE / "theme.toml"),
}


def launch(workspace_root: Path, *, port: int = 8501, address: str = "127.0.0.1", open_browser: bool = True) -> int:
    """Serve the dashboard of a workspace until it is stopped.

    Args:
        workspace_root: The workspace.
        port: TCP port.
        address: Of this machine; one that others can reach only where a login is configured (:mod:`.login`).
        open_browser: Also open it in the default browser.

    Returns:
        The server's exit status; 0 after Ctrl-C.

    Raises:
        InputError: No workspace, an address that others could reach without a login, a login that is not safe, a port in
            use, or the extra is not installed.
    """
    Workspace.open(workspace_root)
    _check_installed()
    access = login.login_of(workspace_root)
    if access is None:
        _check_loopback(address)
    _check_free(address, port)
    environment = os.environ | {
        "DISTAFF_WORKSPACE": str(Path(workspace_root).resolve()),
        # A JSON list here would reject every WebSocket: the names are separated by spaces.
        "STREAMLIT_SERVER_ALLOWED_HOSTS": f"localhost 127.0.0.1 ::1 {access.host if access else address}",
        login.REQUIRED: "0" if access is None else "1",
    }
    secrets = _NO_SECRETS if access is None else access.file
    arguments = command(port=port, address=address, open_browser=open_browser, secrets=secrets)
    server = lifeline.start(arguments, environment)
    host = f"[{address}]" if ":" in address else address
    print(f"The dashboard is at http://{host}:{port}; Ctrl-C ends it.", file=sys.stderr)
    try:
        return server.wait()
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
        return 0
    finally:
        lifeline.release(server)


def command(*, port: int, address: str, open_browser: bool, secrets: Path = _NO_SECRETS) -> list[str]:
    """Return the command line of the server; without a login no secrets are read, whatever another app left behind."""
    options = _OPTIONS | {
        "server.address": address,
        "server.port": str(port),
        "server.headless": "false" if open_browser else "true",
        "secrets.files": str(secrets),
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "distaff_dashboards.serve", "run", str(_HERE / "app.py"), *flags]


def _check_installed() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"the dashboard needs {' and '.join(missing)}; install with: pip install 'distaff[dashboards]'"
        )


def _check_loopback(address: str) -> None:
    if not login.is_loopback(address):
        raise InputError(
            "the dashboard has no login, so it only listens on this machine; configure one in login.toml "
            "(see docs/security.md), or use 127.0.0.1 and reach it through an SSH tunnel",
            value=address,
        )


def _check_free(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError) as error:
            raise InputError(f"cannot listen on port {port}: {error}; choose another with --port") from None
