import polars as pl

from distaff_dashboards.ui.labels import factor_labels, run_label, with_names


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
