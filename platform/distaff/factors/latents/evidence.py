"""The evidence behind a run's latents and embeddings, computed once and kept in tables."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from distaff.factors.activity import posterior_states
from distaff.factors.independence import dependences
from distaff.factors.intents.report import UNNAMED, Member
from distaff.factors.latents.interventions import LatentInterventions
from distaff.factors.latents.probes import Probe, probe
from distaff.factors.latents.report import SeriesFactor, SeriesFactorReport
from distaff.factors.latents.representations import EncodedWindows, concepts_of, encode_windows
from distaff.factors.latents.tables import publish_series_factors
from distaff.factors.stability import Stability, compare_seeds
from distaff.runs import records
from distaff.series.latents import Codes, Latent
from distaff.series.model import SeriesModel
from distaff.series.tables import window_ids
from distaff_data.arrays import Floats
from distaff_data.workspace import Workspace

_DEPENDENT = 0.5  # squared distance correlation
_TOP = 5


@dataclass(frozen=True)
class LatentEvidence:
    """The evidence of a model in memory.

    Attributes:
        report: The report of it.
        encoded: The windows behind it.
        interventions: On the latents; None of a model without.
        stability: Beside other seeds.
    """

    report: SeriesFactorReport
    encoded: EncodedWindows
    interventions: LatentInterventions | None
    stability: Stability | None


def explain_series_run(workspace: Workspace, run_id: str, *, seed: int = 0) -> SeriesFactorReport:
    """Compute the evidence of a run of a model of series and publish it, whole or not at all.

    Raises:
        InputError: The run is unknown or not done.
        UnsupportedError: Its model neither embeds windows nor has latents.
    """
    model = SeriesModel.load(records.model_folder(workspace, run_id))
    evidence = explain_series(model, run_id, _truths(workspace, model), _other_seeds(workspace, run_id), seed=seed)
    with workspace.warehouse.publish(f"factors/{run_id}") as publication:
        publish_series_factors(
            publication, model, evidence.report, evidence.encoded, evidence.interventions, evidence.stability
        )
    return evidence.report


def explain_series(
    model: SeriesModel,
    run_id: str = "",
    truths: dict[str, Floats] | None = None,
    others: dict[str, SeriesModel] | None = None,
    *,
    seed: int = 0,
) -> LatentEvidence:
    """Return everything about a fitted model that needs no workspace.

    Args:
        model: A model of series that embeds windows.
        run_id: What the report is about.
        truths: Planted factors of each entity, by name.
        others: The same configuration fitted with other seeds, by run.
        seed: Of every sample.
    """
    encoded = encode_windows(model, seed)
    leakage = leak_matrix(model, encoded, truths or {}, seed)
    if not isinstance(model, Latent) or encoded.codes is None:
        return LatentEvidence(SeriesFactorReport(run_id, 0, 0.0, 0, None, [], leakage), encoded, None, None)
    codes, interventions = encoded.codes, LatentInterventions(model, encoded)
    theirs = {run: _latents(other, encoded) for run, other in (others or {}).items()}
    stability = _without_signs(codes.means, theirs, seed)
    factors = _factors(model, encoded, interventions, stability, seed)
    report = SeriesFactorReport(
        run_id,
        sum(factor.state != "passive" for factor in factors),
        float(nats(codes).sum()),
        0 if stability is None else len(stability.likeness),
        None if stability is None else stability.nulls,
        factors,
        leakage,
    )
    return LatentEvidence(report, encoded, interventions, stability)


def leak_matrix(model: SeriesModel, encoded: EncodedWindows, truths: dict[str, Floats], seed: int = 0) -> list[Probe]:
    """Return every representation probed for every concept: instance and timestamp vectors, and segments of latents."""
    tables = {"instance": encoded.instances} | ({} if encoded.timestamps is None else {"timestamp": encoded.timestamps})
    if isinstance(model, Latent) and encoded.codes is not None:
        tables |= {s.name: encoded.codes.means[:, s.start : s.stop] for s in model.segments()}
    cells = []
    for concept in concepts_of(model, encoded, truths):
        for name, vectors in tables.items():
            if concept.name == "position" and vectors.ndim == 2:
                continue  # the same in every window: no window's vector can tell
            cell = probe(name, vectors.double().numpy(), concept, encoded.first_half, seed)
            if cell is not None:
                cells.append(cell)
    return cells


def nats(codes: Codes) -> Floats:
    """Return each latent's nats a window: its mean divergence from the prior, or the entropy of quantised values."""
    means, variances = codes.means.double(), codes.variances.double()
    if bool((variances > 0).any()):
        spread = variances.clamp(min=1e-12).log()
        each = 0.5 * (means.square() + variances - 1 - spread)
        if codes.n_angles:  # from the circle's uniform density, while the spread is well below a turn
            angles = math.log(2 * math.pi) - 0.5 * (1 + math.log(2 * math.pi) + spread[:, -codes.n_angles :])
            each[:, -codes.n_angles :] = angles.clamp(min=0)
        return np.asarray(each.mean(0).numpy())
    entropies = []
    for column in means.T:
        share = torch.unique(column, return_counts=True)[1].double() / len(column)
        entropies.append(float(-torch.special.xlogy(share, share).sum()))
    return np.array(entropies)


