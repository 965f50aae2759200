"""The page *Glossary* has every metric and every piece of evidence."""

from __future__ import annotations

import pytest
from dashboard_pages import opened

from distaff_dashboards.ui import definitions, wording
from distaff_data.workspace import Workspace


def test_every_meaning_is_there_under_the_name_that_columns_have(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    app = opened(monkeypatch, workspace.root, "glossary")
    words = {word.replace("\\", "") for table in app.table for word in table.value["word"]}
    assert words >= set(wording.METRICS)
    for meanings in (definitions.EVIDENCE, definitions.CAUSES, definitions.LATENTS):
        assert words >= {definitions.heading_of(name) for name in meanings}
