"""Distaff: learns disentangled factors from behaviour and telemetry, and shows each beside its control.

The names below are loaded when first used, so that ``import distaff`` costs nothing.
"""

from typing import TYPE_CHECKING

from distaff._version import __version__

__all__ = [
    "DCCF",
    "EASE",
    "Interactions",
    "LightGCN",
    "Recommender",
    "Series",
    "SeriesModel",
    "TimeDRL",
    "Workspace",
    "__version__",
]

if TYPE_CHECKING:  # what type checkers and editors see
    from distaff.recommenders.base import Recommender
    from distaff.series.model import SeriesModel
    from distaff_data.datasets.interactions import Interactions
    from distaff_data.datasets.series import Series
    from distaff_data.workspace import Workspace

    DCCF: type[Recommender]
    EASE: type[Recommender]
    LightGCN: type[Recommender]
    TimeDRL: type[SeriesModel]
else:  # what runs
    _MODELS = {"DCCF": "dccf", "EASE": "ease", "LightGCN": "lightgcn", "TimeDRL": "timedrl"}
    _NAMES = {
        "Interactions": "distaff_data.datasets.interactions",
        "Recommender": "distaff.recommenders.base",
        "Series": "distaff_data.datasets.series",
        "SeriesModel": "distaff.series.model",
        "Workspace": "distaff_data.workspace",
    }

    def __getattr__(name):
        if name in _MODELS:
            from distaff.model.registry import model_class

            value = model_class(_MODELS[name])
        elif name in _NAMES:
            from importlib import import_module

            value = getattr(import_module(_NAMES[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
