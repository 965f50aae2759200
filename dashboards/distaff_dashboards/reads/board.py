"""The board of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distaff_dashboards.reads.source import Source
from distaff_dashboards.statements import cached

if TYPE_CHECKING:
    from distaff.board.board import Board


@cached(max_entries=16, show_spinner="Comparing runs ...")
def board_of(source: Source, dataset: str) -> Board:
    """Return the board of a dataset.

    Raises:
        InputError: The dataset has nothing to measure.
    """
    from distaff.board.board import board

    return board(source.workspace, dataset)
