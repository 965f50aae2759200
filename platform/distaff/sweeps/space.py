"""The search space of a sweep: the model's own search space, with what a TOML file says instead."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import optuna

from distaff.model.config import Choices, ModelConfig, Span
from distaff_data.errors import InputError, UnknownNameError

Space: TypeAlias = Mapping[str, Span | Choices]


def search_space(
    config: type[ModelConfig], file: Path | None = None
) -> tuple[dict[str, Span | Choices], dict[str, Any]]:
    """Return the settings to change, and those that the file fixes.

    A line of the file is ``lr = {low = 1e-4, high = 1e-2, log = true}``, ``n_layers = [1, 2, 3]`` or, to leave it alone,
    ``embedding_dim = 64``. Settings that it does not name keep the space that the model declares.

    Raises:
        InputError: The file cannot be read, or names a setting or value that the model does not have.
    """
    space, fixed = config.search_space(), dict[str, Any]()
    for name, written in ({} if file is None else _read(file)).items():
        if name not in config.model_fields:
            raise UnknownNameError("setting", name, config.model_fields)
        space.pop(name, None)
        if isinstance(written, dict | list):
            space[name] = from_json(name, written)
        else:
            fixed[name] = written
    for name, what in space.items():
        for value in (what.low, what.high) if isinstance(what, Span) else what.values:
            config.parse({name: _number(config, name, value) if isinstance(what, Span) else value})
    config.parse(fixed)
    return space, fixed


def from_json(name: str, written: Mapping[str, Any] | list[Any]) -> Span | Choices:
    """Read back what :func:`to_json` gave, or a person wrote.

    Raises:
        InputError: It is neither a list of plain values nor a table of low, high and perhaps log.
    """
    if isinstance(written, list):
        if not written or not all(isinstance(value, str | int | float) for value in written):
            raise InputError("the choices of a setting are a list of numbers, texts or true and false", column=name)
        return Choices(*written)
    numbers = all(type(written.get(key)) in (int, float) for key in ("low", "high"))
    if not numbers or written.keys() - {"low", "high", "log"} or not written["low"] < written["high"]:
        raise InputError("a span is {low = ..., high = ...} with low below high, and log = true or not", column=name)
    if written.get("log", False) and written["low"] <= 0:
        raise InputError("a span on a logarithmic scale begins above 0", column=name)
    return Span(written["low"], written["high"], bool(written.get("log", False)))


def to_json(space: Space) -> dict[str, Any]:
    """Return a form for tables and files."""
    return {name: list(what.values) if isinstance(what, Choices) else vars(what) for name, what in space.items()}


def defaults(config: type[ModelConfig], space: Space) -> dict[str, Any]:
    """Return the default configuration, as far as it lies in the space: what a sweep tries first."""
    values = config().model_dump()
    return {name: values[name] for name, what in space.items() if _holds(what, values[name])}


def all_of(space: Space) -> list[dict[str, Any]] | None:
    """Return every configuration of a space of choices, in order; None when a span makes it infinite."""
    if any(isinstance(what, Span) for what in space.values()):
        return None
    values = [what.values for what in space.values() if isinstance(what, Choices)]
    return [dict(zip(space, combination, strict=True)) for combination in itertools.product(*values)]


def propose(trial: optuna.Trial, config: type[ModelConfig], space: Space) -> dict[str, Any]:
    """Return the trial's configuration."""
    for name, what in space.items():
        if isinstance(what, Choices):
            trial.suggest_categorical(name, what.values)
        elif _whole(config, name):
            trial.suggest_int(name, int(what.low), int(what.high), log=what.log)
        else:
            trial.suggest_float(name, what.low, what.high, log=what.log)
    return dict(trial.params)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the search space: {error.strerror}", path=file) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the search space is not TOML: {error}", path=file) from None


def _holds(what: Span | Choices, value: Any) -> bool:
    if isinstance(what, Choices):
        return value in what.values
    return isinstance(value, int | float) and what.low <= value <= what.high


def _whole(config: type[ModelConfig], name: str) -> bool:
    return config.model_fields[name].annotation is int


def _number(config: type[ModelConfig], name: str, value: float) -> float:
    return int(value) if _whole(config, name) else value
