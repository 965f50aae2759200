"""All pages, run without a browser."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from dashboard_pages import address_of, opened, plain, said, turn_to
from streamlit.testing.v1 import AppTest

from distaff.factors.intents.evidence import explain_run
from distaff.factors.intents.notes import notes_of
from distaff.recommenders.base import Recommender
from distaff.runs import records, training
from distaff_data.workspace import Workspace

BOARD, INTENTS, ITEM, RUN = "board", "person", "item", "run"
FACTORS, FACTOR, BLIND = "factors", "factor", "blind-spots"
DATASET = "shop"

Open = Callable[..., AppTest]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens a page over a workspace, as a link with parameters does."""

    return partial(opened, monkeypatch)


# ------------------------------------------------------------------------------------------------------- empty states


@pytest.mark.parametrize("page", [BOARD, FACTORS, FACTOR, INTENTS, ITEM, RUN, BLIND])
def test_without_a_workspace_a_page_says_how_to_make_one(at: Open, tmp_path: Path, page: str) -> None:
    assert "distaff init" in said(at(tmp_path, page))


@pytest.mark.parametrize(
    ("page", "command"),
    [
        (BOARD, "distaff ingest"),
        *((page, "distaff train") for page in (FACTORS, FACTOR, INTENTS, ITEM, BLIND)),
    ],
)
def test_an_empty_workspace_says_what_comes_first(at: Open, tmp_path: Path, page: str, command: str) -> None:
    Workspace.create(tmp_path / "workspace")
    assert command in said(at(tmp_path / "workspace", page))


def test_a_dataset_without_runs_says_how_to_train(at: Open, bare: Workspace) -> None:
    assert f"distaff train ease {DATASET}" in said(at(bare.root, BOARD))


def test_a_run_without_factors_says_how_to_compute_them(at: Open, bare: Workspace) -> None:
    run = training.train(bare, "nmf", DATASET, device="cpu", settings={"n_intents": 3})
    for page in (FACTORS, FACTOR, INTENTS, BLIND):
        assert f"distaff factors {run.run}" in said(at(bare.root, page))
    assert "Only controls so far" in said(at(bare.root, BOARD))


def test_a_model_without_control_is_called_untrustworthy(
    at: Open, bare: Workspace, quick_dccf: dict[str, object]
) -> None:
    training.train(bare, "dccf", DATASET, settings=quick_dccf, device="cpu")
    assert "No control has been trained" in said(at(bare.root, BOARD))


# -------------------------------------------------------------------------------------------------------------- board


def test_the_board_shows_runs_beside_controls(at: Open, filled: Workspace) -> None:
    app = at(filled.root, BOARD)
    numbers = app.dataframe[0].value
    assert set(numbers["kind"]) == {"model", "control"}
    assert numbers.set_index("model").loc["dccf", "seeds"] == 2
    assert "nmf on recall@20" in plain(app)


def test_the_board_is_honest_about_a_control_that_leads(at: Open, filled: Workspace) -> None:
    means = at(filled.root, BOARD).dataframe[0].value.set_index("model")["mean"]
    assert means["nmf"] > means["dccf"]  # barely trained
    assert "A control leads" in said(at(filled.root, BOARD))


def test_another_metric_is_a_choice_away(at: Open, filled: Workspace) -> None:
    app = at(filled.root, BOARD)
    app.selectbox(key="metric").select("ndcg@10").run()
    assert not app.exception
    assert set(app.dataframe[0].value["metric"]) == {"ndcg@10"}
    app.selectbox(key="metric").select("gini@10").run()
    assert "neither better nor worse" in said(app)
    assert not app.metric


def test_new_runs_appear_without_a_restart(at: Open, bare: Workspace) -> None:
    training.train(bare, "popularity", DATASET, device="cpu")
    assert len(at(bare.root, BOARD).dataframe[0].value) == 1
    training.train(bare, "nmf", DATASET, device="cpu", settings={"n_intents": 3})
    assert len(at(bare.root, BOARD).dataframe[0].value) == 2


# ------------------------------------------------------------------------------------------------------------ factors


