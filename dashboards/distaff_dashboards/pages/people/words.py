"""*Words*: factors as words and items, one person's words, why they see an item, and their list with sliders moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import streamlit as st

from distaff_dashboards.pages.factors import factor as factor_view
from distaff_dashboards.pages.factors import parts as factor_parts
from distaff_dashboards.reads import source as data
from distaff_dashboards.ui import breakdown as evidence
from distaff_dashboards.ui import charts, widgets, wording
from distaff_data.errors import DistaffError

if TYPE_CHECKING:
    from distaff.recommenders.explain import Explained, Why

_SHOWN = 12
_LIST = 10
_SLIDERS = 8


@widgets.page("Words", "What each factor is about, what brought a recommendation, and what the list would be instead.")
def show() -> None:
    """The page."""
    runs = {str(row["run"]): row for row in data.runs_with_words(data.everything())}
    if not runs:
        widgets.empty(
            "No run has factors with words yet. Load what is written about the items, train, then compute the factors:",
            "distaff ingest items DATASET FILE...",
            "distaff train dgvae DATASET",
            "distaff factors RUN",
        )
        return
    left, _ = st.columns([2.2, 3])
    with left:
        run = widgets.choose("Run", list(runs), key="run", help="Newest first.")
    dataset = str(runs[run]["dataset"])
    source = data.part(run, dataset)
    names = factor_parts.labels(data.factors(source, run).sort_by("factor"))
    _factors(source, run, dataset, names)
    st.divider()
    st.header("One person", anchor=False)
    left, right = st.columns([2, 3], gap="large")
    with left:
        users = data.users_of_factor(source, run, dataset, next(iter(names)))
        user = widgets.choose("User", users, key="user", open_ended=True, help="Type any other id.")
    try:
        found = data.reasons(source, run, dataset, user, _LIST)
    except DistaffError as error:
        st.warning(wording.escape(str(error)))
        return
    with left:
        _profile(found)
    with right:
        _why(found)
    st.divider()
    _steering(source, run, dataset, user, names, found)


def _factors(source: data.Source, run: str, dataset: str, names: dict[int, str]) -> None:
    tabs = st.tabs([wording.escape(charts.text(name)) for name in names.values()])
    for tab, factor in zip(tabs, names, strict=True):
        with tab:
            left, right = st.columns(2, gap="large")
            words = data.factor_words(source, run, factor).slice(0, _SHOWN)
            members = data.members(source, run, dataset, factor)
            items = factor_view.most_relevant(members, evidence.RELEVANCE).slice(0, _SHOWN)
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
                    columns = (table[c].to_pylist() for c in (label, "probability", "lift"))
                    key = f"{title.lower()}-{factor}"
                    widgets.chart(
                        charts.top_items(*columns, of="this factor"), key=key, alt=f"{title} of factor {names[factor]}"
                    )


def _profile(found: Explained) -> None:
    shares = [(f.name, f.share) for f in found.factors[:_SHOWN]]
    labels = [name for name, _ in shares]
    widgets.chart(
        charts.mix(labels, [share for _, share in shares], [charts.ACCENT] * len(shares)),
        key="factors-of-user",
        alt="The person's share of each factor",
    )
    table = pa.table({c: [getattr(w, c) for w in found.words] for c in ("word", "probability", "lift")})
    widgets.heading(
        "Their words",
        table,
        f"words-{found.user}",
        help="What the model expects to be written about their next item, by relevance.",
    )
    columns = (table[c].to_pylist() for c in ("word", "probability", "lift"))
    widgets.chart(charts.top_items(*columns, of="this person"), key="words-of-user", alt="Words of the person")


def _why(found: Explained) -> None:
    by_id = {why.id: why for why in found.items}
    if not by_id:
        st.info("Nothing is left to recommend to this person.")
        return
    if st.session_state.get("why") not in by_id:
        st.session_state.pop("why", None)
    chosen = st.selectbox(
        "Why this item?", list(by_id), key="why", format_func=lambda id: f"{by_id[id].rank}. {by_id[id].title}"
    )
    why = by_id[str(chosen)]
    st.markdown(wording.escape(said(why)))
    for title, labels, effects, alt in (
        ("Through these words", [w.word for w in why.words], [w.effect for w in why.words], "Words"),
        ("As they took", [t.title for t in why.taken], [t.effect for t in why.taken], "Items"),
    ):
        table = pa.table({"what": labels, "effect": pa.array(effects, pa.float64())})
        widgets.heading(
            title, table, f"why-{why.id}-{alt.lower()}", help="What it adds to the logarithm of the item's score."
        )
        if labels:
            widgets.chart(charts.effects(labels, effects), key=f"why-{alt.lower()}", alt=f"{alt} that bring the item")
        else:
            st.info("None lifts this item above the average one.")


def said(why: Why) -> str:
    """One sentence: which factor brought an item, and how much of it words and other people's choices did."""
    first = why.factors[0]
    out = f"Factor {first.factor} ({first.name}) brings {first.share:.0%} of the score"
    if why.content is None or why.collaborative is None:
        return out + "."
    return out + f"; words lift it by {why.content:.0%}, who took what by {why.collaborative:.0%}."


def _steering(source: data.Source, run: str, dataset: str, user: str, names: dict[int, str], found: Explained) -> None:
    st.header("What if", anchor=False, help="Move a factor or a word; the list at the right follows.")
    left, right = st.columns([2, 3], gap="large")
    shown = [f.factor for f in found.factors[:_SLIDERS]]
    with left:
        factors = {
            k: st.slider(wording.escape(names.get(k, str(k))), -2.0, 2.0, 0.0, 0.25, key=f"steer-{run}-{user}-{k}")
            for k in shown
        }
        word = st.selectbox(
            "Word", data.words(source, run), index=None, key=f"steer-word-{run}", placeholder="Any word of the model"
        )
        by = st.slider("More or less of the word", -2.0, 2.0, 1.0, 0.25, key=f"steer-by-{run}", disabled=word is None)
    moved = {k: value for k, value in factors.items() if value}
    before, after = data.steered(source, run, dataset, user, moved, {word: by} if word and by else {}, _LIST)
    with right:
        table = _side_by_side(before, after)
        widgets.heading("Their list", table, f"steered-{user}")
        widgets.table(
            table,
            {
                "rank": st.column_config.NumberColumn("rank", help="Place in the list"),
                "as it is": st.column_config.TextColumn("as it is", help="The model's list"),
                "steered": st.column_config.TextColumn("steered", help="The list with the sliders moved"),
                "was": st.column_config.TextColumn("was", help="Its rank in the list as it is"),
            },
            key="steered",
        )


def _side_by_side(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> pa.Table:
    n = max(len(before), len(after))

    def padded(values: list[str]) -> list[str | None]:
        return [*values, *[None] * (n - len(values))]

    return pa.table(
        {
            "rank": list(range(1, n + 1)),
            "as it is": padded([item["title"] for item in before]),
            "steered": padded([item["title"] for item in after]),
            "was": padded(["new" if item["before"] is None else str(item["before"]) for item in after]),
        }
    )
