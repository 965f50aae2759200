"""Options of a verb that are spelled once, in a dataclass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from distaff.cli.options import takes


@dataclass(frozen=True, kw_only=True)
class Wishes:
    user: Annotated[str | None, "Column of users."] = None
    file: Annotated[str | Path | None, "A file."] = None
    count: Annotated[int, "How many."] = 3
    loud: Annotated[bool, "Shout."] = False
    roots: Annotated[Sequence[str], "One of several; repeatable."] = ()
    channels: Annotated[Sequence[str], "Several, between commas."] = ()
    texts: Annotated[Sequence[str] | None, "None for all; repeatable."] = None
    hidden: Annotated[str, "Not on the command line."] = "as it was"


@pytest.fixture
def app() -> tuple[typer.Typer, list[tuple[str, Wishes, bool]]]:
    app, calls = typer.Typer(), []

    @app.command()
    @takes(Wishes, flags={"roots": "--root"}, commas=("channels",), without=("hidden",))
    def verb(
        name: Annotated[str, typer.Argument()],
        options: Wishes,
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ) -> None:
        """Wish."""
        calls.append((name, options, as_json))

    return app, calls


def test_a_verb_is_handed_one_object_of_the_values_that_were_given(
    app: tuple[typer.Typer, list[tuple[str, Wishes, bool]]],
) -> None:
    given = [
        "x",
        "--user",
        "u",
        "--file",
        "a.csv",
        "--count",
        "5",
        "--loud",
        "--root",
        "a",
        "--root",
        "b",
        "--channels",
        "p,q",
        "--texts",
        "t",
        "--json",
    ]
    assert CliRunner().invoke(app[0], given).exit_code == 0
    wishes = Wishes(
        user="u", file=Path("a.csv"), count=5, loud=True, roots=("a", "b"), channels=("p", "q"), texts=("t",)
    )
    assert app[1] == [("x", wishes, True)]


def test_what_was_not_given_has_the_dataclass_default(
    app: tuple[typer.Typer, list[tuple[str, Wishes, bool]]],
) -> None:
    assert CliRunner().invoke(app[0], ["x"]).exit_code == 0
    assert app[1] == [("x", Wishes(), False)]


def test_help_shows_the_sentences_and_only_the_flags_asked_for(
    app: tuple[typer.Typer, list[tuple[str, Wishes, bool]]],
) -> None:
    shown = CliRunner().invoke(app[0], ["--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert all(text in shown for text in ("Column of users.", "--root"))
    assert not any(flag in shown for flag in ("--no-loud", "--roots", "--hidden"))


def test_an_unknown_option_is_refused(app: tuple[typer.Typer, list[tuple[str, Wishes, bool]]]) -> None:
    assert CliRunner().invoke(app[0], ["x", "--hidden", "y"]).exit_code == 2
    assert app[1] == []
