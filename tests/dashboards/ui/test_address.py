"""What a person has chosen: kept, linked, and never replaced behind their back."""

from __future__ import annotations

import pytest
from dashboard_pages import address_of
from streamlit.testing.v1 import AppTest


def one_choice() -> None:
    import streamlit as st

    from distaff_dashboards.ui import address

    address.begin()
    scope = st.session_state.get("scope", "a")
    st.session_state["result"] = address.choose(
        "Run", ["one", "two", "three"], key="run", scope=scope, default=st.session_state.get("default")
    )
    address.finish("page")


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(one_choice)


def test_the_default_is_filled_into_the_address_and_is_no_step_that_back_takes_back(app: AppTest) -> None:
    app.session_state["default"] = "two"
    app.run()
    assert address_of(app) == {"run": "two"}
    assert "run" not in app.query_params
    assert app.session_state["result"] == "two"


def test_a_choice_in_the_box_is_in_the_address(app: AppTest) -> None:
    app.run().selectbox(key="run").select("three").run()
    assert app.query_params["run"] == "three"


def test_a_link_wins_over_what_was_chosen_before(app: AppTest) -> None:
    app.run().selectbox(key="run").select("three").run()
    app.query_params["run"] = "two"
    app.run()
    assert app.session_state["result"] == "two"
    assert app.selectbox(key="run").value == "two"


def test_each_scope_has_a_choice_of_its_own(app: AppTest) -> None:
    app.run().selectbox(key="run").select("three").run()
    app.session_state["scope"] = "b"
    assert app.run().session_state["result"] == "one"
    app.session_state["scope"] = "a"
    assert app.run().session_state["result"] == "three"


def test_what_there_is_not_is_said_until_something_is_chosen(app: AppTest) -> None:
    app.query_params["run"] = "*gone*"
    app.run()
    for _ in range(2):
        assert app.session_state["result"] is None
        assert app.selectbox(key="run").value is None
        assert app.error[0].value == r"The address names a run that is not here\: \*gone\*\. Choose one\."
        app.run()
    app.selectbox(key="run").select("two").run()
    assert not app.error
    assert app.query_params["run"] == "two"
