"""A file of the web: fetched over HTTPS, whole or not at all, from where its address says and nowhere else.

``DISTAFF_HTTP_TOKEN`` is sent as a bearer token, to the address's own server and to no other. A server may redirect to
another over HTTPS, but not from the open net into this machine or its own network.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from distaff_data.errors import InputError, first_line
from distaff_data.sources.address import Address
from distaff_data.sources.spool import Spool

_WAIT = 60.0  # seconds of silence
_CHUNK = 1 << 20
_SENTENCE = 1 << 14  # bytes of a refusal that are looked at


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
    with answered(address.text, address.shown) as answer:
        return spool.copy(address, _chunks(answer), _length(answer.headers))


@contextmanager
def answered(url: str, shown: str) -> Iterator[http.client.HTTPResponse]:
    """Give the server's answer to be read, while the block lasts.

    Args:
        url: What is asked for.
        shown: By what name people are told of it.

    Raises:
        InputError: The server cannot be reached, refuses or breaks off.
    """
    request = urllib.request.Request(url.partition("#")[0], headers={"Accept-Encoding": "identity"})
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
            yield answer
    except InputError as error:
        raise InputError(str(error), path=shown) if error.path is None else error from None
    except urllib.error.HTTPError as error:
        raise InputError(f"the server answers {error.code} {_reason(error)}", path=shown) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"it cannot be fetched: {first_line(error)}", path=shown) from None


def _reason(error: urllib.error.HTTPError) -> str:
    """Return the server's word for its refusal, and its sentence where it has one in JSON, as Prometheus has."""
    with error:
        reason = first_line(Exception(error.reason))
        try:
            said = json.loads(error.read(_SENTENCE))["error"]
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, RecursionError):
            return reason
    return f"{reason}: {first_line(Exception(said))}"


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
