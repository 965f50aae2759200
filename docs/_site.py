"""Pages of the site that are made from the program itself: the command line, the models, the Python API and the tables."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import distaff
from distaff.cli.app import app
from distaff.model.catalogue import catalogue
from distaff.model.registry import class_names, model_class
from distaff_data.schema import TABLES


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return the site's files with the generated pages among them."""
    pages = {"cli": command_line(), "models": models(), "api": api(), "tables": tables()}
    for name, text in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def command_line() -> str:
    """Return the reference of the command line: every verb with its arguments and options."""
    lines = ["# Command line", "", "`distaff [--workspace DIR] VERB ...`. Every reading verb takes `--json`.", ""]
    for path, command in _verbs(typer.main.get_command(app), "distaff"):
        lines += [f"## {path.removeprefix('distaff ')}", "", _paragraphs(command.help), ""]
        rows = [_parameter(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            lines += ["| option | default | what it does |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def models() -> str:
    """Return the reference of the models: what each is, and its settings with their defaults."""
    lines = ["# Models", "", "`distaff models` prints the same list; a setting is `--set NAME=VALUE`.", ""]
    for line in catalogue():
        kind = f"{'a control' if line['control'] else 'a model'} of {line['kind']}"
        lines += [f"## {line['model']}", "", f"{_cell(line['summary'])} *({kind})*", ""]
        config = model_class(line["model"]).Config
        if config.model_fields:
            lines += ["| setting | default | what it is | swept |", "|---|---|---|---|"]
            for name, field in config.model_fields.items():
                swept = "yes" if name in line["tunes"] else ""
                lines.append(
                    f"| `{name}` | `{_cell(field.get_default())}` | {_cell(config.descriptions().get(name, ''))} | {swept} |"
                )
            lines.append("")
    return "\n".join(lines)


def api() -> str:
    """Return the reference of the Python API: every public name."""
    models = class_names("distaff")
    lines = ["# Python API", "", (inspect.getdoc(distaff) or "").replace("``", "`"), "", "## Contracts and data", ""]
    for name in distaff.__all__:
        if name not in models and not name.startswith("_"):
            lines += [f"::: {getattr(distaff, name).__module__}.{name}", "    options: {heading_level: 3}", ""]
    lines += ["## Models", ""]
    for name in sorted(models):
        lines += [f"::: distaff.{name}", "    options: {heading_level: 3, members: false}", ""]
    lines += ["## Conformance suites", "", "::: distaff.testing", "    options: {heading_level: 3, members: false}", ""]
    return "\n".join(lines)


def tables() -> str:
    """Return the reference of the warehouse: every table and its columns."""
    lines = ["# Tables", "", "Everything that a page or a verb shows is a table; ask them with `distaff sql`.", ""]
    for table in TABLES.values():
        lines += [
            f"## {table.name}",
            "",
            f"{_cell(table.meaning)}.",
            "",
            "| column | type | meaning |",
            "|---|---|---|",
        ]
        lines += [f"| `{c.name}` | {_cell(c.type)} | {_cell(c.meaning)} |" for c in table.columns]
        lines.append("")
    return "\n".join(lines)


def _verbs(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, below in command.commands.items():
        yield from _verbs(below, f"{path} {name}")


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"| `{str(parameter.name).upper()}` | | {_cell(parameter.help or '')} |"
    default = "" if parameter.default in (None, False) or callable(parameter.default) else f"`{parameter.default}`"
    return f"| `{', '.join(parameter.opts)}` | {default} | {_cell(parameter.help or '')} |"


def _paragraphs(text: str | None) -> str:
    return _cell(inspect.cleandoc(text or ""), newlines=True)


def _cell(value: object, *, newlines: bool = False) -> str:
    text = str(value).replace("\\[", "[").replace("|", "\\|").replace("``", "`").replace("<", "&lt;")
    return text if newlines else " ".join(text.split())
