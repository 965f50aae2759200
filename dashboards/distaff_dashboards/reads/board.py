"""The board of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from distaff_dashboards.reads.source import Source

if TYPE_CHECKING:
    from distaff.board.board import Board


@st.cache_data(max_entries=16, show_spinner="Comparing runs ...")
def board_of(source: Source, dataset: str) -> Board:
    """Return the board of a dataset.

    Raises:
        InputError: The dataset has nothing to measure.
    """
    from distaff.board.board import board

    return board(source.workspace, dataset)