def test_the_index_lists_every_factor_with_its_evidence(at: Open, filled: Workspace) -> None:
    index = at(filled.root, FACTORS).dataframe[0].value
    assert sorted(index["factor"]) == [0, 1, 2]
    assert index["effect"].is_monotonic_decreasing
    evidence = {"activity", "state", "badge", "stability", "effect_property", "specificity", "purity", "dependence"}
    assert evidence | {"popularity", "user_activity", "warnings"} <= set(index.columns)


def test_models_come_before_controls_in_the_choice_of_runs_and_one_with_factors_is_shown(
    at: Open, filled: Workspace
) -> None:
    app = at(filled.root, FACTORS)
    options = app.selectbox(key="run").options
    assert [option.partition(",")[0].split()[0] for option in options] == ["dccf", "dccf", "nmf", "popularity"]
    assert ["control" in option for option in options] == [False, False, True, True]
    assert len(app.dataframe[0].value) == 3


# ------------------------------------------------------------------------------------------------------------- factor


def test_every_view_of_a_factor_can_be_changed(at: Open, filled: Workspace) -> None:
    app = at(filled.root, FACTOR)
    app.selectbox(key="run").select(run_of(filled, "nmf")).run()
    app.selectbox(key="factor").select_index(1).run()
    app.slider(key="relevance").set_value(1.0).run()
    app.select_slider(key="band").set_value(5).run()
    app.segmented_control(key="entity").set_value("users").run()
    assert not app.exception
    assert {"Items", "Effect card", "Other seeds", "Depends on", "What if"} <= {h.value for h in app.subheader}


def run_of(workspace: Workspace, model: str) -> str:
    return next(run.run for run in records.listing(workspace) if run.model == model)


def weight_of(app: AppTest) -> str:
    """The key of the slider of the chosen factor, the first of them."""
    return next(slider.key for slider in app.select_slider if slider.key and slider.key.startswith("weight-"))


def test_weights_of_factors_change_the_list_beside_the_old_one(at: Open, filled: Workspace) -> None:
    app = at(filled.root, FACTOR, run=run_of(filled, "nmf"))
    app.select_slider(key=weight_of(app)).set_value(1.0).run()
    same = app.dataframe[-1].value
    assert same["before"].tolist() == same["after"].tolist()
    assert (same["change"] == 0).all()
    lists = []
    for weight in [str(s.key) for s in app.select_slider if str(s.key).startswith("weight-")]:
        app.select_slider(key=weight).set_value(0.0).run()
        assert not app.exception
        changed = app.dataframe[-1].value
        assert changed["before"].tolist() == same["before"].tolist()
        lists.append(changed["after"].tolist())
        app.select_slider(key=weight).set_value(1.0).run()
    # A factor that this user has nothing of leaves their list as it is; not all of them can.
    assert any(after != same["after"].tolist() for after in lists)


def test_a_note_is_written_and_shown_and_hides_the_factor(at: Open, bare: Workspace) -> None:
    run = training.train(bare, "nmf", DATASET, device="cpu", settings={"n_intents": 3}).run
    explain_run(bare, run)
    app = at(bare.root, FACTOR)
    factor = int(str(app.selectbox(key="factor").value))
    app.text_input(key=f"name-{factor}").set_value("my *own* name")
    app.text_area(key=f"note-{factor}").set_value("seen in `spring`")
    app.checkbox(key=f"hide-{factor}").set_value(True)
    app.button[0].click().run()
    assert not app.exception
    note = notes_of(bare, run)[factor]
    assert (note.name, note.note, note.hidden) == ("my *own* name", "seen in `spring`", True)
    app.run()
    assert f"{factor}: my *own* name" in app.selectbox(key="factor").options
    assert r"seen in \`spring\`" in said(app)
    index = at(bare.root, FACTORS)
    assert factor not in index.dataframe[0].value["factor"].tolist()
    index.toggle(key="show-hidden").set_value(True).run()
    assert factor in index.dataframe[0].value["factor"].tolist()


def test_a_link_opens_the_factor_it_names(at: Open, filled: Workspace) -> None:
    app = at(filled.root, FACTOR, factor="1", relevance="0.5")
    assert app.selectbox(key="factor").value == "1"
    assert app.slider(key="relevance").value == 0.5


