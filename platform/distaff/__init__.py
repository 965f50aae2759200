"""Distaff: learns disentangled factors from behaviour and telemetry, and shows each beside its control.

Every model is here by the name of its class, and its settings are its arguments: ``distaff.DCCF(n_intents=32)``. The names
below are loaded when first used, so that ``import distaff`` costs nothing; ``dir(distaff)`` lists them.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from distaff._version import __version__ as __version__

# The public names that are not models, and where they are.
_NAMES = {
    "Case": "distaff_data.datasets.incidents",
    "Diagnoser": "distaff.incidents.base",
    "DistaffError": "distaff_data.errors",
    "Incidents": "distaff_data.datasets.incidents",
    "InputError": "distaff_data.errors",
    "Interactions": "distaff_data.datasets.interactions",
    "Intents": "distaff.recommenders.intents",
    "Model": "distaff.model.base",
    "Recommender": "distaff.recommenders.base",
    "Series": "distaff_data.datasets.series",
    "SeriesModel": "distaff.series.model",
    "UnknownNameError": "distaff_data.errors",
    "UnsupportedError": "distaff_data.errors",
    "Workspace": "distaff_data.workspace",
}


@cache
def _models():
    """Return the registry names of our models by the name of their class, without importing any."""
    from distaff.model.registry import class_names

    return class_names(__name__)


def __getattr__(name):
    if name == "__all__":
        return sorted([*_NAMES, *_models(), "__version__"])
    if name.startswith("_") or not name.isidentifier():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _NAMES:
        value = getattr(import_module(_NAMES[name]), name)
    elif find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")
    elif name in _models():
        from distaff.model.registry import model_class

        value = model_class(_models()[name])
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{_near(name)}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*__getattr__("__all__"), *(name for name in globals() if name.startswith("__"))})


def _near(name):
    from difflib import get_close_matches

    names = {public.lower(): public for public in __getattr__("__all__")}
    near = [names[match] for match in get_close_matches(name.lower(), names, n=3)]
    return f"; did you mean {' or '.join(near)}?" if near else ""
