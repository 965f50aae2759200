import re
from dataclasses import replace

import pytest

from distaff.board.board import BoardRow
from distaff.stats.crossed import Comparison
from distaff.stats.intervals import Interval
from distaff_dashboards.ui import wording

BELOW = Comparison("recall@20", "ease", -0.021, -0.024, -0.018, 1e-9, 500)


def row(model: str, **settings: object) -> BoardRow:
    return BoardRow(model, False, settings, ["r"], {})


def test_a_clear_difference_is_said_with_its_side() -> None:
    assert wording.compare("dccf", BELOW) == (
        "dccf is 0.0210 below ease on recall@20, 95 % interval -0.0240 to -0.0180, p < 0.001, paired over 500 units."
    )


def test_a_difference_that_could_be_chance_takes_no_side() -> None:
    said = wording.compare("dccf", replace(BELOW, p_value=0.4, difference=0.001, low=-0.002, high=0.004))
    assert said.startswith("dccf cannot be told from ease on recall@20: difference +0.0010")
    assert "p = 0.400" in said


def test_a_difference_of_unknown_error_is_no_difference_and_says_why() -> None:
    said = wording.compare("dccf", replace(BELOW, low=None, high=None, p_value=None, seed_variance="unknown"))
    assert said.startswith("dccf cannot be told from ease on recall@20: difference -0.0210")
    assert "unknown" in said


def test_the_number_of_rows_and_a_borrowed_variance_are_said() -> None:
    said = wording.compare("dccf", replace(BELOW, p_value=0.03, p_holm=0.09, seed_variance="borrowed"))
    assert said.startswith("dccf cannot be told from ease")
    assert "p = 0.030 (p = 0.090 after Holm)" in said
    assert "borrowed" in said


def test_one_seed_says_so_instead_of_an_interval() -> None:
    assert wording.interval(Interval(0.25)) == "0.2500 (one seed)"
    assert wording.interval(Interval(0.25, 0.1, 0.2, 0.3)) == "0.2500 [0.2000, 0.3000]"


def test_rows_of_one_model_are_told_apart_by_their_settings() -> None:
    rows = [row("ease"), row("dccf", n_layers=3), row("dccf", init="xavier")]
    assert wording.row_labels(rows) == ["ease", "dccf (n_layers=3)", "dccf (init=xavier)"]


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/x.png",
        "HTTPS://evil.example",
        "www.evil.example",
        "a@evil.example",
        "mailto:a@b.c",
        "<a href='http://x'>",
    ],
)
def test_bare_address_in_a_title_is_no_link(address: str) -> None:
    """What GitHub's Markdown makes a link of is found after the escapes were undone."""
    shown = re.sub(r"\\(.)", r"\1", wording.escape(f"3: see {address}."))
    assert re.search(r"(?i)https?://|www\.|[\w.+-]@\w|mailto:\w", shown) is None
    assert shown.replace("\N{WORD JOINER}", "") == f"3: see {address}."


def test_escaped_text_has_no_markdown_left() -> None:
    assert wording.escape("[a](b) :red[c] $x$ `d`") == r"\[a\]\(b\) \:red\[c\] \$x\$ \`d\`"


def test_metrics_are_defined_with_their_list_length() -> None:
    assert wording.define("recall@20") == "recall@20: share of a user's held-out items that are among the first 20"
    assert "popularity" in wording.define("mean_popularity@5")
    assert wording.define("own_metric@5") == "own_metric@5"


def test_metrics_that_describe_lists_are_no_scores() -> None:
    assert wording.is_score("hit_rate@5")
    assert not wording.is_score("mean_popularity@5")


def test_a_metric_at_a_length_is_no_address() -> None:
    assert wording.escape("recall@20 0.3, ndcg@5.") == r"recall@20 0\.3, ndcg@5\."
    assert "\N{WORD JOINER}" in wording.escape("ann@example.org")


def test_values_of_settings_stand_as_people_type_them() -> None:
    given = {"a": "x y", "b": None, "c": ["ease:penalty=2", "als"], "d": True, "e": 0.5}
    assert wording.settings(given) == "a=x y, b=none, c=ease:penalty=2,als, d=true, e=0.5"
