"""The search box above every page: items, people, factors and metrics by name or id."""

from __future__ import annotations

import polars as pl
import streamlit as st

from distaff_dashboards.reads.source import Source, whole_workspace
from distaff_dashboards.statements import cached
from distaff_dashboards.ui import address, places
from distaff_dashboards.ui.labels import factor_label
from distaff_data.errors import DistaffError

_SHOWN = 6  # finds of each kind
_WHERE = ("dataset", "run", "item", "user", "factor", "case", "cause")  # what tells two views of one page apart

_ITEMS = """
SELECT i.dataset, i.item_id AS id, coalesce(t.value, i.item_id) AS title FROM items i
LEFT JOIN attributes t ON t.dataset = i.dataset AND t.entity = 'item' AND t.name = 'title' AND t.id = i.item_id
WHERE contains(lower(i.item_id), ?) OR contains(lower(t.value), ?)
ORDER BY i.dataset <> ?, lower(i.item_id) <> ?, i.n_train DESC, i.item_id LIMIT ?
"""
_USERS = """
SELECT dataset, user_id AS id FROM users WHERE contains(lower(user_id), ?)
ORDER BY dataset <> ?, lower(user_id) <> ?, length(user_id), user_id LIMIT ?
"""
_FACTORS = """
SELECT r.dataset, r.run, f.factor, coalesce(n.name, f.name) AS name FROM factors f JOIN runs r ON r.run = f.run
JOIN datasets d ON d.dataset = r.dataset AND d.kind = 'interactions'
LEFT JOIN factor_notes n ON n.run = f.run AND n.factor = f.factor
WHERE contains(lower(coalesce(n.name, f.name)), ?) OR contains(lower(f.words), ?)
ORDER BY r.dataset <> ?, r.run <> ?, f.effect DESC NULLS LAST, r.run, f.factor LIMIT ?
"""
_METRICS = """
SELECT dataset, min("case") AS "case", metric, count(*) AS n FROM measurements WHERE contains(lower(metric), ?)
GROUP BY dataset, metric ORDER BY n DESC, dataset, metric LIMIT ?
"""


def search(path: str) -> None:
    """Draw the box, and links to what was found; it is empty again on another page."""
    here = (path, *(st.query_params.get(name) for name in _WHERE))
    if st.session_state.get("searched-on", here) != here:
        st.session_state["search"] = ""
    _, right = st.columns([3, 2])
    with right:
        text = st.text_input(
            "Search", key="search", label_visibility="collapsed", icon=":material/search:", max_chars=80,
            placeholder="Search items, people, factors, metrics", on_change=_remember, args=(path,),
        )  # fmt: skip
    sought = text.strip().lower()
    if not sought:
        return
    try:
        n = _found(whole_workspace(), sought)
    except DistaffError:  # no workspace: the page says so
        return
    if not n:
        st.caption("Nothing of that name or id.")


def _remember(path: str) -> None:
    st.session_state["searched-on"] = (path, *(st.query_params.get(name) for name in _WHERE))


def _found(source: Source, sought: str) -> int:
    """Draw links to what has a text in its name or id; return how many."""
    dataset = address.kept("dataset", "interactions") or ""
    run = address.kept("run", dataset) or ""
    items = _read(source, _ITEMS, (sought, sought, dataset, sought, _SHOWN))
    users = _read(source, _USERS, (sought, dataset, sought, _SHOWN))
    factors = _read(source, _FACTORS, (sought, sought, dataset, run, _SHOWN))
    metrics = _read(source, _METRICS, (sought, _SHOWN))
    tables = {"Items": items, "People": users, "Factors": factors, "Metrics": metrics}
    filled = {title: table for title, table in tables.items() if not table.is_empty()}
    if not filled:
        return 0
    with st.container(border=True):
        for column, (title, table) in zip(st.columns(len(filled)), filled.items(), strict=True):
            with column:
                st.caption(title)
                for row in table.iter_rows(named=True):
                    _lead(title, row)
    return sum(table.height for table in filled.values())


def _lead(title: str, row: dict[str, str]) -> None:
    dataset = row["dataset"]
    if title == "Items":
        places.ITEM.link(f"{row['title']} ({dataset})", dataset=dataset, item=row["id"])
    elif title == "People":
        places.PERSON.link(f"{row['id']} ({dataset})", dataset=dataset, user=row["id"])
    elif title == "Factors":
        label = f"{factor_label(int(row['factor']), row['name'])} ({row['run']})"
        places.FACTOR.link(label, dataset=dataset, run=row["run"], factor=str(row["factor"]))
    else:
        places.INCIDENT.link(f"{row['metric']} ({dataset})", dataset=dataset, case=row["case"], cause=row["metric"])


@cached(max_entries=128, show_spinner=False)
def _read(source: Source, sql: str, parameters: tuple[str | int, ...]) -> pl.DataFrame:
    return source.frame(sql, parameters)
