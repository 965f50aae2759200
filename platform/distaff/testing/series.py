"""What every model of series must do."""

from __future__ import annotations


class SeriesSuite:
    """The contract of :class:`distaff.series.model.SeriesModel`."""
