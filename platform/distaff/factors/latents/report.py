"""The report on the latents of a run: the typed result and the JSON shape of ``distaff factors`` for series."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from distaff.disentanglement.activity import State
from distaff.factors.effects import EffectCard
from distaff.factors.independence import Dependence
from distaff.factors.intents.report import Member
from distaff.factors.latents.probes import Probe
from distaff.factors.stability import Badge


@dataclass(frozen=True)
class SeriesFactor:
    """One latent with its evidence; the columns of the table ``factors`` say what each number means.

    Attributes:
        name: The property that moving it changes most, or ``unnamed``.
        segment: The segment it belongs to; None where latents are not divided.
        top: Windows that have most of it.
    """

    factor: int
    name: str
    segment: str | None
    activity: float
    effect: float
    state: State
    passive_windows: float
    stability: float | None
    badge: Badge | None
    split: float | None
    subspace: float | None
    dependences: list[Dependence]
    warnings: list[str]
    top: list[Member]
    card: EffectCard | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        plain = {key: value for key, value in vars(self).items() if key not in ("card", "top", "dependences")}
        return plain | {
            "top": [asdict(member) for member in self.top],
            "dependences": [asdict(other) for other in self.dependences],
            "effects": [asdict(e) for e in self.card.effects if e.holds] if self.card is not None else [],
        }


@dataclass(frozen=True)
class SeriesFactorReport:
    """All latents of a run and the leak matrix of its representations.

    Attributes:
        active: Latents that are not passive.
        information: Nats that all latents tell of a window, on average.
        seeds_compared: Other seeds of the same configuration that gave other latents.
        stability_nulls: What 95 % of latents stay below when windows are shuffled: of stability, split and subspace.
        factors: None of a model without latents.
    """

    run: str
    active: int
    information: float
    seeds_compared: int
    stability_nulls: tuple[float, float, float] | None
    factors: list[SeriesFactor]
    leakage: list[Probe]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape of ``factors``."""
        return vars(self) | {
            "factors": [factor.as_dict() for factor in self.factors],
            "leakage": [probe.as_dict() for probe in self.leakage],
        }
