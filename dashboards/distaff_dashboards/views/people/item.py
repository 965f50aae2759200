"""*Item*: what one item is, which factors it is in, what is like it, and who takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from distaff_dashboards.reads import items
from distaff_dashboards.reads.factors import factors_of
from distaff_dashboards.reads.source import Source, published_for
from distaff_dashboards.ui import address, charts, places, widgets, wording
from distaff_dashboards.ui.labels import factor_labels, with_names
from distaff_dashboards.ui.places import PagePlace
from distaff_dashboards.views.choices import choose_run, run_link
from distaff_data.errors import DistaffError

_BARS = 8
_HEIGHT = 320  # pixels of a table


@widgets.page(
    places.ITEM,
    "What is this item, what tastes is it part of, and who takes it? Shares and similarity are the run's own view, as "
    "good as the run is on the Board; who took it is what the data says.",
)
def item_page() -> None:
    """Draw the page."""
    chosen = choose_run(places.ITEM, "interactions")
    if chosen is None:
        return
    run, dataset = str(chosen["run"]), str(chosen["dataset"])
    source = published_for(run, dataset)
    titles = dict(items.offered(source, dataset).iter_rows())
    left, right = st.columns([1, 2.4], vertical_alignment="bottom")
    with left:
        item = address.choose("Item", list(titles), key="item", scope=dataset, labels=titles, open_ended=True,
                              help="The most taken ones. Type any other id, or search above by title.")  # fmt: skip
    if item is None:
        return
    facts = items.item_facts(source, dataset, item)
    if facts is None:
        st.warning(wording.escape(f"The dataset {dataset} has no item {item!r}. Search for it above, or check the id."))
        return
    with right, st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**{wording.escape(facts['title'])}**, taken by {facts['n_train']:,} people in training", width="content"
        )
        st.code(item, language=None, width="content")
    left, right = st.columns(2, gap="large")
    with left:
        _factors(source, chosen, item)
        _attributes(source, dataset, item)
    with right:
        _people(source, chosen, item)
    _similar(source, chosen, item)


def _factors(source: Source, chosen: Mapping[str, Any], item: str) -> None:
    run = str(chosen["run"])
    shares = items.item_shares(source, run, item)
    name = f"{run}-item-{item}"
    if shares.is_empty():
        st.subheader("Factors", anchor=False)
        if not chosen["factors"]:
            widgets.empty("This run's intents have not been computed. Of models that have some they can be:",
                          f"distaff factors {run}")  # fmt: skip
        else:
            st.info("The run did not see this item in training.")
        return
    table = with_names(shares, factor_labels(factors_of(source, run)))
    widgets.heading("Factors", table, f"{name}-factors",
                    help="The item's share of each factor; they sum to 1. Click a bar to open the factor.")  # fmt: skip
    top = table.head(_BARS)
    figure = charts.mix(top["name"].to_list(), top["share"].to_list(), [charts.ACCENT] * top.height)
    place = widgets.clicked(figure, key=f"{name}-shares", alt="The item's share of each factor")
    if place is not None:
        places.FACTOR.go(run_link(chosen) | {"factor": str(top["factor"][place])})


def _attributes(source: Source, dataset: str, item: str) -> None:
    table = items.attributes(source, dataset, item)
    if table.is_empty():
        st.subheader("What is known of it", anchor=False)
        widgets.empty("Nothing but its id and title. Add attributes:", f"distaff ingest items {dataset} FILE...")
        return
    widgets.heading("What is known of it", table, f"{dataset}-item-{item}", help="As the files say it.")
    widgets.table(
        table, {"name": "attribute", "value": "value"}, key="attributes", height=min(38 + 35 * table.height, _HEIGHT)
    )


def _people(source: Source, chosen: Mapping[str, Any], item: str) -> None:
    run, dataset = str(chosen["run"]), str(chosen["dataset"])

    def person(row: Mapping[str, Any]) -> tuple[PagePlace, dict[str, str]]:
        return places.PERSON, run_link(chosen) | {"user": str(row["user_id"])}

    taken, lists = items.takers(source, dataset, item), items.listed(source, run, item)
    widgets.heading("Who takes it", taken, f"{dataset}-item-{item}-users",
                    help="In training; those who take little else first. Click a row to open the person.")  # fmt: skip
    if taken.is_empty():
        st.info("Nobody took it in training.")
    else:
        columns = {
            "user_id": "user",
            "items": st.column_config.NumberColumn("items", help="What they took in training"),
        }
        widgets.links(taken, columns, person, key=f"takers-{item}", height=min(38 + 35 * taken.height, _HEIGHT))
    widgets.heading("Whose lists it is in", lists, f"{run}-item-{item}-lists",
                    help="Lists that this run has published. Click a row to open the person.")  # fmt: skip
    if lists.is_empty():
        st.caption("In no list that this run has published.")
        return
    columns = {"user_id": "user", "rank": st.column_config.NumberColumn("rank", help="Its place in their list")}
    widgets.links(lists, columns, person, key=f"lists-{item}", height=min(38 + 35 * lists.height, _HEIGHT))


def _similar(source: Source, chosen: Mapping[str, Any], item: str) -> None:
    run = str(chosen["run"])
    try:
        table = items.similar(source, run, str(chosen["dataset"]), item)
    except DistaffError as error:
        st.subheader("Similar items", anchor=False)
        st.info(wording.escape(str(error)))
        return
    widgets.heading("Similar items", table, f"{run}-item-{item}-similar",
                    help="By the angle between the model's vectors, or, where its scores are no inner products, between "
                    "the people who took them; 1 is the same. Click a row to open the item.")  # fmt: skip
    if table.is_empty():
        st.info("It has nobody in common with any other item.")
        return
    columns = {
        "item_id": "item",
        "title": "title",
        "score": st.column_config.NumberColumn(
            "similarity", help="Cosine: 1 is the same, 0 nothing in common", format="%.3f"
        ),
    }
    widgets.links(
        table.select(pl.col("title"), pl.col("score"), pl.col("item_id")),
        columns,
        lambda row: (places.ITEM, run_link(chosen) | {"item": str(row["item_id"])}),
        key=f"similar-{item}",
    )
