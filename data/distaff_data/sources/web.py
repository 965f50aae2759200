"""A file of the web: fetched over HTTPS, whole or not at all, from where its address says and nowhere else.

``DISTAFF_HTTP_TOKEN`` is sent as a bearer token, to the address's own server and to no other. A server may redirect to
another over HTTPS, but not from the open net into this machine or its own network.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from distaff_data.errors import InputError, first_line
from distaff_data.sources.address import Address
from distaff_data.sources.spool import Spool

_WAIT = 60.0  # seconds of silence
_CHUNK = 1 << 20


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Redirects that do not leave HTTPS, nor lead from the open net into a closed one, and take no token elsewhere."""

    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if after.scheme != before.scheme and after.scheme != "https":
            fp.close()
            raise InputError(f"the server redirects from {before.scheme} to {after.scheme}")
        if after.hostname != before.hostname and is_closed(after.hostname) and not is_closed(before.hostname):
            fp.close()
            raise InputError("the server redirects into a closed network")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and (after.scheme, after.netloc) != (before.scheme, before.netloc):
            following.remove_header("Authorization")
        return following


def copy(spool: Spool, address: Address) -> Path:
    """Return the file, copied.

    Raises:
        InputError: The server cannot be reached, refuses or breaks off, or the disk has no room.
    """
    request = urllib.request.Request(address.text.partition("#")[0], headers={"Accept-Encoding": "identity"})
    if token := os.environ.get("DISTAFF_HTTP_TOKEN"):
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    try:
        with opener.open(request, timeout=_WAIT) as answer:
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise InputError("the server sends it packed, though it was asked not to")
            return spool.copy(address, _chunks(answer), _length(answer.headers))
    except InputError as error:
        raise InputError(str(error), path=address.shown) if error.path is None else error from None
    except urllib.error.HTTPError as error:
        error.close()
        reason = first_line(Exception(error.reason))
        raise InputError(f"the server answers {error.code} {reason}", path=address.shown) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"it cannot be fetched: {first_line(error)}", path=address.shown) from None


def is_closed(host: str | None) -> bool:
    """Tell whether a name leads into this machine or a network that is not open to the world."""
    try:
        found = socket.getaddrinfo(host or "", None, type=socket.SOCK_STREAM)
    except OSError:
        return False  # it cannot be reached either
    return any(not ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_global for entry in found)


def _chunks(answer: IO[bytes]) -> Iterator[bytes]:
    while chunk := answer.read(_CHUNK):
        yield chunk


def _length(headers: Message) -> int | None:
    text = headers.get("Content-Length")
    return int(text) if text is not None and text.isdigit() else None
