"""The description of the server in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from distaff._version import __version__
from distaff.serving.answers import MOST, History

_RANKED = {
    "rank": {"type": "integer"},
    "item": {"type": "string"},
    "title": {"type": "string"},
    "score": {"type": "number"},
}
_ITEMS = {"type": "array", "items": {"type": "object", "properties": _RANKED, "required": ["rank", "item", "score"]}}
_ERRORS = {
    "400": "what was asked is wrong",
    "401": "the token is missing or wrong",
    "404": "there is no such name, user, item or case",
    "501": "the model cannot do this",
}


def description() -> dict[str, Any]:
    """Return the description, ready for JSON."""
    user, item, k = _query("user", True), _query("item", True), _query("k", False, minimum=1, maximum=MOST)
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    listed = _object(run="string", generation="string", user="string", items=_ITEMS)
    lists = {
        "get": _asked("A known user's list, as it was published.", [name, user, k], listed),
        "post": {
            **_asked("A list for somebody new, from the items they took.", [name], _object(run="string", items=_ITEMS)),
            "requestBody": {"required": True, "content": _json(History.model_json_schema())},
        },
    }
    alike = _object(run="string", item="string", items=_ITEMS)
    paths: dict[str, Any] = {
        "/health": {"get": {**_asked("Whether the server answers.", [], _object(healthy="boolean")), "security": []}},
        "/metrics": {
            "get": {
                "summary": "Counts and times, as Prometheus reads them.",
                "responses": {
                    "200": {"description": "text", "content": {"text/plain": {"schema": {"type": "string"}}}}
                },
            }
        },
        "/v1": {"get": _asked("The runs that are served.", [], _object(served="object"))},
        "/v1/{name}/lists": lists,
        "/v1/{name}/similar": {"get": _asked("The items most similar to one.", [name, item, k], alike)},
        "/v1/{name}/why": {
            "get": _asked(
                "Why a user is recommended what they are: factors, words and items taken.",
                [name, user, _query("item", False), k],
                _object(run="string", user="string", factors="array", words="array", items="array"),
            )
        },
        "/v1/{name}/forecasts": {
            "get": _asked(
                "Published forecasts.",
                [name, _query("entity", False), _query("channel", False)],
                _object(run="string", forecasts="array"),
            )
        },
        "/v1/{name}/diagnosis": {
            "get": _asked(
                "The published diagnosis of a case, or of the incident that began last.",
                [name, _query("case", False)],
                _object(run="string", case="string", causes="array"),
            )
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Distaff", "version": __version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _asked(summary: str, parameters: list[dict[str, Any]], schema: dict[str, Any]) -> dict[str, Any]:
    error = _json(_object(error="string"))
    refusals = {status: {"description": meaning, "content": error} for status, meaning in _ERRORS.items()}
    answer = {"200": {"description": "the answer", "content": _json(schema)}}
    return {"summary": summary, "parameters": parameters, "responses": answer | refusals}


def _query(name: str, required: bool, **limits: int) -> dict[str, Any]:
    kind = {"type": "integer", **limits} if limits else {"type": "string"}
    return {"name": name, "in": "query", "required": required, "schema": kind}


def _object(**properties: str | dict[str, Any]) -> dict[str, Any]:
    named = {key: {"type": value} if isinstance(value, str) else value for key, value in properties.items()}
    return {"type": "object", "properties": named}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
