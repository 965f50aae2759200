"""What a person has chosen: kept from page to page, written into the address, and never replaced behind their back.

A choice is remembered within a scope: a run within its dataset, a factor within its run, so that coming back to the dataset
brings back the run. The address always holds what the page shows, what was chosen by default too; an address that names what
there is not shows nothing but that.

What a person chooses is a step that the browser's Back button takes back. What the page chose by itself is none: it is
filled into the address in place, since Back would otherwise lead to the same page, which would fill it in again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from distaff_dashboards.ui import wording

_SHOWN = "shown"  # what the page that is being drawn shows, by key; None outside of the drawing of a page
_STEP = "step"  # whether a person chose some of it
_FILL_IN = """
export default function ({ data }) {
  const here = new URL(window.location.href);
  const path = here.pathname.split("/").pop();
  if (path !== data.path && !(data.first && path === "")) return;  // the person has gone on
  const missing = Object.entries(data.shown).filter(([key]) => !here.searchParams.has(key));
  if (missing.length === 0) return;
  missing.forEach(([key, value]) => here.searchParams.set(key, value));
  window.history.replaceState(window.history.state, "", here);
}
"""


def begin() -> None:
    """Begin a page, which shows nothing yet."""
    st.session_state[_SHOWN], st.session_state[_STEP] = {}, False


def finish(path: str, *, first: bool = False) -> None:
    """Write what the page shows into the address.

    Args:
        path: Of the page.
        first: Whether the page is at no path.
    """
    shown, named = st.session_state[_SHOWN], st.query_params.to_dict()
    st.session_state[_SHOWN] = None
    if shown.items() <= named.items():
        return
    if st.session_state[_STEP]:
        st.query_params.update(shown)
        return
    fill_in = st.components.v2.component("distaff_address", js=_FILL_IN)  # known by now, after the first time
    fill_in(data={"path": path, "first": first, "shown": shown}, key="address", height=1)


def choose(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    scope: str = "",
    labels: Mapping[str, str] | None = None,
    help: str | None = None,
    default: str | None = None,
    implied: str | None = None,
    open_ended: bool = False,
) -> str | None:
    """Return the choice in a select box; None, having said so, where the address names what there is not.

    Args:
        label: What is chosen.
        options: At least one.
        key: Name in the address.
        scope: What it is chosen within: of another one, another choice is remembered.
        labels: How options are shown, as plain text; as they are when they have none.
        help: Tooltip.
        default: What is chosen at the start; the first when None.
        implied: What a link means that does not name it; None where it means nothing.
        open_ended: Also take a value that is typed, or that the address names.
    """
    state, shown = st.session_state, labels or {}
    wanted = implied if implied is not None else _wanted(key, scope)
    if wanted is None:
        wanted = options[0] if default is None else default
    is_known = open_ended or wanted in options
    by_person = _clicked(key, scope)
    state[key] = wanted if is_known else None
    chosen = st.selectbox(
        label,
        options,
        index=0 if is_known else None,
        key=key,
        format_func=lambda option: shown.get(option, option),
        help=help,
        placeholder="Choose",
        accept_new_options=open_ended,
    )
    state[_owner(key)] = scope
    if chosen is None:
        state[_memory(key, scope)] = state[_written(key)] = wanted  # until something else is chosen, it stays so
        st.error(wording.escape(f"The address names a {label.lower()} that is not here: {wanted}. Choose one."))
        return None
    keep(key, str(chosen), scope, step=by_person)
    return str(chosen)


def keep(key: str, value: str, scope: str = "", *, step: bool = False) -> None:
    """Remember a choice, which the address is to hold; a step is one that Back takes back."""
    state = st.session_state
    state[_memory(key, scope)] = state[_written(key)] = value
    shown = state.get(_SHOWN)
    if shown is not None:
        shown[key] = value
        state[_STEP] |= step
    elif step:  # in a part of the page that is drawn again by itself
        st.query_params[key] = value


def shown() -> dict[str, str]:
    """Return what the page that is being drawn shows so far, as a link to it names it."""
    return dict(st.session_state.get(_SHOWN) or st.query_params.to_dict())


def kept(key: str, scope: str = "") -> str | None:
    """Return what was chosen within a scope; None before anything was."""
    value = st.session_state.get(_memory(key, scope))
    return None if value is None else str(value)


def linked(key: str) -> str | None:
    """Return what a link that has just been followed names; None where the address is as the app itself wrote it."""
    value = st.query_params.get(key)
    return None if value is None or value == st.session_state.get(_written(key)) else str(value)


def _wanted(key: str, scope: str) -> str | None:
    """Return what to show: what a link names, else what was just chosen in the box, else what is remembered."""
    if (link := linked(key)) is not None:
        return link
    if st.session_state.get(_owner(key)) == scope and st.session_state.get(key) is not None:
        return str(st.session_state[key])
    return kept(key, scope)


def _clicked(key: str, scope: str) -> bool:
    """Tell whether a person has just chosen something else in the box."""
    if linked(key) is not None or st.session_state.get(_owner(key)) != scope:
        return False
    value = st.session_state.get(key)
    return value is not None and str(value) != kept(key, scope)


def _memory(key: str, scope: str) -> str:
    return f"kept/{key}/{scope}"


def _written(key: str) -> str:
    return f"written/{key}"


def _owner(key: str) -> str:
    return f"owner/{key}"
