"""*Glossary*: what every number and word on the pages means."""

from __future__ import annotations

import polars as pl
import streamlit as st

from distaff_dashboards.ui import definitions, places, widgets, wording

_WORDS = (
    ("dataset", "Named, ingested data of one kind: interactions of people with items, series, or incidents"),
    ("run", "One fit of a model on a dataset with one seed"),
    ("seed", "What decides every random draw of a run; what other seeds do not find again was chance"),
    ("control", "A cheap model that others are shown beside: what it reaches too is no merit of theirs"),
    ("alias", "A name such as champion that points at a run and can be moved back"),
    (
        "train, validation, test",
        "Parts of the data: fitting sees the first, every choice the second, the board the third",
    ),
    (
        "factor, intent",
        "A direction of taste or behaviour that a model found, and how much of it is in each person and item",
    ),
    ("latent", "The same of a model of series: one number of each window"),
    ("effect", "What happens to people's lists, or to windows, when a factor is moved"),
    ("noise floor", "What a metric is worth when a model knows nothing"),
    ("interval", "Where 95 % of repetitions of the whole measurement would be expected"),
    ("incident, onset, KPI", "A failure in metrics, when it began, and the metric that shows it"),
    ("drift", "How far what came since a run's fit is from the data it was fitted to"),
)


@widgets.page(
    places.GLOSSARY,
    "What does each word and number on these pages mean? These are the same sentences as in the tips beside the "
    "numbers.",
)
def glossary_page() -> None:
    """Draw the page."""
    metrics = [(name, meaning.format(k="k")) for name, meaning in wording.METRICS.items()]
    for title, entries in (
        ("Words", _WORDS),
        ("Metrics of the board", metrics),
        ("Evidence about factors", _headed(definitions.EVIDENCE.items())),
        ("Evidence about latents of series", _headed(definitions.LATENTS.items() - definitions.EVIDENCE.items())),
        ("Evidence about causes", _headed(definitions.CAUSES.items())),
    ):
        table = pl.DataFrame(entries, {"word": pl.String, "meaning": pl.String}, orient="row")
        st.subheader(title, anchor=False)
        st.table(table.with_columns(pl.all().map_elements(wording.escape, pl.String)), hide_index=True)


def _headed(entries: object) -> list[tuple[str, str]]:
    """Return meanings under the headings that columns have on the pages."""
    return [(definitions.heading_of(name), meaning) for name, meaning in sorted(entries)]  # type: ignore[call-overload]
