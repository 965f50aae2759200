"""Ingestion: files into the warehouse, one function and one object of options a kind of data.

The names below are loaded when first used: describing the options costs neither the engine nor Arrow.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "FORMATS",
    "AttributesOptions",
    "AttributesReport",
    "IncidentsOptions",
    "IncidentsReport",
    "IngestReport",
    "InteractionsOptions",
    "SeriesOptions",
    "SeriesReport",
    "ingest_attributes",
    "ingest_incidents",
    "ingest_interactions",
    "ingest_series",
]

if TYPE_CHECKING:  # what type checkers and editors see
    from distaff_data.ingest.attributes import ingest_attributes
    from distaff_data.ingest.incidents import ingest_incidents
    from distaff_data.ingest.interactions import ingest_interactions
    from distaff_data.ingest.layout import FORMATS
    from distaff_data.ingest.options import AttributesOptions, IncidentsOptions, InteractionsOptions, SeriesOptions
    from distaff_data.ingest.series import ingest_series
    from distaff_data.tables.reports import AttributesReport, IncidentsReport, IngestReport, SeriesReport
else:  # what runs
    _MODULES = {
        "FORMATS": "ingest.layout",
        **{f"ingest_{kind}": f"ingest.{kind}" for kind in ("attributes", "incidents", "interactions", "series")},
    }

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = "ingest.options" if name.endswith("Options") else _MODULES.get(name, "tables.reports")
        return getattr(import_module(f"distaff_data.{home}"), name)

    def __dir__():
        return sorted({*globals(), *__all__})
