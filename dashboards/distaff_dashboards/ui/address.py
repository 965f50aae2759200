"""What a person has chosen: kept from page to page, written into the address, and never replaced behind their back.

A choice is remembered within a scope: a run within its dataset, a factor within its run, so that coming back to the dataset
brings back the run. The address always holds what the page shows, what was chosen by default too; an address that names what
there is not shows nothing but that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from distaff_dashboards.ui import wording


def choose(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    scope: str = "",
    labels: Mapping[str, str] | None = None,
    help: str | None = None,
    default: str | None = None,
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
        open_ended: Also take a value that is typed, or that the address names.
    """
    state, shown = st.session_state, labels or {}
    wanted = _wanted(key, scope)
    if wanted is None:
        wanted = options[0] if default is None else default
    is_known = open_ended or wanted in options
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
    keep(key, str(chosen), scope)
    return str(chosen)


def keep(key: str, value: str, scope: str = "") -> None:
    """Remember a choice and write it into the address."""
    st.session_state[_memory(key, scope)] = value
    st.session_state[_written(key)] = value
    if st.query_params.get(key) != value:
        st.query_params[key] = value


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


def _memory(key: str, scope: str) -> str:
    return f"kept/{key}/{scope}"


def _written(key: str) -> str:
    return f"written/{key}"


def _owner(key: str) -> str:
    return f"owner/{key}"
