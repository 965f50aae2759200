"""The page *Words*, run without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import distaff_dashboards
from distaff.factors.intents.evidence import explain_run
from distaff.runs import runs
from distaff_dashboards.pages.people.words import said
from distaff_data.workspace import Workspace

APP = Path(distaff_dashboards.__file__).with_name("app.py")
PAGE = "screens/words.py"
DATASET = "shop"
SETTINGS = {"n_intents": 3, "embedding_dim": 8, "batch_size": 16, "max_epochs": 30, "eval_every": 30, "lr": 0.01}
LIMITS = {"min_df": 2, "max_df": 1.0}


def page(monkeypatch: pytest.MonkeyPatch, root: Path) -> AppTest:
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(root))
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app.switch_page(PAGE)
    app.run()
    assert not app.exception
    return app


@pytest.fixture
def spoken(bare: Workspace) -> tuple[Workspace, str]:
    run = runs.train(bare, "dgvae", DATASET, settings=SETTINGS | LIMITS, device="cpu").run
    explain_run(bare, run)
    return bare, run


def test_without_words_the_page_says_what_to_do(monkeypatch: pytest.MonkeyPatch, bare: Workspace) -> None:
    app = page(monkeypatch, bare.root)
    assert "distaff train dgvae" in str([part.value for part in app.code])


def test_factors_a_person_and_a_reason_are_shown_and_sliders_change_the_list(
    monkeypatch: pytest.MonkeyPatch, spoken: tuple[Workspace, str], hostile: str
) -> None:
    workspace, run = spoken
    app = page(monkeypatch, workspace.root)
    assert app.selectbox(key="run").value == run
    assert len(app.tabs) == 3
    assert "brings" in str([part.value for part in app.markdown])
    before = app.dataframe[0].value
    assert before["as it is"].tolist() == before["steered"].tolist()
    # The factor that is weakest in the person, of which the list has little.
    slider = [s for s in app.slider if s.key and s.key.startswith("steer-dgvae")][-1]
    slider.set_value(2.0)
    app.run()
    assert not app.exception
    after = app.dataframe[0].value
    assert after["as it is"].tolist() == before["as it is"].tolist()
    assert after["steered"].tolist() != before["steered"].tolist()
    app.selectbox(key=f"steer-word-{run}").set_value("group 1")
    app.run()
    assert not app.exception
    assert hostile not in str([part.value for part in app.markdown])


def test_an_unknown_person_is_said_to_be_unknown(
    monkeypatch: pytest.MonkeyPatch, spoken: tuple[Workspace, str]
) -> None:
    monkeypatch.setenv("DISTAFF_WORKSPACE", str(spoken[0].root))
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app.switch_page(PAGE)
    app.query_params["user"] = "nobody"
    app.run()
    assert not app.exception
    assert "nobody" in str([part.value for part in app.warning])


def test_a_reason_is_one_sentence() -> None:
    from distaff.recommenders.explain import FactorShare, Why

    first = [FactorShare(1, "amber", 0.7)]
    assert said(Why(1, "a", "A", 0.1, first)) == "Factor 1 (amber) brings 70% of the score."
    assert "words lift it by 25%" in said(Why(1, "a", "A", 0.1, first, 0.25, 0.75))
