"""The report on the factors of a run: the typed result and the JSON shape of ``distaff factors``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

import polars as pl

from distaff.factors.activity import State
from distaff.factors.effects import EffectCard
from distaff.factors.independence import Dependence
from distaff.factors.intents.attribution import Attribution
from distaff.factors.intents.notes import Note
from distaff.factors.stability import Badge
from distaff.recommenders.relevance import Association

UNNAMED = "unnamed"
_NESTED = ("card", "note", "top", "attributes", "dependences")


@dataclass(frozen=True)
class Member:
    """An item that speaks for a factor."""

    id: str
    title: str
    relevance: float


@dataclass(frozen=True)
class ReportedFactor:
    """One factor with its evidence; the columns of the table ``factors`` say what each number means.

    Attributes:
        name: The analyst's own name where there is one, otherwise the automatic one.
        automatic_name: Attribute values that hold against chance among items as popular; ``unnamed`` where none does.
        words: The factor's two most relevant words, of models that speak in words: a description that nothing has tested.
        card: What moving the factor changes; None where too few users hold it.
        dependences: The factors it depends on most, largest first.
        note: What an analyst says; None when nothing.
    """

    factor: int
    name: str
    automatic_name: str
    words: str | None
    activity: float
    effect: float
    state: State
    passive_users: float
    stability: float | None
    badge: Badge | None
    split: float | None
    subspace: float | None
    purity: float | None
    popularity: float
    user_activity: float
    dependences: list[Dependence]
    warnings: list[str]
    top: list[Member]
    attributes: list[Association]
    card: EffectCard | None
    note: Note | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        plain = {key: value for key, value in vars(self).items() if key not in _NESTED}
        return plain | {
            "top": [asdict(member) for member in self.top],
            "attributes": [asdict(association) for association in self.attributes],
            "dependences": [asdict(other) for other in self.dependences],
            "effects": [asdict(e) for e in self.card.effects if e.holds] if self.card is not None else [],
            "note": None if self.note is None else self.note.as_dict(),
        }


@dataclass(frozen=True)
class FactorReport:
    """All factors of a run.

    Attributes:
        effective_per_user: Mean over users of exp(entropy of the user's mix).
        effective_overall: exp(entropy of the mean mix).
        seeds_compared: Other seeds of the same configuration that gave other factors.
        stability_nulls: What 95 % of factors stay below when items are shuffled: of stability, split and subspace.
        attribution: How far the parts of scores gather in few factors beside shuffled responsibilities; None of models whose
            scores are made of factors.
        factors: The factors.
        warnings: What is to be doubted of all factors at once.
    """

    run: str
    effective_per_user: float
    effective_overall: float
    seeds_compared: int
    stability_nulls: tuple[float, float, float] | None
    attribution: Attribution | None
    factors: list[ReportedFactor]
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape of ``factors``."""
        control = None if self.attribution is None else asdict(self.attribution)
        return vars(self) | {"attribution": control, "factors": [factor.as_dict() for factor in self.factors]}

    def frame(self) -> pl.DataFrame:
        """Return a row for each factor: its numbers, names and warnings, and the effect that moving it has most."""
        plain = [field.name for field in fields(ReportedFactor) if field.name not in _NESTED]
        rows = [
            {name: getattr(factor, name) for name in plain}
            | {"moves_most": None if headline is None else headline.property}
            for factor, headline in ((f, f.card.headline if f.card is not None else None) for f in self.factors)
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def items(self) -> pl.DataFrame:
        """Return ``factor, rank, item_id, title, relevance``: the items that speak for each factor."""
        rows = [
            (factor.factor, rank, member.id, member.title, member.relevance)
            for factor in self.factors
            for rank, member in enumerate(factor.top, 1)
        ]
        schema = {
            "factor": pl.Int64,
            "rank": pl.Int64,
            "item_id": pl.String,
            "title": pl.String,
            "relevance": pl.Float64,
        }
        return pl.DataFrame(rows, schema=schema, orient="row")
