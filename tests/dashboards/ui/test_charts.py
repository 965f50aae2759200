from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from distaff.board.board import BoardRow
from distaff.stats.intervals import Interval
from distaff_dashboards.ui import charts
from distaff_dashboards.ui.breakdown import break_down

ROWS = [
    BoardRow("ease", True, {}, ["a"], {"recall@20": Interval(0.3)}),
    BoardRow("dccf", False, {}, ["b", "c"], {"recall@20": Interval(0.25, 0.01, 0.2, 0.3)}),
    BoardRow("popularity", True, {}, ["d"], {}),
]


def test_models_and_controls_are_apart_and_differ_in_colour() -> None:
    figure = charts.comparison(ROWS, "recall@20", 0.01)
    models, controls = figure.data
    assert (models.name, controls.name) == ("models", "controls")
    assert (models.marker.color, controls.marker.color) == (charts.ACCENT, charts.CONTROL)
    assert min(models.y) > max(controls.y) + 1
    assert len(controls.x) == 1  # popularity has no such metric


def test_one_seed_is_hollow_and_has_no_error_bar() -> None:
    models, controls = charts.comparison(ROWS, "recall@20", None).data
    assert controls.marker.symbol == ("circle-open",)
    assert controls.error_x.array == (0,)
    assert models.error_x.array[0] > 0
    assert controls.customdata == ("0.3000 (one seed)",)


def test_the_noise_floor_is_a_line() -> None:
    assert charts.comparison(ROWS, "recall@20", 0.01).layout.shapes[0].x0 == 0.01
    assert not charts.comparison(ROWS, "recall@20", None).layout.shapes


def test_text_from_outside_is_never_markup() -> None:
    assert charts.text("<b>&") == "&lt;b&gt;&amp;"
    assert charts.text("x" * 100).endswith("…")


def test_two_items_of_one_title_stay_two_bars() -> None:
    table = pl.DataFrame({"title": ["same", "same"], "probability": [0.2, 0.1], "lift": [2.0, 1.0]})
    figure = charts.top_items(table, "title")
    assert figure.data[0].y == (0, 1)
    assert figure.data[1].x == (0.1, 0.1)
    assert figure.layout.yaxis.ticktext == ("same", "same")


def test_contributions_show_only_what_adds_something() -> None:
    found = break_down(np.array([[1.0, 0.0], [2.0, -1.0]]), np.array([1.0, 1.0]), columns=7)
    figure = charts.contributions(["a", "b"], found, {0: "0: x", 1: "1: y"}, {0: "#000", 1: "#111"})
    assert [bar.name for bar in figure.data] == ["0: x", "1: y"]
    assert figure.layout.barmode == "relative"


def test_a_mix_keeps_its_order() -> None:
    assert charts.mix(["a", "b"], [0.6, 0.4], ["#000", "#111"]).data[0].x == (0.6, 0.4)


@pytest.mark.parametrize("theme", ["light", "dark", None])
def test_a_figure_has_the_colours_of_the_theme(monkeypatch: pytest.MonkeyPatch, theme: str | None) -> None:
    monkeypatch.setattr(charts, "st", SimpleNamespace(context=SimpleNamespace(theme=SimpleNamespace(type=theme))))
    figure = charts.mix(["#1c2733"], [0.4], [charts.ACCENT])
    drawn = charts.themed(figure)
    if theme != "dark":
        assert drawn is figure
        return
    assert drawn.layout.font.color != charts.INK
    assert drawn.data[0].marker.color[0] != charts.ACCENT
    assert list(drawn.data[0].x) == [0.4]
