"""The page *Series*, run without a browser, and the figures and tables behind it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dashboard_pages import opened, plain

from distaff.factors.latents.evidence import explain_series_run
from distaff.runs import records, training
from distaff.series.score import embed_run
from distaff_dashboards.ui.export import to_csv, with_dates
from distaff_dashboards.views.series import charts
from distaff_dashboards.views.series.reads import EntityRows, Forecast, above_chance, two_by_two
from distaff_dashboards.views.series.window_map import chosen
from distaff_data.datasets.series import Series
from distaff_data.planted.series import planted_series
from distaff_data.splits.series import divide
from distaff_data.tables.series import publish_series
from distaff_data.workspace import Workspace

PAGE, BOARD = "series", "board"
HOSTILE = "<b>$x$</b> `y`"
SMALL: dict[str, object] = {"seq_len": 24, "horizons": (6,)}
QUICK = SMALL | {"patch_len": 8, "stride": 8, "d_model": 8, "n_layers": 1, "max_epochs": 1}


def hourly(n: int = 300) -> Series:
    """Two entities of two channels by the hour since 2026, the second one's name and channel like markup; some missing."""
    rng = np.random.default_rng(0)
    t = np.arange(2 * n)[:, None]
    values = 50 + 10 * np.sin(2 * np.pi * t / 24 + np.array([0, 1])) + rng.normal(size=(2 * n, 2))
    values[40:44, 1] = np.nan
    times = 1_767_225_600.0 + 3600 * np.tile(np.arange(n), 2)
    names, entities = ["load", HOSTILE], ["mill", HOSTILE]
    data = Series.from_rows(values, [n, n], name="power", times=times, channels=names, entities=entities)
    return divide(data, "ratio:0.6,0.2,0.2")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Hourly series with a model and two controls, and labelled windows with another; embeddings of one run on each."""
    workspace = Workspace.create(tmp_path_factory.mktemp("series") / "workspace")
    publish_series(workspace.warehouse, hourly(), source="", format="", split="", settings={})
    training.train(workspace, "timedrl", "power", settings=QUICK, device="cpu")
    training.train(workspace, "seasonal_naive", "power", settings=SMALL, device="cpu")
    embed_run(workspace, training.train(workspace, "raw_ridge", "power", settings=SMALL, device="cpu").run)
    windows = planted_series(n_windows=60, n_steps=16, seed=0)
    publish_series(workspace.warehouse, windows.series("windows"), source="", format="", split="", settings={})
    embed_run(workspace, training.train(workspace, "pca", "windows", settings={"n_components": 4}, device="cpu").run)
    latents = training.train(workspace, "vae", "windows", settings={"max_epochs": 2}, device="cpu").run
    embed_run(workspace, latents)
    for run in (latents, run_of(workspace, "timedrl")):
        explain_series_run(workspace, run)
    return workspace


def run_of(workspace: Workspace, model: str) -> str:
    return next(r.run for r in records.listing(workspace) if r.model == model)


def test_without_series_or_runs_the_page_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "distaff init" in plain(opened(monkeypatch, tmp_path, PAGE))
    workspace = Workspace.create(tmp_path / "workspace")
    assert "distaff ingest series" in plain(opened(monkeypatch, workspace.root, PAGE))
    publish_series(workspace.warehouse, hourly(), source="", format="", split="", settings={})
    for page in (PAGE, BOARD):
        assert "distaff train raw_ridge power" in plain(opened(monkeypatch, workspace.root, page))


def test_the_future_is_forecast_with_an_interval_and_the_board_stands_below(
    monkeypatch: pytest.MonkeyPatch, filled: Workspace
) -> None:
    app = opened(monkeypatch, filled.root, PAGE, run=run_of(filled, "raw_ridge"))
    assert app.selectbox(key="entity").options == ["mill", HOSTILE]
    assert "2 entities, 2 channels, 600 rows" in plain(app)
    assert {"Forecast", "Map of windows", "Beside the controls"} <= {h.value for h in app.subheader}
    assert set(app.dataframe[-1].value["model"]) == {"timedrl", "raw_ridge", "seasonal_naive"}
    assert "The future" in plain(app)
    app.selectbox(key="entity").set_value(HOSTILE).run()
    app.multiselect(key="channels").set_value([HOSTILE]).run()
    assert not app.exception
    app.multiselect(key="channels").set_value([]).run()
    assert "Choose a channel" in plain(app)


def test_a_backtest_shows_what_came_and_how_often_the_interval_held(
    monkeypatch: pytest.MonkeyPatch, filled: Workspace
) -> None:
    app = opened(monkeypatch, filled.root, PAGE, run=run_of(filled, "raw_ridge"))
    app.segmented_control(key="origin").set_value("from a test window").run()
    assert not app.exception
    slider = app.select_slider[0]
    assert len(slider.options) == 60 - 6 + 1
    assert slider.options[0].startswith("2026-01-")
    for at in (0, 30):
        app.select_slider[0].set_value(at).run()
        assert not app.exception
        assert "of what came lies within the 90% interval here" in plain(app)
    app.toggle(key="covered").set_value(True).run()
    held = app.dataframe[0].value["held"]
    assert ((held > 0.6) & (held <= 1)).all()
    app.number_input[0].set_value(3).run()
    assert not app.exception
    assert len(app.select_slider[0].options) == 60 - 3 + 1


def test_a_model_without_embeddings_says_how_to_publish_them(
    monkeypatch: pytest.MonkeyPatch, filled: Workspace
) -> None:
    run = run_of(filled, "seasonal_naive")
    app = opened(monkeypatch, filled.root, PAGE, run=run)
    assert f"distaff embed {run}" in plain(app)


def test_labelled_windows_are_shown_with_their_label_and_coloured_by_what_is_known(
    monkeypatch: pytest.MonkeyPatch, filled: Workspace
) -> None:
    run = run_of(filled, "pca")
    app = opened(monkeypatch, filled.root, PAGE, run=run)
    assert "It is labelled" in plain(app)
    assert "nothing after it to forecast" in plain(app)
    colours = app.selectbox(key=f"colour-{run}")
    assert colours.options[0] == "label"
    for name in colours.options:
        app.selectbox(key=f"colour-{run}").select(name).run()
        assert not app.exception


def test_latents_are_shown_with_their_evidence_and_what_they_do(
    monkeypatch: pytest.MonkeyPatch, filled: Workspace
) -> None:
    run = run_of(filled, "vae")
    app = opened(monkeypatch, filled.root, PAGE, run=run)
    assert {"Factors", "Traversal", "Effects", "Leakage"} <= {h.value for h in app.subheader}
    stored = filled.warehouse.rows("SELECT factor FROM factors WHERE run = ?", [run])
    choice = app.selectbox(key=f"factor-{run}")
    assert len(choice.options) == len(stored)
    choice.select_index(len(stored) - 1).run()
    assert not app.exception
    assert any(name.startswith("latent 0") for name in app.selectbox(key=f"colour-{run}").options)
    assert "distaff factors" in plain(opened(monkeypatch, filled.root, "factors"))  # those are about intents


def test_a_run_without_latents_has_its_leak_matrix_in_two_by_two(
    monkeypatch: pytest.MonkeyPatch, filled: Workspace
) -> None:
    run = run_of(filled, "timedrl")
    app = opened(monkeypatch, filled.root, PAGE, run=run)
    assert "no latents to move" in plain(app)
    short = next(frame.value for frame in app.dataframe if "representation" in frame.value)
    assert short["representation"].tolist() == ["instance", "timestamp"]
    shares = short[["instance", "timestamp"]].to_numpy()
    assert ((shares >= 0) & (shares <= 1)).all()
    other = run_of(filled, "seasonal_naive")
    assert f"distaff factors {other}" in plain(opened(monkeypatch, filled.root, PAGE, run=other))


def test_a_score_is_as_far_above_chance_as_there_is_to_go() -> None:
    row = {"representation": "a", "level": "instance", "chance": 0.5, "floor": 0.6, "score": 0.8}
    scores = pl.DataFrame([row, row | {"score": 0.3}, row | {"chance": 1.0}])
    assert scores.select(above_chance()).to_series().to_list() == pytest.approx([0.5, 0, 0])
    assert two_by_two(pl.DataFrame([row])).is_empty()
    means = two_by_two(pl.DataFrame([row, row | {"score": 1.0}, row | {"level": "timestamp", "score": 0.6}]))
    assert means.rows() == [("a", pytest.approx(0.75), 0)]


def test_a_lost_model_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import shutil

    workspace = Workspace.create(tmp_path / "workspace")
    publish_series(workspace.warehouse, hourly(), source="", format="", split="", settings={})
    run = training.train(workspace, "seasonal_naive", "power", settings=SMALL, device="cpu")
    shutil.rmtree(records.run_folder(workspace, run.run) / "model")
    assert opened(monkeypatch, workspace.root, PAGE).error


def test_the_board_ranks_errors_upwards(monkeypatch: pytest.MonkeyPatch, filled: Workspace) -> None:
    app = opened(monkeypatch, filled.root, BOARD)
    app.selectbox(key="dataset").set_value("power").run()
    table = app.dataframe[0].value
    assert table["mean"].tolist() == sorted(table["mean"])
    controls = table[table["kind"] == "control"]
    assert float(app.metric[1].value) == pytest.approx(controls["mean"].min(), abs=1e-4)
    assert "window by window" in str([h.value for h in app.subheader])
    control_leads = bool(table["kind"][0] == "control")
    assert ("A control leads" in plain(app)) is control_leads
    app.selectbox(key="metric").set_value("mae@6").run()
    assert not app.exception


def test_what_a_lasso_holds_are_rows_of_the_table() -> None:
    points = [{"customdata": 3}, {"customdata": 1}, {"x": 2.0}, {"customdata": 3}]
    assert chosen({"selection": {"points": points}}) == [1, 3]
    assert chosen({}) == []


def test_every_point_of_the_map_carries_its_place_whatever_its_colour() -> None:
    n = 40
    x = np.arange(n, dtype=float)
    many = pl.DataFrame({"x": x, "y": x, "kind": [f"k{i}" for i in range(n)]})
    for kinds in ([f"k{i % 11}" for i in range(n)], [None, "a"] * 20, list(np.linspace(0, 1, n))):
        table = many.with_columns(pl.Series("kind", kinds))
        figure = charts.places(table, "kind", [HOSTILE] * n, (0.5, 0.2), "kind")
        carried = np.concatenate([np.ravel(trace.customdata) for trace in figure.data])
        assert sorted(carried.tolist()) == list(range(n))
        assert all((np.ravel(trace.customdata) == trace.x).all() for trace in figure.data)
    assert "others" in [trace.name for trace in charts.places(many, "kind", [""] * n, (1, 0), "").data]
    assert len(charts.places(many, None, [""] * n, (1, 0), "").data) == 1


def test_an_interval_without_an_end_is_not_drawn() -> None:
    ones = np.ones((3, 1))
    for low in (0 * ones, -np.inf * ones):
        found = Forecast(EntityRows(np.arange(5.0), np.ones((5, 1))), np.arange(5.0, 8), ones, low, -low + 2, ones)
        names = [trace.name for trace in charts.forecast(found, 4, [(0, HOSTILE)]).data]
        assert ("interval" in names) == bool(np.isfinite(low).all())
        assert {"measured", "what came", "forecast"} <= set(names)


def test_the_chosen_windows_are_exported_with_dates() -> None:
    table = pl.DataFrame({"entity": ["=a"], "start": [1_767_225_600.0]})
    assert to_csv(with_dates(table)).decode().splitlines()[1] == '"\'=a",2026-01-01 00:00:00.000'
