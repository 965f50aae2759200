"""Typed, validated model configurations that also declare what a sweep may change."""

from __future__ import annotations

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
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Listed = BeforeValidator(_listed)
"""Reads a text such as ``24,48`` as its parts. Annotates a field."""


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
                f"{'.'.join(map(str, e['loc'])) or 'configuration'}={e['input']!r}: {e['msg']}" for e in error.errors()
            )
            raise InputError("; ".join(wrong)) from None

    @classmethod
    def search_space(cls) -> dict[str, Span | Choices]:
        """What a sweep may change, by field."""
        marks = {name: [m for m in f.metadata if isinstance(m, Span | Choices)] for name, f in cls.model_fields.items()}
        return {name: found[0] for name, found in marks.items() if found}

    def changed(self) -> dict[str, Any]:
        """The settings that differ from the defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)
