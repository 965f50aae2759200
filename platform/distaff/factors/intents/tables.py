"""The evidence as rows of the warehouse's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

import numpy as np
import polars as pl
import pyarrow as pa
import torch

from distaff.factors.effects import EffectCard
from distaff.factors.examples import bands, histograms
from distaff.factors.independence import Dependence
from distaff.factors.intents.blind_spots import BlindSpotAudit
from distaff.factors.intents.calibration import Calibration
from distaff.factors.intents.interventions import share_of
from distaff.factors.intents.report import FactorReport
from distaff.factors.stability import Stability
from distaff.recommenders.intents import Intents
from distaff.recommenders.relevance import Distributions, relevance
from distaff_data.datasets.interactions import Interactions
from distaff_data.warehouse import Publication

MEMBERS = 200  # items kept for each intent, by relevance and by probability alike
_LADDERS = 10  # properties whose ladders are kept, those that change most, beside popularity and churn

_PLAIN = (
    *("factor", "activity", "effect", "stability", "purity", "popularity", "user_activity", "warnings"),
    *("state", "passive_users", "badge", "split", "subspace", "words"),
)


def publish_factors(
    out: Publication,
    report: FactorReport,
    stability: Stability | None,
    data: Interactions,
    intents: Intents,
    membership: Distributions,
) -> None:
    """Write everything about a run's factors."""
    run = report.run
    rows = [factor_row(f, _PLAIN, report.stability_nulls) | {"name": f.automatic_name} for f in report.factors]
    out.append("factors", rows, run=run)
    summary = {name: getattr(report, name) for name in ("effective_per_user", "effective_overall", "seeds_compared")}
    if report.attribution is not None:
        summary |= {
            f"attribution_{name}": value for name, value in asdict(report.attribution).items() if name != "users"
        }
    out.append("factor_summaries", [summary | {"factors": len(report.factors)}], run=run)
    out.append("factor_members", _members(membership, data.item_ids), run=run)
    out.append("factor_attributes", [_attribute(a) for f in report.factors for a in f.attributes], run=run)
    cards = [(f.factor, f.card) for f in report.factors if f.card is not None]
    out.append("factor_effects", [{"factor": k, **asdict(e)} for k, card in cards for e in card.effects], run=run)
    out.append("factor_ladders", [row for k, card in cards for row in _ladder(k, card)], run=run)
    out.append("factor_stability", _stability(stability), run=run)
    pairs = [{"factor": f.factor, **asdict(other)} for f in report.factors for other in f.dependences]
    out.append("factor_dependences", pairs, run=run)
    counts = {"user": data.train.counts(), "item": torch.bincount(data.train.indices, minlength=data.n_items)}
    for entity, ids, shares in (("user", data.user_ids, intents.users), ("item", data.item_ids, intents.items)):
        occurs = counts[entity] > 0
        out.append("factor_examples", bands(shares, occurs, ids), run=run, entity=entity)
        out.append("factor_histograms", histograms(shares, occurs), run=run, entity=entity)
        flat = pa.array(shares.float().contiguous().numpy().ravel())
        offsets = pa.array(np.arange(shares.shape[0] + 1, dtype=np.int32) * shares.shape[1])
        table = pa.table({"id": ids, "shares": pa.ListArray.from_arrays(offsets, flat)})
        out.append("loadings", table, run=run, entity=entity)


def publish_audit(out: Publication, run: str, lens: str, audit: BlindSpotAudit) -> None:
    """Write the blind spots of a run, seen by the factors of ``lens``."""
    out.append("blind_spots", [asdict(spot) for spot in audit.spots], run=run)
    cohorts = [asdict(cohort) for cohort in audit.cohorts]
    out.append("blind_spot_cohorts", cohorts, run=run, split=audit.split, lens=lens)
    rows = [
        {"factor": e.factor, "user_id": e.user, "data_share": e.data_share, "list_share": e.list_share}
        for e in audit.examples
    ]
    out.append("blind_spot_examples", rows, run=run)