def _factors(
    model: SeriesModel,
    encoded: EncodedWindows,
    interventions: LatentInterventions,
    stability: Stability | None,
    seed: int,
) -> list[SeriesFactor]:
    assert isinstance(model, Latent)
    assert encoded.codes is not None
    codes, information = encoded.codes, nats(encoded.codes)
    states, passive = posterior_states(codes.means, codes.variances)
    effects, depends = interventions.effects(), dependences(codes.means, seed=seed)
    ids = window_ids(model.data, encoded.windows)
    segments = {k: s.name for s in model.segments() for k in range(s.start, s.stop)}
    factors = []
    for k, state in enumerate(states):
        card = interventions.card(k, seed=seed)
        headline = None if card is None or state == "passive" else card.headline
        factor = SeriesFactor(
            factor=k,
            name=UNNAMED if headline is None else headline.property,
            segment=segments.get(k),
            activity=float(information[k] / max(information.sum(), 1e-12)),
            effect=float(effects[k]),
            state=state,
            passive_windows=float(passive[k]),
            stability=None if stability is None else float(stability.match[k]),
            badge=None if stability is None else stability.badges[k],
            split=None if stability is None else float(stability.split[k]),
            subspace=None if stability is None else float(stability.subspace[k]),
            dependences=depends[k],
            warnings=[],
            top=_top(codes.means[:, k], ids),
            card=card,
        )
        factors.append(replace(factor, warnings=_warnings(factor)))
    return factors


def _top(values: Tensor, ids: pa.StringArray) -> list[Member]:
    best, positions = values.topk(min(_TOP, len(values)))
    names = ids.take(pa.array(positions.numpy())).to_pylist()
    return [Member(name, name, float(value)) for name, value in zip(names, best, strict=True)]


def _warnings(factor: SeriesFactor) -> list[str]:
    """Return reasons not to trust a latent as it stands."""
    warnings = []
    if factor.state == "passive":
        warnings.append("passive: it tells nothing of any window")
    elif factor.card is not None and factor.card.headline is None:
        warnings.append("moving it changes no property in one direction beyond chance")
    if factor.dependences and factor.dependences[0].dependence > _DEPENDENT:
        other = factor.dependences[0]
        warnings.append(f"depends on factor {other.other} (squared distance correlation {other.dependence:.2f})")
    if factor.badge == "seed-specific":
        warnings.append("seed-specific: other seeds do not find it")
    return warnings


def _without_signs(ours: Tensor, theirs: dict[str, Tensor], seed: int) -> Stability | None:
    """Return the stability of latents, which have no sign: each of another seed's is compared with either sign."""
    return compare_seeds(ours, {run: torch.cat([z, -z], 1) for run, z in theirs.items()}, seed=seed)


def _latents(model: SeriesModel, encoded: EncodedWindows) -> Tensor:
    assert isinstance(model, Latent)
    means = [
        model.latents(*model.take(encoded.windows, block)).means.cpu()
        for block in torch.arange(len(encoded.windows)).split(256)
    ]
    return torch.cat(means)


def _truths(workspace: Workspace, model: SeriesModel) -> dict[str, Floats]:
    """Return the planted factors of a generated dataset, by entity."""
    query = "SELECT factor, entity, value FROM truth_factors WHERE dataset = ?"
    rows = workspace.warehouse.query(query, [model.data.name])
    truths: dict[str, Floats] = {}
    for name in rows["factor"].unique().to_pylist():
        factor = rows.filter(pa.compute.equal(rows["factor"], name))
        positions = pa.compute.index_in(model.data.entity_ids, factor["entity"].combine_chunks())
        if positions.null_count == 0:
            truths[name] = factor["value"].to_numpy()[positions.to_numpy()]
    return truths


def _other_seeds(workspace: Workspace, run_id: str) -> dict[str, SeriesModel]:
    """Return the models of the same configuration under each other seed, by run; of models with latents alone."""
    others = [run.run for run in records.same_but_seed(workspace, run_id)]
    loaded = {run: SeriesModel.load(records.model_folder(workspace, run)) for run in others}
    return {run: model for run, model in loaded.items() if isinstance(model, Latent)}