@pytest.mark.parametrize(
    ("page", "link"),
    [(FACTOR, {"factor": "99"}), (FACTOR, {"run": "nope"}), (BOARD, {"dataset": "nope"}), (BOARD, {"metric": "nope"})],
)
def test_a_link_to_what_is_not_there_says_so_and_shows_nothing_else(
    at: Open, filled: Workspace, page: str, link: dict[str, str]
) -> None:
    app = at(filled.root, page, **link)
    (name, value), *_ = link.items()
    assert app.selectbox(key=name).value is None
    assert f"that is not here: {value}" in plain(app)
    assert not app.dataframe
    app.selectbox(key=name).select_index(0).run()
    assert not app.error
    assert app.query_params[name] == app.selectbox(key=name).value


def test_the_address_holds_what_is_shown_by_default_too(at: Open, filled: Workspace) -> None:
    app = at(filled.root, FACTOR)
    for name in ("dataset", "run", "factor", "user"):
        assert address_of(app)[name] == app.selectbox(key=name).value


def test_a_link_that_names_a_run_alone_brings_its_dataset(at: Open, filled: Workspace) -> None:
    app = at(filled.root, FACTORS, run=run_of(filled, "nmf"))
    assert app.selectbox(key="dataset").value == DATASET
    assert app.selectbox(key="run").value == run_of(filled, "nmf")


def test_a_run_that_cannot_be_shown_is_not_replaced(at: Open, filled: Workspace) -> None:
    run = run_of(filled, "popularity")
    app = at(filled.root, FACTORS, run=run)
    assert app.selectbox(key="run").value == run
    assert f"distaff factors {run}" in said(app)
    assert not app.dataframe
    assert "Runs that have it" in said(app)


def test_a_choice_is_kept_from_page_to_page(at: Open, filled: Workspace) -> None:
    app = at(filled.root, FACTORS)
    app.selectbox(key="run").select(run_of(filled, "nmf")).run()
    for name in ("dataset", "run"):
        del app.query_params[name]  # as the menu leads on
    turn_to(app, INTENTS).run()
    assert app.selectbox(key="run").value == run_of(filled, "nmf")
    assert address_of(app)["run"] == run_of(filled, "nmf")


# -------------------------------------------------------------------------------------------------------- blind spots


def test_blind_spots_are_shown_by_cohort_and_with_what_calibration_costs(at: Open, filled: Workspace) -> None:
    app = at(filled.root, BLIND)
    spots = app.dataframe[0].value
    assert sorted(spots["ratio"]) == spots["ratio"].tolist()
    assert spots["data_share"].sum() == pytest.approx(1.0)
    recall = app.metric[0].value
    app.select_slider(key="calibrate").set_value(0.0).run()
    assert not app.exception
    assert app.metric[0].delta == "+0.0000"
    assert recall
    app.selectbox(key="cohort").select_index(1).run()
    assert not app.exception


# ------------------------------------------------------------------------------------------------------------ intents


def test_intent_and_user_can_be_changed(at: Open, filled: Workspace) -> None:
    app = at(filled.root, INTENTS)
    app.selectbox(key="factor").select_index(1).run()
    app.selectbox(key="user").select("u7").run()
    assert not app.exception
    lists = app.dataframe[-1].value
    assert list(lists.columns[:4]) == ["rank", "item_id", "title", "score"]
    assert lists["rank"].tolist() == list(range(1, len(lists) + 1))


def test_an_additive_model_leaves_no_rest(at: Open, filled: Workspace) -> None:
    app = at(filled.root, INTENTS, run=run_of(filled, "nmf"))
    lists = app.dataframe[-1].value
    assert lists.columns[-1] == "rest"
    assert (lists["rest"] == 0).all()
    assert lists.iloc[:, 4:].sum(axis=1).to_numpy() == pytest.approx(1.0)


def test_titles_from_users_are_never_markdown(at: Open, filled: Workspace, hostile: str) -> None:
    taker = filled.warehouse.rows("SELECT user_id FROM interactions WHERE item_id = 'i0' AND split = 'train' LIMIT 1")
    app = at(filled.root, INTENTS, user=taker[0]["user_id"])
    assert hostile in {title for frame in app.dataframe for title in frame.value.get("title", [])}
    assert "[click](" not in said(app)


def test_a_user_the_run_does_not_know_is_named(at: Open, filled: Workspace) -> None:
    app = at(filled.root, INTENTS, user="nobody")
    assert "does not know a user" in said(app)


