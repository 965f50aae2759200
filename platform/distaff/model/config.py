"""Typed, validated model configurations that also declare what a sweep may change."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from distaff_data.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class Span:
    """Sweep a number between ``low`` and ``high``, on a logarithmic scale when ``log``. Annotates a field."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choices:
    """Sweep over listed values. Annotates a field."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)


def _listed(value: object) -> object:
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


Listed = BeforeValidator(_listed)
"""Reads a text such as ``24,48`` as its parts. Annotates a field."""


_ATTRIBUTE = re.compile(r"^(\w+): ")


def _attributes(docstring: str) -> dict[str, str]:
    """Return the entries of a Google-style ``Attributes`` section, each on one line."""
    lines = iter(inspect.cleandoc(docstring).splitlines())
    for line in lines:
        if line == "Attributes:":
            break
    entries: dict[str, str] = {}
    name = None
    for line in lines:
        if line and not line.startswith(" "):
            break
        text = line.strip()
        if line.startswith("    ") and not line.startswith("     ") and (entry := _ATTRIBUTE.match(text)):
            name, text = entry[1], text[entry.end() :]
            entries[name] = text
        elif name is not None and text:
            entries[name] += f" {text}"
    return entries


class ModelConfig(BaseModel):
    """Base of every model's configuration: immutable, unknown keys refused.

    A field says what a sweep may try in its annotation: ``lr: Annotated[float, Field(gt=0), Span(1e-4, 1e-2, log=True)]``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Self:
        """Build from settings; texts such as ``"0.1"`` are read as the field's type.

        Raises:
            InputError: Every setting that is unknown or out of range, in one message.
        """
        for key in settings:
            if key not in cls.model_fields:
                raise UnknownNameError("setting", key, cls.model_fields)
        try:
            return cls.model_validate(dict(settings))
        except ValidationError as error:
            wrong = (
                f"{'.'.join(map(str, e['loc'])) or 'configuration'}={e['input']!r}: "
                + e["msg"].removeprefix("Value error, ")  # of our own validators, whose sentence is enough
                for e in error.errors()
            )
            raise InputError("; ".join(wrong)) from None

    @classmethod
    def search_space(cls) -> dict[str, Span | Choices]:
        """Return what a sweep may try, by field."""
        marks = {name: [m for m in f.metadata if isinstance(m, Span | Choices)] for name, f in cls.model_fields.items()}
        return {name: spaces[0] for name, spaces in marks.items() if spaces}

    @classmethod
    def signature(cls) -> inspect.Signature:
        """Return the settings as keyword arguments with their types and defaults."""
        return inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if field.is_required() else field.get_default(),
                    annotation=field.annotation,
                )
                for name, field in cls.model_fields.items()
            ]
        )

    @classmethod
    def descriptions(cls) -> dict[str, str]:
        """Return what each setting does, from the ``Attributes`` of the docstrings of this class and its bases."""
        entries: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            if issubclass(base, ModelConfig):
                entries |= _attributes(base.__doc__ or "")
        return {name: field.description or entries.get(name, "") for name, field in cls.model_fields.items()}

    def changed(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)
