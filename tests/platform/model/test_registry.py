"""Entry points that lead nowhere are refused with their name, and nobody takes the name of one of ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

import distaff
from distaff.cli.app import app
from distaff.model import catalogue, registry
from distaff_data.errors import InputError, UnknownNameError

MODULES = {
    "acme_syntax": "def broken(:",
    "acme_raises": "raise ValueError('no licence')",
    "acme_exits": "import sys; sys.exit(3)",
    "acme_abstract": "import distaff\nclass M(distaff.Recommender):\n    name = 'abstract'\n",
    "acme_misnamed": "import distaff\nclass M(distaff.EASE):\n    name = 'other'\n",
    "acme_good": "import distaff\nclass M(distaff.EASE):\n    'A good one.'\n    name = 'good'\n",
}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    values = {"no_package": "no_such_package:Model", "no_class": "distaff.model.base:NoSuch", "no_model": "math:pi"}
    entries = {name: (EntryPoint(name, value, registry.GROUP),) for name, value in values.items()}
    monkeypatch.setattr(registry, "_entries", lambda: entries)
    registry.class_names.cache_clear()
    yield
    registry.class_names.cache_clear()


def clear() -> None:
    for known in (registry._entries, registry.class_names, vars(distaff)["_models"]):
        known.cache_clear()


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install, as far as metadata go, a package whose modules are broken in several ways, and that calls one dccf."""
    for module, text in MODULES.items():
        (tmp_path / f"{module}.py").write_text(text)
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    lines = [f"{module.removeprefix('acme_')} = {module}:M" for module in MODULES] + ["dccf = acme_good:M"]
    (info / "entry_points.txt").write_text("[distaff.models]\n" + "\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    clear()
    yield
    for module in MODULES:
        sys.modules.pop(module, None)
    monkeypatch.undo()
    clear()


@pytest.mark.parametrize("name", ["no_package", "no_class", "no_model"])
@pytest.mark.usefixtures("broken")
def test_an_entry_point_that_is_no_model_is_named(name: str) -> None:
    with pytest.raises(InputError, match=name):
        registry.model_class(name)


@pytest.mark.usefixtures("broken")
def test_models_of_other_packages_are_not_ours() -> None:
    assert registry.class_names() == {"Model": "no_package", "NoSuch": "no_class", "pi": "no_model"}
    assert registry.class_names("distaff") == {}
    with pytest.raises(UnknownNameError, match="did you mean no_class"):
        registry.model_class("noclass")


@pytest.mark.usefixtures("stranger")
def test_a_stranger_takes_no_name_of_ours() -> None:
    assert registry.model_class("dccf").__module__ == "distaff_graph.collaborative.dccf"
    assert "DCCF" in dir(distaff)
    assert registry.conflicts() == ["'dccf' is registered by acme and distaff; distaff's own is used"]


@pytest.mark.usefixtures("stranger")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("syntax", "SyntaxError"),
        ("raises", "no licence"),
        ("exits", "SystemExit"),
        ("abstract", "does not implement"),
        ("misnamed", "says that its name is 'other'"),
    ],
)
def test_a_broken_stranger_is_refused_in_one_line_and_the_others_are_listed(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        registry.model_class(name)
    lines = {line["model"]: line for line in catalogue.catalogue()}
    assert reason in lines[name]["broken"]
    assert lines["good"]["summary"] == "A good one."
    assert "broken" not in lines["dccf"]
    shown = CliRunner().invoke(app, ["models"])
    assert shown.exit_code == 0
    assert "cannot be used" in shown.output


def test_a_model_shows_its_settings_with_what_each_is() -> None:
    settings = {line["setting"]: line for line in catalogue.settings("dccf")}
    assert settings["n_intents"]["default"] == 128
    assert all(line["description"] for line in settings.values())
    assert CliRunner().invoke(app, ["models", "dccf", "--json"]).exit_code == 0
    assert CliRunner().invoke(app, ["models", "dcfc"]).exit_code != 0
