from datetime import UTC, datetime
from typing import Any

import polars as pl

from distaff_dashboards.ui.labels import factor_labels, run_label, run_labels, with_names


def test_a_control_is_called_one() -> None:
    assert run_label({"model": "nmf", "control": True, "dataset": "shop"}) == "nmf, a control, on shop"
    assert run_label({"model": "dccf", "control": False, "dataset": "shop"}) == "dccf on shop"


def test_factors_are_called_by_number_and_name_in_the_order_of_the_table() -> None:
    factors = pl.DataFrame({"factor": [2, 0, 1], "name": ["noir", None, "unnamed"]})
    assert list(factor_labels(factors).items()) == [(2, "2: noir"), (0, "0 (unnamed)"), (1, "1 (unnamed)")]


def test_a_factor_without_label_is_called_by_its_number() -> None:
    table = pl.DataFrame({"other": [1, 5]})
    assert with_names(table, {1: "1: noir"}, "other")["name"].to_list() == ["1: noir", "5"]
    assert with_names(table, {}, "other")["name"].to_list() == ["1", "5"]


def test_runs_are_called_by_what_tells_them_apart() -> None:
    day = datetime(2026, 11, 30, tzinfo=UTC)
    common: dict[str, Any] = {
        "title": None,
        "tags": [],
        "archived": False,
        "control": False,
        "seed": 0,
        "settings": "{}",
        "started_at": day,
        "aliases": None,
        "metric": None,
        "value": None,
    }
    schema: dict[str, Any] = {"aliases": pl.List(pl.String), "metric": pl.String, "value": pl.Float64}
    rows = [
        {
            "run": "dccf-shop-aa",
            "model": "dccf",
            **common,
            "settings": '{"lr": 0.1, "n_intents": 3}',
            "aliases": ["champion"],
        },
        {"run": "dccf-shop-bb", "model": "dccf", **common, "settings": '{"lr": 0.2, "n_intents": 3}', "seed": 1},
        {"run": "nmf-shop-cc", "model": "nmf", **common, "control": True, "metric": "recall@20", "value": 0.25},
    ]
    assert list(run_labels(pl.DataFrame(rows, schema_overrides=schema)).values()) == [
        "champion · dccf, lr=0.1, seed 0 · 2026-11-30 · aa",
        "dccf, lr=0.2, seed 1 · 2026-11-30 · bb",
        "nmf (control) · recall@20 0.2500 on validation · 2026-11-30 · cc",
    ]
