"""The threat model names a test for every threat, and the tests are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import distaff

ROOT = Path(distaff.__file__).parents[2]
_TEST = r"`(tests/[\w/]+\.py)::(test_\w+)`"
_LINE = re.compile(rf"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ({_TEST}(?:, {_TEST})*) \|$")


def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_line_of_the_threat_model_names_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    section = text.partition("\n## Threats\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    found = [_LINE.match(line) for line in lines]
    assert len(lines) > 40
    for line, match in zip(lines, found, strict=True):
        assert match is not None, line
        for file, name in re.findall(_TEST, match[4]):
            assert name in functions_of(file), line
    assert [int(match[1]) for match in found if match] == list(range(1, len(lines) + 1))


def test_every_attack_that_was_made_names_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.endswith("| test |")]
    assert [f"| B{n} |" for n in range(1, 15)] == [line[: line.index("|", 2) + 1] for line in lines[:14]]
    for line in lines:
        named = re.findall(_TEST, line.rpartition(" | ")[2])
        assert named, line
        for file, name in named:
            assert name in functions_of(file), name


def test_every_attack_is_a_line_of_the_threat_model() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    beside = {  # what shows that a defence does not do harm, or a part of a line's attack
        "test_harmless_text_stays_as_it_is",
        "test_login_opens_the_address_and_is_asked_for_everywhere",
        "test_settings_of_models_are_values_within_their_range",
        "test_commands_make_a_key_and_say_nothing_of_its_private_half",
    }
    for file in sorted((ROOT / "tests" / "security").glob("test_*.py")):
        if file.name != "test_threat_model.py":
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name not in beside:
                    assert f"::{node.name}`" in text, node.name