def publish_calibrations(out: Publication, run: str, steps: list[Calibration]) -> None:
    """Write what calibrated re-ranking does at each weight, and what it costs."""
    rows = [
        {"weight": step.weight, "factor": k, "list_share": share}
        for step in steps
        for k, share in enumerate(step.list_shares)
    ]
    out.append("calibrations", rows, run=run)
    costs = [{name: getattr(s, name) for name in ("weight", "kl", "recall", "churn", "users", "split")} for s in steps]
    out.append("calibration_costs", costs, run=run)


class Evident(Protocol):
    """A factor of any kind of model, with its evidence."""

    @property
    def dependences(self) -> list[Dependence]:
        """The factors it depends on most, largest first."""

    @property
    def card(self) -> EffectCard | None:
        """The changes that moving it makes."""


def factor_row(factor: Evident, plain: Sequence[str], nulls: tuple[float, float, float] | None) -> dict[str, object]:
    """Return a factor's row in ``factors``: attributes as they are, nulls of its stability, strongest tie and effect."""
    row: dict[str, object] = {name: getattr(factor, name) for name in plain}
    if nulls is not None:
        row |= dict(zip(("stability_null", "split_null", "subspace_null"), nulls, strict=True))
    if factor.dependences:
        row |= {"dependence": factor.dependences[0].dependence, "dependent_on": factor.dependences[0].other}
    headline = None if factor.card is None else factor.card.headline
    if headline is not None:
        row |= {"effect_property": headline.property, "effect_size": headline.effect, "effect_low": headline.low}
        row |= {"effect_high": headline.high, "specificity": headline.specificity}
    return row


def _attribute(association: object) -> dict[str, object]:
    values = dict(vars(association))
    return {"factor": values.pop("intent"), **values}


def _ladder(factor: int, card: EffectCard) -> list[dict[str, object]]:
    signed = [m for m, effect in enumerate(card.effects) if effect.specificity is not None][:_LADDERS]
    indices = sorted({*signed, *(m for m, e in enumerate(card.effects) if ":" not in e.property)})
    shares = share_of(card.ladder.levels)
    return [
        {
            "factor": factor,
            "property": card.effects[m].property,
            "rung": rung,
            "label": card.ladder.labels[rung],
            "level": float(shares[rung]),
            "out_of_range": bool(card.ladder.out_of_range[rung]),
            "value": float(card.means[rung, m]),
            "low": float(card.low[rung, m]),
            "high": float(card.high[rung, m]),
        }
        for m in indices
        for rung in range(len(shares))
    ]


def _stability(stability: Stability | None) -> list[dict[str, object]]:
    if stability is None:
        return []
    return [
        {
            "factor": k,
            "other_run": run,
            "partner": int(likeness.partner[k]) if likeness.partner[k] >= 0 else None,
            "match": float(likeness.match[k]),
            "split": float(likeness.split[k]),
            "subspace": float(likeness.subspace[k]),
        }
        for run, likeness in stability.likeness.items()
        for k in range(len(likeness.match))
    ]


def _members(intents: Distributions, item_ids: pa.StringArray) -> pl.DataFrame:
    """Return for each intent the items best by relevance or by probability: enough to rank them at any lambda."""
    scores = relevance(intents.probability, intents.lift)
    n = min(MEMBERS, scores.shape[1])
    parts = []
    for k in range(scores.shape[0]):
        best = torch.cat([scores[k].topk(n).indices, intents.probability[k].topk(n).indices]).unique()
        best = best[intents.probability[k, best] > 0]
        best = best[scores[k, best].argsort(descending=True)]
        columns = {"relevance": scores, "probability": intents.probability, "lift": intents.lift}
        parts.append(
            pl.DataFrame({name: values[k, best].numpy() for name, values in columns.items()}).select(
                pl.lit(k, dtype=pl.Int64).alias("factor"),
                pl.Series("item_id", item_ids.take(pa.array(best.numpy())), dtype=pl.String),
                pl.int_range(1, pl.len() + 1).alias("rank"),
                *columns,
            )
        )
    return pl.concat(parts)
