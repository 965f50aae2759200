"""The server's application: routes, who may ask, and how errors are told."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from distaff.serving import answers, openapi
from distaff.serving.answers import MOST, History
from distaff.serving.served import Shelf, facts
from distaff.serving.telemetry import Telemetry
from distaff_data.errors import DistaffError, InputError, UnknownNameError, UnsupportedError

_OPEN = ("/health", "/openapi.json")  # what is told without a token
_LARGEST = 1 << 20  # bytes of a request
_HOSTS = ("127.0.0.1", "localhost", "::1")

Handler = Callable[[Request], Awaitable[Response]]


def make_app(shelf: Shelf, token: str | None) -> ASGIApp:
    """Return the application.

    Args:
        shelf: The runs that are served.
        token: What callers show as ``Authorization: Bearer TOKEN``; without one only callers that ask for this machine by
            its own name are answered.
    """
    telemetry = Telemetry()
    routes = [
        Route("/health", _health(shelf), name="health"),
        Route("/metrics", _metrics(shelf, telemetry), name="metrics"),
        Route("/openapi.json", _openapi, name="openapi"),
        Route("/v1", _served(shelf), name="served"),
        Route("/v1/{name}/lists", _lists(shelf), methods=["GET"], name="lists"),
        Route("/v1/{name}/lists", _new(shelf), methods=["POST"], name="new"),
        *(
            Route(f"/v1/{{name}}/{asked}", _threaded(shelf, answer), methods=["GET"], name=asked)
            for asked, answer in _ANSWERS.items()
        ),
    ]
    app = Starlette(
        routes=routes, exception_handlers={DistaffError: _refusal, HTTPException: _unknown, Exception: _failure}
    )
    return _Gate(app, token, telemetry)


class _Gate:
    """Lets in who may ask, limits what they send, and counts what they get."""

    def __init__(self, app: ASGIApp, token: str | None, telemetry: Telemetry) -> None:
        self._app, self._telemetry = app, telemetry
        self._expected = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status = time.perf_counter(), 500

        async def count(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers = dict(scope["headers"])
        refused = self._refused(scope["path"], headers)
        try:
            await (self._app(scope, receive, count) if refused is None else refused(scope, receive, count))
        except Exception:  # it was answered, without what it says; a traceback in a log would say it
            if status != 500:
                raise
        finally:
            route = scope.get("route")
            self._telemetry.count(
                route.name if isinstance(route, Route) else "none", status, time.perf_counter() - began
            )

    def _refused(self, path: str, headers: dict[bytes, bytes]) -> Response | None:
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > _LARGEST or b"transfer-encoding" in headers:
            return _error(413, f"a request has at most {_LARGEST} bytes, and says how many")
        if self._expected is None:
            # A page in a browser could have this address under its own name.
            return None if _host(headers) in _HOSTS else _error(403, "ask for 127.0.0.1")
        if path in _OPEN or hmac.compare_digest(headers.get(b"authorization", b""), self._expected):
            return None
        return _error(401, "give the token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})


def _host(headers: dict[bytes, bytes]) -> str | None:
    """Return the name that a caller asks for."""
    try:
        return urlsplit("//" + headers.get(b"host", b"").decode("latin-1")).hostname
    except ValueError:
        return None


def _lists(shelf: Shelf) -> Handler:
    async def lists(request: Request) -> Response:
        """A user's list; it is in memory, so no thread is asked."""
        user = _required(request, "user")
        return JSONResponse(answers.known(shelf[request.path_params["name"]], user, _length(request)))

    return lists


def _new(shelf: Shelf) -> Handler:
    async def new(request: Request) -> Response:
        try:
            asked = History.model_validate_json(await request.body())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise InputError(f"{where}: {first['msg']}" if where else str(first["msg"])) from None
        served = shelf[request.path_params["name"]]
        return JSONResponse(answers.finite(await run_in_threadpool(answers.new, served, asked)))

    return new


def _similar(shelf: Shelf, request: Request) -> dict[str, Any]:
    return answers.similar(shelf[request.path_params["name"]], _required(request, "item"), _length(request))


def _why(shelf: Shelf, request: Request) -> dict[str, Any]:
    served = shelf[request.path_params["name"]]
    return answers.why(served, _required(request, "user"), request.query_params.get("item"), _length(request))


def _forecasts(shelf: Shelf, request: Request) -> dict[str, Any]:
    asked = request.query_params
    served = shelf[request.path_params["name"]]
    return answers.forecasts(shelf.workspace, served, asked.get("entity"), asked.get("channel"))


def _diagnosis(shelf: Shelf, request: Request) -> dict[str, Any]:
    return answers.diagnosis(shelf.workspace, shelf[request.path_params["name"]], request.query_params.get("case"))


_ANSWERS = {"similar": _similar, "why": _why, "forecasts": _forecasts, "diagnosis": _diagnosis}


def _threaded(shelf: Shelf, answer: Callable[[Shelf, Request], dict[str, Any]]) -> Handler:
    async def threaded(request: Request) -> Response:
        return JSONResponse(answers.finite(await run_in_threadpool(answer, shelf, request)))

    return threaded


def _served(shelf: Shelf) -> Handler:
    async def served(request: Request) -> Response:
        return JSONResponse({"served": {name: facts(each) for name, each in shelf.all().items()}})

    return served


def _health(shelf: Shelf) -> Handler:
    async def health(request: Request) -> Response:
        return JSONResponse({"healthy": True, "looked": round(shelf.looked, 3)})

    return health


def _metrics(shelf: Shelf, telemetry: Telemetry) -> Handler:
    async def metrics(request: Request) -> Response:
        beside = {
            "distaff_swaps_total": ("counter", "Runs and lists that took the place of others.", float(shelf.swaps)),
            "distaff_failures_total": ("counter", "Looks for promotions that failed.", float(shelf.failures)),
            "distaff_looked_seconds": ("gauge", "When promotions were last looked for.", shelf.looked),
        }
        named = {name: served.run for name, served in shelf.all().items()}
        return PlainTextResponse(telemetry.text(beside, named), media_type="text/plain; version=0.0.4; charset=utf-8")

    return metrics


async def _openapi(request: Request) -> Response:
    return JSONResponse(openapi.description())


def _required(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise InputError(f"say which {name}: ?{name}=...")
    return value


def _length(request: Request) -> int:
    text = request.query_params.get("k", "10")
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST):
        raise InputError(f"k is a whole number from 1 to {MOST}")
    return int(text)


async def _refusal(request: Request, error: Exception) -> Response:
    if isinstance(error, UnknownNameError):
        return _error(404, str(error))
    return _error(
        501 if isinstance(error, UnsupportedError) else 400 if isinstance(error, InputError) else 503, str(error)
    )


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, str(error.detail), dict(error.headers or {}))


async def _failure(request: Request, error: Exception) -> Response:
    """Tell nothing of an error that nobody meant: its message may hold what others should not read."""
    return _error(500, f"this failed: {type(error).__name__}")


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": message}, status, headers)
