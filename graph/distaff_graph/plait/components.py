"""Components of a blend as text, such as ``als:embedding_dim=32:reg=30``, and the ones that a blend chooses among."""

from __future__ import annotations

from distaff.model.base import Session
from distaff.recommenders.base import Recommender
from distaff_data.datasets.interactions import Interactions
from distaff_data.errors import InputError
from distaff_graph.controls.linear import LinearRecommender

_CONFIDENCES = (5, 20, 50)
FAMILIES: tuple[tuple[str, ...], ...] = (
    tuple(f"ease:penalty={penalty}" for penalty in (50, 200, 800)),
    tuple(f"als:embedding_dim=32:reg=30:confidence={c}:n_iterations=10" for c in _CONFIDENCES),
    tuple(f"als:embedding_dim=256:reg=30:confidence={c}:n_iterations=8" for c in _CONFIDENCES),
    (
        "graph_filter:order=1:item_exponent=0.4",
        "graph_filter:order=1:item_exponent=0.5",
        "graph_filter:order=1:item_exponent=0.7",
        "graph_filter:order=2:item_exponent=0.4",
    ),
    ("gfcf:embedding_dim=64", "gfcf:embedding_dim=192"),
    ("low_pass:embedding_dim=192", "low_pass:embedding_dim=512"),
    ("item_knn:n_neighbours=100:shrinkage=10", "item_knn:n_neighbours=200:shrinkage=0"),
    ("rp3beta:beta=0.3", "rp3beta:beta=0.5"),
)
"""Of each family the best on validation is a candidate of the blend."""
INSTEAD: dict[str, tuple[str, ...]] = {
    "ease": ("sparse_ease:penalty=10:n_neighbours=50", "sparse_ease:penalty=100:n_neighbours=100")
}
"""What stands in for a model none of whose members fits in memory."""
FALLBACK = (FAMILIES[1][0], "item_knn:n_neighbours=100:shrinkage=10")
"""The blend, at equal weights, of data with too little to validate on."""


def component(spec: str, max_gb: float | None = None) -> LinearRecommender:
    """Return the unfitted model that a text names, with a bound of its memory where it has one and the text names none.

    Raises:
        InputError: There is no such model or setting, or its scores are not linear in a history.
    """
    name, *settings = (field.strip() for field in spec.split(":"))
    pairs = [setting.partition("=") for setting in settings]
    if wrong := [key for key, sign, _ in pairs if not sign]:
        raise InputError(f"{wrong[0]!r} is no setting; write a component as als:embedding_dim=32:reg=30", value=spec)
    model = Recommender.named(name)
    if not issubclass(model, LinearRecommender) or model.compound:
        raise InputError(f"{name} cannot be a component: its scores are not linear in a history", value=spec)
    values: dict[str, object] = {key.strip(): value.strip() for key, _, value in pairs}
    if max_gb is not None and "max_gb" in model.Config.model_fields:
        values.setdefault("max_gb", max_gb)
    return model(**values)


def fitted(spec: str, data: Interactions, session: Session, max_gb: float | None = None) -> LinearRecommender:
    """Return the model that a text names, fitted.

    Raises:
        UnsupportedError: It takes more memory than it may.
    """
    model = component(spec, max_gb)
    model._fit(data, session)
    model.bind(data)
    return model
