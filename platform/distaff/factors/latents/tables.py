"""The evidence as rows of the warehouse's tables; the package says which."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pyarrow as pa
import torch

from distaff.factors.effects import EffectCard
from distaff.factors.examples import bands, histograms
from distaff.factors.intents.tables import factor_row
from distaff.factors.latents.interventions import LatentInterventions
from distaff.factors.latents.report import SeriesFactorReport
from distaff.factors.latents.representations import EncodedWindows
from distaff.factors.stability import Stability
from distaff.series.model import SeriesModel
from distaff.series.tables import window_ids
from distaff_data.splits import SPLITS
from distaff_data.warehouse import Publication

_PLAIN = (
    "factor",
    "name",
    "segment",
    "activity",
    "effect",
    "stability",
    "warnings",
    "state",
    "badge",
    "split",
    "subspace",
)


def publish_series_factors(
    out: Publication,
    model: SeriesModel,
    report: SeriesFactorReport,
    encoded: EncodedWindows,
    interventions: LatentInterventions | None,
    stability: Stability | None,
) -> None:
    """Write everything about a run of a model of series."""
    run = report.run
    out.append("leakage", [probe.as_dict() for probe in report.leakage], run=run)
    if interventions is None or encoded.codes is None:
        return
    rows = [
        factor_row(f, _PLAIN, report.stability_nulls) | {"passive_users": f.passive_windows} for f in report.factors
    ]
    out.append("factors", rows, run=run)
    summary = {"factors": len(report.factors), "seeds_compared": report.seeds_compared}
    out.append("factor_summaries", [summary | {"active": report.active, "information": report.information}], run=run)
    cards = [(f.factor, f.card) for f in report.factors if f.card is not None]
    out.append("factor_effects", [{"factor": k, **asdict(e)} for k, card in cards for e in card.effects], run=run)
    out.append("factor_ladders", [row for k, card in cards for row in _ladder(k, card)], run=run)
    out.append("factor_stability", _stability(stability, len(report.factors)), run=run)
    pairs = [{"factor": f.factor, **asdict(other)} for f in report.factors for other in f.dependences]
    out.append("factor_dependences", pairs, run=run)
    ids, means = window_ids(model.data, encoded.windows), encoded.codes.means
    everyone = torch.ones(len(means), dtype=torch.bool)
    out.append("factor_examples", bands(means, everyone, ids), run=run, entity="window")
    out.append("factor_histograms", histograms(means, everyone), run=run, entity="window")
    ends = pa.array(np.arange(len(means) + 1, dtype=np.int32) * means.shape[1])
    shares = pa.ListArray.from_arrays(ends, pa.array(means.contiguous().numpy().ravel()))
    out.append("loadings", pa.table({"id": ids, "shares": shares}), run=run, entity="window")
    out.append("traversals", [row for k, _ in cards for row in _traversal(k, interventions, model)], run=run)
    out.append("reconstructions", _reconstructions(interventions, model, encoded, ids), run=run)


def _ladder(factor: int, card: EffectCard) -> list[dict[str, object]]:
    ladder = card.ladder
    return [
        {
            "factor": factor,
            "property": effect.property,
            "rung": rung,
            "label": ladder.labels[rung],
            "level": float(ladder.levels[rung]),
            "out_of_range": bool(ladder.out_of_range[rung]),
            "value": float(card.means[rung, m]),
            "low": float(card.low[rung, m]),
            "high": float(card.high[rung, m]),
        }
        for m, effect in enumerate(card.effects)
        for rung in range(len(ladder.levels))
    ]


def _stability(stability: Stability | None, n_factors: int) -> list[dict[str, object]]:
    if stability is None:
        return []
    return [
        {
            "factor": k,
            "other_run": run,
            "partner": int(like.partner[k]) % n_factors if like.partner[k] >= 0 else None,
            "match": float(like.match[k]),
            "split": float(like.split[k]),
            "subspace": float(like.subspace[k]),
        }
        for run, like in stability.likeness.items()
        for k in range(len(like.match))
    ]


def _traversal(factor: int, interventions: LatentInterventions, model: SeriesModel) -> list[dict[str, object]]:
    traversal = interventions.traversal(factor)
    ladder = traversal.ladder
    return [
        {
            "factor": factor,
            "rung": rung,
            "label": ladder.labels[rung],
            "level": float(ladder.levels[rung]),
            "out_of_range": bool(ladder.out_of_range[rung]),
            "channel": channel,
            "values": traversal.windows[rung, :, c].tolist(),
        }
        for rung in range(len(ladder.levels))
        for c, channel in enumerate(model.data.channels)
    ]


def _reconstructions(
    interventions: LatentInterventions, model: SeriesModel, encoded: EncodedWindows, ids: pa.StringArray
) -> list[dict[str, object]]:
    splits = model.data.splits[encoded.windows.starts]
    return [
        {
            "id": ids[place].as_py(),
            "split": SPLITS[int(splits[place])],
            "channel": channel,
            "measured": measured[:, c].tolist(),
            "reconstruction": rebuilt[:, c].tolist(),
            "noise": float(noise[min(c, len(noise) - 1)]),
        }
        for place, measured, rebuilt, noise in interventions.reconstructions()
        for c, channel in enumerate(model.data.channels)
    ]
