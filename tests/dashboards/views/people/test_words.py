"""The page *Words*, run without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_pages import opened
from streamlit.testing.v1 import AppTest

from distaff.factors.intents.evidence import explain_run
from distaff.runs import training
from distaff_dashboards.views.people.words import sentence
from distaff_data.workspace import Workspace

PAGE = "words"
DATASET = "shop"
SETTINGS = {"n_intents": 3, "embedding_dim": 8, "batch_size": 16, "max_epochs": 30, "eval_every": 30, "lr": 0.01}
LIMITS = {"min_df": 2, "max_df": 1.0}


def page(monkeypatch: pytest.MonkeyPatch, root: Path) -> AppTest:
    return opened(monkeypatch, root, PAGE)


@pytest.fixture
def spoken(bare: Workspace) -> tuple[Workspace, str]:
    run = training.train(bare, "dgvae", DATASET, settings=SETTINGS | LIMITS, device="cpu").run
    explain_run(bare, run)
    return bare, run


def test_without_words_the_page_says_what_to_do(monkeypatch: pytest.MonkeyPatch, bare: Workspace) -> None:
    app = page(monkeypatch, bare.root)
    assert "distaff train" in str([part.value for part in app.code])
    run = training.train(bare, "popularity", DATASET, device="cpu").run
    commands = str([part.value for part in opened(monkeypatch, bare.root, PAGE, run=run).code])
    assert f"distaff train dgvae {DATASET}" in commands


def test_factors_a_person_and_a_reason_are_shown_and_sliders_change_the_list(
    monkeypatch: pytest.MonkeyPatch, spoken: tuple[Workspace, str], hostile: str
) -> None:
    workspace, run = spoken
    app = page(monkeypatch, workspace.root)
    assert app.selectbox(key="run").value == run
    assert len(app.tabs) == 3
    assert "brings" in str([part.value for part in app.markdown])
    before = app.dataframe[0].value
    assert before["before"].tolist() == before["after"].tolist()
    # The factor that is weakest in the person, of which the list has little.
    slider = [s for s in app.select_slider if s.key and s.key.startswith("weight-dgvae")][-1]
    slider.set_value(256.0)
    app.run()
    assert not app.exception
    after = app.dataframe[0].value
    assert after["before"].tolist() == before["before"].tolist()
    assert after["after"].tolist() != before["after"].tolist()
    user = app.selectbox(key="user").value
    app.selectbox(key=f"word-{run}-{user}").set_value("group 1")
    app.run()
    assert not app.exception
    assert hostile not in str([part.value for part in app.markdown])


def test_an_unknown_person_is_said_to_be_unknown(
    monkeypatch: pytest.MonkeyPatch, spoken: tuple[Workspace, str]
) -> None:
    app = opened(monkeypatch, spoken[0].root, PAGE, user="nobody")
    assert "nobody" in str([part.value for part in app.warning])


def test_a_reason_is_one_sentence() -> None:
    from distaff.recommenders.explain import FactorShare, Why

    first = [FactorShare(1, "amber", 0.7)]
    assert sentence(Why(1, "a", "A", 0.1, first)) == "Factor 1 (amber) brings 70% of the score."
    assert "words lift it by 25%" in sentence(Why(1, "a", "A", 0.1, first, 0.25, 0.75))
