"""What followed streams say: on their page, newest first, and on Home while they are not at rest."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

import pytest
from dashboard_pages import opened, plain
from failing_chain import chain_workspace, stream_file
from streamlit.testing.v1 import AppTest

from distaff.incidents.follow import Update, follow
from distaff_dashboards.reads.source import newest_writes
from distaff_dashboards.views.incident import reads
from distaff_data.workspace import Workspace


class StoppedError(Exception):
    """Ends a stream midway."""


def followed(workspace: Workspace, path: Path, *, whole: bool) -> None:
    """Follow the chain's stream, up to its first ranking or to its end."""

    def stop(update: Update) -> None:
        if not whole:
            raise StoppedError

    with path.open("rb") as source, contextlib.suppress(StoppedError):
        follow(workspace, "d", source, batch=30, idle=0, report=stop)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> partial[AppTest]:
    return partial(opened, monkeypatch)


def test_without_a_stream_the_page_says_how_to_follow_one(at: partial[AppTest], tmp_path: Path) -> None:
    assert "--follow metrics.csv" in plain(at(chain_workspace(tmp_path).root, "followed"))


def _links(app: AppTest) -> list[str]:
    return [str(getattr(link, "label", "")) for link in app.get("page_link")]


def test_an_incident_of_a_stream_is_on_its_page_and_on_home_until_it_rests(
    at: partial[AppTest], tmp_path: Path
) -> None:
    workspace, path = chain_workspace(tmp_path / "w"), stream_file(tmp_path / "m.csv")
    followed(workspace, path, whole=False)
    shown = at(workspace.root, "followed")
    assert "Rows are still coming" in plain(shown)
    incidents, causes = (frame.value for frame in shown.dataframe[:2])
    assert incidents["suspect"].iloc[0].startswith(("b|", "c|"))
    assert len(causes) == 3
    first = shown.selectbox[0].options
    assert any("followed, not at rest" in label for label in _links(at(workspace.root, "")))
    followed(workspace, path, whole=True)
    shown = at(workspace.root, "followed")
    assert "Rows are still coming" not in plain(shown)
    assert shown.selectbox[0].options == first
    assert shown.dataframe[1].value["metric"].iloc[0] == "c|x"
    assert not any("not at rest" in label for label in _links(at(workspace.root, "")))


def test_a_stream_is_told_by_its_dataset_and_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    workspace, path = chain_workspace(tmp_path / "w"), stream_file(tmp_path / "m.csv")
    followed(workspace, path, whole=True)
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(workspace.root))
    table = reads.followed(newest_writes("publications"))
    assert set(table.select("dataset", "model").iter_rows()) == {("d", "coral")}
    assert table["id"].is_unique().all()
