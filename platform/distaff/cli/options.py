"""Options of a verb from the fields of a dataclass, so that each option is spelled once."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

Verb = Callable[..., None]


def takes(
    kind: type, *, flags: Mapping[str, str] | None = None, commas: Collection[str] = (), without: Collection[str] = ()
) -> Callable[[Verb], Verb]:
    """Return a decorator that gives a verb the fields of a dataclass as options, for its parameter ``options``.

    A field is ``Annotated`` with the sentence that ``--help`` shows. The verb is handed an instance.

    Args:
        kind: The dataclass.
        flags: Names of the fields' flags where they are not the fields' own.
        commas: Fields of several texts that are given as one, with commas between; others are repeatable.
        without: Fields that the verb has no option for.
    """
    hints = get_type_hints(kind, include_extras=True)
    spelled = [field for field in fields(kind) if field.name not in without]

    def decorate(verb: Verb) -> Verb:
        @functools.wraps(verb)
        def called(**values: Any) -> None:
            given = {field.name: values.pop(field.name) for field in spelled}
            settings = {
                name: _listed(value, name in commas) if _is_list(hints[name]) else value
                for name, value in given.items()
            }
            verb(**values, options=kind(**{name: value for name, value in settings.items() if value is not None}))

        parameters = []
        for parameter in inspect.signature(verb, eval_str=True).parameters.values():
            if parameter.name != "options":
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
                continue
            for field in spelled:
                flag = (flags or {}).get(field.name, "--" + field.name.replace("_", "-"))
                help, annotation = hints[field.name].__metadata__[0], _spelled(hints[field.name], field.name in commas)
                parameters.append(
                    inspect.Parameter(
                        field.name,
                        inspect.Parameter.KEYWORD_ONLY,
                        default=None if _is_list(hints[field.name]) else field.default,
                        annotation=Annotated[annotation, typer.Option(flag, help=help)],
                    )
                )
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return called

    return decorate


def _listed(value: Any, commas: bool) -> tuple[str, ...] | None:
    if not value:
        return None
    return tuple(text.strip() for text in value.split(",")) if commas else tuple(value)


def _is_list(hint: Any) -> bool:
    """Tell whether a field holds several texts."""
    return any(get_origin(choice) is not None and issubclass(get_origin(choice), Sequence) for choice in _choices(hint))


def _spelled(hint: Any, commas: bool) -> Any:
    """Return the type that a field is read as on the command line."""
    if _is_list(hint):
        return str | None if commas else list[str] | None
    return Path | None if Path in _choices(hint) else hint.__origin__


def _choices(hint: Any) -> tuple[Any, ...]:
    """Return the types of an annotated union, or the one type that it is."""
    bare = hint.__origin__
    return get_args(bare) if get_origin(bare) in (Union, types.UnionType) else (bare,)
