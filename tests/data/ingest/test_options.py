"""One object of options for each kind of ingestion."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import get_type_hints

import pytest

import distaff_data.ingest as ingest
from distaff_data.ingest import (
    AttributesOptions,
    IncidentsOptions,
    InteractionsOptions,
    SeriesOptions,
    ingest_interactions,
)
from distaff_data.ingest.options import with_settings
from distaff_data.workspace import Workspace

KINDS = (InteractionsOptions, AttributesOptions, SeriesOptions, IncidentsOptions)


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_says_what_it_is_for(kind: type) -> None:
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        (sentence,) = hints[field.name].__metadata__
        assert sentence.endswith(".")


def test_an_object_and_keywords_say_the_same_and_keywords_win(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("who,what,stars\na,x,5\nb,y,1\na,y,4\n")
    options = InteractionsOptions(user="who", item="what", rating="stars", split=None)
    by_object = ingest_interactions(workspace, "one", file, options, min_rating=4)
    by_keyword = ingest_interactions(
        workspace, "two", file, user="who", item="what", rating="stars", split=None, min_rating=4
    )
    assert (by_object.train, by_object.dropped_by_rating) == (by_keyword.train, by_keyword.dropped_by_rating) == (2, 1)
    assert options.min_rating is None  # options are not changed


def test_a_keyword_that_is_no_option_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="usr"):
        ingest_interactions(workspace, "one", tmp_path / "a.csv", usr="who")


def test_options_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        SeriesOptions().time = "t"  # type: ignore[misc]
    assert with_settings(SeriesOptions(time="t"), {"step": 2.0}) == SeriesOptions(time="t", step=2.0)


def test_every_public_name_of_the_package_can_be_imported() -> None:
    assert all(getattr(ingest, name) is not None for name in ingest.__all__)
    assert set(ingest.__all__) <= set(dir(ingest))
    with pytest.raises(AttributeError, match="ingest_nothing"):
        getattr(ingest, "ingest_" + "nothing")
