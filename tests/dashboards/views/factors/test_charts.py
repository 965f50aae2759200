"""Figures of the evidence behind factors."""

import polars as pl

from distaff_dashboards.views.factors import charts


def test_attribute_lift_tells_the_certain_from_chance() -> None:
    table = pl.DataFrame(
        {"label": ["genre: a", "genre: b"], "lift": [2.0, 1.1], "share": [0.4, 0.2], "sure": [True, False]}
    )
    figure = charts.attribute_lift(table)
    assert [bar.y for bar in figure.data] == [(0,), (1,)]
    assert figure.data[0].x == (1.0,)  # drawn from a lift of 1


def test_the_heatmap_is_empty_where_chance_explains_a_value() -> None:
    lifts = pl.DataFrame({"factor": [0, 1], "value": ["genre: a", "genre: b"], "lift": [4.0, 2.0]})
    heatmap = charts.heatmap(lifts, {0: "0: x", 1: "1: y"}).data[0]
    assert [list(row) for row in heatmap.z] == [[2.0, None], [None, 1.0]]


def test_ratios_keep_to_a_log_axis_where_a_list_shows_nothing() -> None:
    spots = pl.DataFrame(
        {"name": ["a", "b"], "data_share": [0.5, 0.5], "list_share": [0.0, 1.0], "ratio": [0.0, 2.0], "low": [0.0, 1.5],
         "high": [0.1, 2.5], "finding": ["suppressed", None]}
    )  # fmt: skip
    suppressed, exaggerated, unsure = charts.ratios(spots).data
    assert suppressed.x[0] > 0
    assert suppressed.error_x.arrayminus == (0,)
    assert exaggerated.x == ()
    assert unsure.y == (1,)
