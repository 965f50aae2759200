"""The SQL behind a page: every statement that its reads asked, kept beside what is cached, for a person to ask again.

A read that is answered from the cache asks nothing, so what it asked when it was computed is stored with its answer.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import streamlit as st

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")
Statement = tuple[str, tuple[Any, ...]]

_asked: ContextVar[list[Statement] | None] = ContextVar("asked", default=None)


def ask(sql: str, parameters: Sequence[Any]) -> None:
    """Keep a statement that is asked, where somebody looks."""
    asked = _asked.get()
    if asked is not None:
        asked.append((sql, tuple(parameters)))


@contextmanager
def looking() -> Iterator[list[Statement]]:
    """Give the list to which all statements within are added, in their order."""
    token = _asked.set([])
    asked = _asked.get()
    assert asked is not None
    try:
        yield asked
    finally:
        _asked.reset(token)


def cached(
    *, max_entries: int, show_spinner: bool | str = False
) -> Callable[[Callable[Arguments, Answer]], Callable[Arguments, Answer]]:
    """Make a cached read of a function: Streamlit's cache, with the statements that made what is in it."""

    def make(read: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
        @functools.wraps(read)
        def recorded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> tuple[Answer, list[Statement]]:
            with looking() as asked:
                return read(*args, **kwargs), asked

        kept = st.cache_data(max_entries=max_entries, show_spinner=show_spinner)(recorded)

        @functools.wraps(read)
        def answered(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
            answer, asked = kept(*args, **kwargs)
            for statement in asked:
                ask(*statement)
            return answer

        return answered

    return make


def written(asked: Sequence[Statement]) -> str:
    """Return statements as text that ``distaff sql`` takes one by one, each once, its parameters in their places."""
    return "\n\n".join(dict.fromkeys(f"{_filled(sql, parameters)};" for sql, parameters in asked))


def _filled(sql: str, parameters: Sequence[Any]) -> str:
    """Return a statement with literals in place of its question marks, those within quotes aside."""
    values, parts, quote = iter(parameters), list[str](), ""
    for sign in sql:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        parts.append(_literal(next(values)) if sign == "?" and not quote else sign)
    return "".join(parts)


def _literal(value: Any) -> str:
    """Return a value in SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, datetime.datetime):
        return f"TIMESTAMPTZ {_literal(value.isoformat())}"
    return "'" + str(value).replace("'", "''") + "'"
