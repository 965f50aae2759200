"""The stub of the package ``distaff``, by which editors and type checkers know our models and their settings.

``python -m distaff.model.stubs`` writes it, and the catalogue beside it, anew from the registered models' configurations.
"""

from __future__ import annotations

import inspect
import textwrap
from collections import defaultdict
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import distaff
from distaff.model import catalogue
from distaff.model.config import ModelConfig
from distaff.model.registry import class_names, model_class

STUB = Path(__file__).parent.parent / "__init__.pyi"
_WIDTH = 120
_HEAD = "# Written by: python -m distaff.model.stubs"


def stub() -> str:
    """Return the stub: a subclass of each of our models, with its settings as keyword arguments."""
    models = {name: model_class(registered) for name, registered in class_names(distaff.__name__).items()}
    imports: defaultdict[str, list[str]] = defaultdict(list)
    imports["distaff._version"].append("__version__")
    for name in distaff.__all__:
        if name != "__version__":
            imports[getattr(distaff, name).__module__].append(name)
    lines = [_HEAD, f'"""{(inspect.getdoc(distaff) or "").splitlines()[0]}"""', "", "from typing import Literal", ""]
    for module in sorted(imports):
        for name in sorted(imports[module], key=lambda name: (not name.isupper(), name.lower())):
            lines.append(f"from {module} import {name} as {'_' if name in models else ''}{name}")
    lines += ["", "__all__ = [", *(f'    "{name}",' for name in _exported(distaff.__all__)), "]", ""]
    for name, model in models.items():
        lines += [f"class {name}(_{name}):", *_class_body(model), ""]
    return "\n".join(lines)


def _exported(names: list[str]) -> list[str]:
    """Return names in the order in which linters want them in ``__all__``."""
    return sorted(names, key=lambda name: (not name.isupper(), name.startswith("__"), name))


def _class_body(model: Any) -> list[str]:
    config: type[ModelConfig] = model.Config
    summary = " ".join((inspect.getdoc(model) or "").split("\n\n")[0].split())
    body = _docstring(summary, config.descriptions())
    if not config.model_fields:
        return [*body, "    def __init__(self) -> None: ..."]
    settings = (
        f"        {name}: {_type(field.annotation)} = {_literal(field.get_default())},"
        for name, field in config.model_fields.items()
    )
    return [*body, "    def __init__(", "        self,", "        *,", *settings, "    ) -> None: ..."]


def _docstring(summary: str, descriptions: dict[str, str]) -> list[str]:
    if not descriptions:
        return [f'    """{summary}"""']
    lines = [f'    """{summary}', "", "    Args:"]
    for name, text in descriptions.items():
        lines += textwrap.wrap(f"{name}: {text}", _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12)
    return [*lines, '    """', ""]


def _type(annotation: Any) -> str:
    """Return a setting's type as source code.

    Raises:
        TypeError: A type that no setting of ours has had yet.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(_literal, arguments))}]"
    if origin in (Union, UnionType):
        return " | ".join(map(_type, arguments))
    if origin is tuple:
        return f"tuple[{', '.join('...' if a is Ellipsis else _type(a) for a in arguments)}]"
    if annotation is NoneType:
        return "None"
    if annotation in (bool, int, float, str):
        return str(annotation.__name__)
    raise TypeError(f"the stub cannot say the type {annotation!r}")


def _literal(value: object) -> str:
    """Return a default as source code, in the quotes that the formatter wants."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
    catalogue.FILE.write_text(catalogue.written(), encoding="utf-8")
