"""*Words*: factors as words and items, one person's words, why they see an item, and their list with sliders moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads import people
from distaff_dashboards.reads.factors import factor_words, factors_of, members
from distaff_dashboards.reads.source import Source, published_for
from distaff_dashboards.ui import address, charts, places, weighing, widgets, wording
from distaff_dashboards.ui.labels import factor_labels
from distaff_dashboards.views.choices import choose_run, run_link
from distaff_dashboards.views.factors.relevance import DEFAULT_WEIGHT, most_relevant
from distaff_data.errors import DistaffError

if TYPE_CHECKING:
    from distaff.recommenders.explain import Explained, Why

_SHOWN = 12
_LIST = 10
_SLIDERS = 8


@widgets.page(
    places.WORDS,
    "What is each factor about in words, what brought a recommendation, and what would the list be instead? Words "
    "describe; no test stands behind them, as one does behind a factor's name.",
)
def words_page() -> None:
    """Draw the page."""
    chosen = choose_run(places.WORDS, "interactions", "words")
    if chosen is None:
        return
    run, dataset = str(chosen["run"]), str(chosen["dataset"])
    source = published_for(run, dataset)
    names = factor_labels(factors_of(source, run).sort("factor"))
    _factors(source, run, dataset, names)
    st.divider()
    st.header("One person", anchor=False)
    left, right = st.columns([2, 3], gap="large")
    with left:
        users = people.users_of_factor(source, run, dataset, next(iter(names)))
        user = address.choose("User", users, key="user", scope=dataset, open_ended=True, help="Type any other id.")
    if user is None:
        return
    try:
        explained = people.explanation(source, run, user, _LIST)
    except DistaffError as error:
        st.warning(wording.escape(str(error)))
        return
    with left:
        _profile(explained)
        places.PERSON.link("Their mix, history and list", **run_link(chosen), user=user)
    with right:
        _reasons(explained, chosen)
    st.divider()
    _steering(source, run, dataset, user, names)


def _factors(source: Source, run: str, dataset: str, names: Mapping[int, str]) -> None:
    tabs = st.tabs([wording.escape(charts.text(name)) for name in names.values()])
    for tab, factor in zip(tabs, names, strict=True):
        with tab:
            left, right = st.columns(2, gap="large")
            words = factor_words(source, run, factor).head(_SHOWN)
            items = most_relevant(members(source, run, dataset, factor), DEFAULT_WEIGHT, _SHOWN)
            for place, title, table, label in (
                (left, "Words", words, "word"),
                (right, "Items", items, "title"),
            ):
                with place:
                    widgets.heading(
                        title,
                        table,
                        f"{run}-factor-{factor}-{title.lower()}",
                        help="Coloured: its share of this factor. Grey: its share of everything.",
                    )
                    key = f"{title.lower()}-{factor}"
                    alt = f"{title} of factor {names[factor]}"
                    widgets.chart(charts.top_items(table, label), key=key, alt=alt)


def _profile(explained: Explained) -> None:
    shares = [(factor.name, factor.share) for factor in explained.factors[:_SHOWN]]
    labels = [name for name, _ in shares]
    widgets.chart(
        charts.mix(labels, [share for _, share in shares], [charts.ACCENT] * len(shares)),
        key="factors-of-user",
        alt="The person's share of each factor",
    )
    table = pl.DataFrame(
        [(word.word, word.probability, word.lift) for word in explained.words],
        {"word": pl.String, "probability": pl.Float64, "lift": pl.Float64},
        orient="row",
    )
    widgets.heading(
        "Their words",
        table,
        f"words-{explained.user}",
        help="What the model expects to be written about their next item, by relevance.",
    )
    figure = charts.top_items(table, "word", whole="this person")
    widgets.chart(figure, key="words-of-user", alt="Words of the person")


def _reasons(explained: Explained, run: Mapping[str, Any]) -> None:
    by_id = {why.id: why for why in explained.items}
    if not by_id:
        st.info("Nothing is left to recommend to this person.")
        return
    if st.session_state.get("why") not in by_id:
        st.session_state.pop("why", None)
    chosen = st.selectbox(
        "Why this item?", list(by_id), key="why", format_func=lambda id: f"{by_id[id].rank}. {by_id[id].title}"
    )
    why = by_id[str(chosen)]
    st.markdown(wording.escape(sentence(why)))
    places.ITEM.link(f"About {why.title}", **run_link(run), item=why.id)
    for title, reasons, alt in (
        ("Through these words", [(word.word, word.effect) for word in why.words], "Words"),
        ("As they took", [(item.title, item.effect) for item in why.taken], "Items"),
    ):
        table = pl.DataFrame(reasons, {"what": pl.String, "effect": pl.Float64}, orient="row")
        widgets.heading(
            title, table, f"why-{why.id}-{alt.lower()}", help="What it adds to the logarithm of the item's score."
        )
        if table.is_empty():
            st.info("None lifts this item above the average one.")
        else:
            figure = charts.effects(table["what"].to_list(), table["effect"].to_list())
            widgets.chart(figure, key=f"why-{alt.lower()}", alt=f"{alt} that bring the item")


def sentence(why: Why) -> str:
    """Return which factor brought an item, and how much of it words and other people's choices did."""
    first = why.factors[0]
    text = f"Factor {first.factor} ({first.name}) brings {first.share:.0%} of the score"
    if why.content is None or why.collaborative is None:
        return text + "."
    return text + f"; words lift it by {why.content:.0%}, who took what by {why.collaborative:.0%}."


def _steering(source: Source, run: str, dataset: str, user: str, names: Mapping[int, str]) -> None:
    st.header(
        "What if", anchor=False, help=f"{weighing.HELP} A word's weight is added to what is written for the person."
    )
    left, right = st.columns([2, 3], gap="large")
    mix = people.user_mix(source, run, user).head(_SLIDERS)
    with left:
        weights = weighing.sliders(mix, names, people.words(source, run), key=f"{run}-{user}")
    with right:
        lists = people.steered(source, run, dataset, user, weights.factors, weights.words, _LIST)
        weighing.side_by_side(lists, user, f"steered-{user}")