def test_a_lost_model_is_explained(at: Open, lost: Workspace) -> None:
    for page in (INTENTS, FACTOR):
        assert "no saved model" in said(at(lost.root, page))


# --------------------------------------------------------------------------------------------------------------- item


def test_an_item_is_shown_with_its_factors_its_takers_and_what_is_like_it(at: Open, filled: Workspace) -> None:
    run = run_of(filled, "nmf")
    app = at(filled.root, ITEM, run=run, item="i4")
    assert {"Factors", "What is known of it", "Who takes it", "Similar items"} <= {h.value for h in app.subheader}
    assert "**Item number 4**" in plain(app)
    known, taken, similar = (frame.value for frame in app.dataframe)
    assert known["value"].tolist() == ["group 1"]
    takers = filled.warehouse.rows("SELECT user_id FROM interactions WHERE item_id = 'i4' AND split = 'train'")
    assert sorted(taken["user_id"]) == sorted(row["user_id"] for row in takers)
    expected = Recommender.load(records.model_folder(filled, run)).similar_items(["i4"], len(similar))
    assert similar["item_id"].tolist() == [str(item) for item in expected["similar_item_id"]]
    assert similar["score"].is_monotonic_decreasing


def test_whose_lists_an_item_is_in_is_as_the_run_published(at: Open, filled: Workspace) -> None:
    listed = filled.warehouse.rows(
        "SELECT run, item_id, count(*) AS n FROM recommendations GROUP BY ALL ORDER BY n DESC"
    )[0]
    app = at(filled.root, ITEM, run=listed["run"], item=listed["item_id"])
    table = next(frame.value for frame in app.dataframe if "rank" in frame.value)
    assert len(table) == listed["n"]


def test_an_item_with_a_hostile_title_is_text(at: Open, filled: Workspace, hostile: str) -> None:
    app = at(filled.root, ITEM, item="i0")
    assert hostile in plain(app).replace("\N{WORD JOINER}", "")
    assert "[click](" not in said(app)


def test_an_item_that_is_not_there_is_named(at: Open, filled: Workspace) -> None:
    app = at(filled.root, ITEM, item="nothing")
    assert "has no item 'nothing'" in plain(app)
    assert not app.dataframe


# ---------------------------------------------------------------------------------------------------------------- run


def test_a_run_is_shown_with_its_settings_and_what_it_published(at: Open, filled: Workspace) -> None:
    run = run_of(filled, "nmf")
    app = at(filled.root, RUN, run=run)
    validation, settings = (frame.value for frame in app.dataframe)
    assert validation["metric"].tolist()[:2] == ["recall@20", "ndcg@20"]
    stored = filled.warehouse.rows(
        "SELECT value FROM metrics WHERE run = ? AND split = 'valid' AND metric = 'ndcg@20'", [run]
    )
    assert validation["value"][1] == stored[0]["value"]
    assert settings.set_index("setting").loc["n_intents"].tolist() == ["3", True]
    assert any(
        str(getattr(link, "label", "")).startswith("Factors with their evidence") for link in app.get("page_link")
    )
    assert "seed 0" in plain(app)


def test_a_run_that_was_deleted_is_named(at: Open, filled: Workspace) -> None:
    app = at(filled.root, RUN, run="gone")
    assert "no run 'gone'" in plain(app)
    assert not app.dataframe


# ------------------------------------------------------------------------------------------------------------- search


@pytest.mark.parametrize(
    ("text", "label"),
    [("number 44", "Item number 44 (shop)"), ("U7", "u7 (shop)"), ("=hyperlink", "HYPERLINK"), ("group 1", "group 1")],
)
def test_the_box_finds_items_people_and_factors(at: Open, filled: Workspace, text: str, label: str) -> None:
    app = at(filled.root, "glossary")
    app.text_input(key="search").set_value(text).run()
    assert not app.exception
    assert any(label in str(getattr(link, "label", "")).replace("\\", "") for link in app.get("page_link"))


def test_the_box_says_when_nothing_is_found_and_is_empty_on_another_page(at: Open, filled: Workspace) -> None:
    app = at(filled.root, "glossary")
    app.text_input(key="search").set_value("zzz nothing").run()
    assert "Nothing of that name" in said(app)
    turn_to(app, "audit").run()
    assert app.text_input(key="search").value == ""
