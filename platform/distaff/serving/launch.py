"""The server's process: what it listens on, and to whom it answers."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import socket
from collections.abc import Callable, Sequence

from distaff_data.errors import InputError
from distaff_data.workspace import Workspace

TOKEN = "DISTAFF_SERVE_TOKEN"
_LAST_LOOK = 30.0  # seconds that the end waits for one
_SHORTEST = 16  # characters of a token
_NEEDED = ("starlette", "uvicorn")


def serve(
    workspace: Workspace,
    names: Sequence[str],
    *,
    port: int,
    address: str,
    every: float,
    tell: Callable[[str], None],
) -> int:
    """Answer until the process is told to end; returns the exit status.

    Args:
        workspace: Where the runs are; it is only read.
        names: Aliases and runs that are served.
        port: TCP port; one that is free when 0.
        address: Of this machine; one that others can reach only where there is a token.
        every: Seconds between looks for promotions and new lists.
        tell: Hears what is going on.

    Raises:
        InputError: A name stands for no run, the extra is not installed, the token is too short or missing on an address
            that others can reach, or the port is in use.
    """
    check_installed()
    token = token_for(address)
    listening = _listen(address, port)
    try:
        import uvicorn

        from distaff.serving.app import make_app
        from distaff.serving.served import Shelf

        shelf = Shelf(workspace, names, tell)
        following = shelf.follow(every)
        # No access log: its lines would name people.
        config = uvicorn.Config(make_app(shelf, token), log_level="warning", access_log=False, server_header=False)
        host = f"[{address}]" if ":" in address else address
        listening.listen()  # whoever calls as soon as this is told waits, and is not refused
        tell(f"http://{host}:{listening.getsockname()[1]}/v1/{names[0]}")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            return 0
        finally:
            shelf.end()
            following.join(_LAST_LOOK)  # a look that goes on while the interpreter ends would abort it
        return 0
    finally:
        listening.close()


def token_for(address: str) -> str | None:
    """Return the token that callers must show; None where only this machine can call and there is none.

    Raises:
        InputError: It is too short, or missing where others can call.
    """
    token = os.environ.get(TOKEN) or None
    if token is not None and (len(token) < _SHORTEST or not token.isascii() or not token.isprintable()):
        raise InputError(f"{TOKEN} has {_SHORTEST} or more plain characters; make one with: openssl rand -hex 32")
    if token is None and not is_loopback(address):
        raise InputError(
            f"without a token the server only listens on this machine; set {TOKEN}, or use 127.0.0.1", value=address
        )
    return token


def is_loopback(address: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def check_installed() -> None:
    """Say what is missing.

    Raises:
        InputError: Something is.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"serving needs {' and '.join(missing)}; install with: pip install 'distaff[serve]'")


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Named TCP: of any other socket asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for an acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise InputError(f"cannot listen on port {port}: {error}; choose another with --port") from None
    return listening
