"""Encodings of the windows that a model was not trained on: vectors, latents, and the concepts they are probed for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from distaff.factors.latents.probes import Concept
from distaff.factors.latents.properties import channel_properties
from distaff.series.blocks import blocks
from distaff.series.latents import Codes, Latent
from distaff.series.model import SeriesModel
from distaff_data.datasets.windows import Windows, slide
from distaff_data.errors import InputError

_MOST = 3000  # windows, evenly spaced
_PLACES = 8  # parts of a window that patches are compared in, at most


@dataclass(frozen=True)
class EncodedWindows:
    """Windows with the vectors and latents that a model gives them; all on the CPU.

    Attributes:
        windows: The windows.
        first_half: Which of them are in the first half of a probe, ``(n,)``.
        values: Scaled, 0 where missing, ``(n, T, C)``.
        mask: bool, likewise.
        instances: ``(n, D)``.
        timestamps: ``(n, P, D)``; None where the model has none.
        codes: Latents; None where the model has none.
    """

    windows: Windows
    first_half: NDArray[np.bool_]
    values: Tensor
    mask: Tensor
    instances: Tensor
    timestamps: Tensor | None
    codes: Codes | None


def encode_windows(model: SeriesModel, seed: int = 0) -> EncodedWindows:
    """Return the windows of validation and test, or of training where there are too few others.

    Raises:
        InputError: There is no window.
    """
    windows = _windows(model)
    values, masks, instances, timestamps = ([] for _ in range(4))
    codes: list[Codes] = []
    for block in blocks(windows):
        x, mask = model.take(windows, block)
        encoding = model.encode(x, mask)
        values.append(x.cpu())
        masks.append(mask.cpu())
        instances.append(encoding.instances.flatten(1).float().cpu())
        if encoding.timestamps is not None:
            timestamps.append(_places(encoding.timestamps.transpose(1, 2).flatten(2).float()).cpu())
        if isinstance(model, Latent):
            codes.append(model.latents(x, mask))
    return EncodedWindows(
        windows,
        _first_half(model, windows, seed),
        torch.cat(values),
        torch.cat(masks),
        torch.cat(instances),
        torch.cat(timestamps) if timestamps else None,
        Codes.joined(codes) if codes else None,
    )


def concepts_of(
    model: SeriesModel, encoded: EncodedWindows, truths: Mapping[str, NDArray[np.float64]]
) -> list[Concept]:
    """Return what windows are probed for, class, group, planted truth and properties, and patches: value and place.

    Args:
        model: The model, whose data knows classes and groups.
        encoded: The windows.
        truths: Planted factors of each entity, by name; all but integers of few values are continuous.
    """
    data, entities = model.data, encoded.windows.entities
    concepts = [
        Concept(f"planted {name}", "instance", _nominal(values[entities.numpy()])) for name, values in truths.items()
    ]
    if len(data.classes) > 1 and bool((data.labels[entities] >= 0).all()):
        concepts.append(Concept("class", "instance", data.labels[entities].numpy()))
    groups = pc.dictionary_encode(data.groups)
    if len(groups.dictionary) > 1 and groups.null_count == 0:
        concepts.append(Concept("group", "instance", groups.indices.to_numpy()[entities.numpy()].astype(np.int64)))
    for name, values in channel_properties(encoded.values, encoded.mask).items():
        concepts.append(Concept(name, "instance", values.mean(1).double().numpy()))
    n_places = _PLACES if encoded.timestamps is None else encoded.timestamps.shape[1]
    if encoded.values.shape[1] >= n_places > 1:
        away = (
            encoded.values - encoded.values.sum(1, keepdim=True) / encoded.mask.sum(1, keepdim=True).clamp(min=1)
        ) * encoded.mask
        patches = F.adaptive_avg_pool1d(away.transpose(1, 2), n_places).mean(1)
        concepts.append(Concept("value", "timestamp", patches.double().numpy()))
        place = np.tile(np.arange(n_places, dtype=np.float64), (len(patches), 1))
        concepts.append(Concept("position", "timestamp", place))
    return concepts


def _windows(model: SeriesModel) -> Windows:
    data = model.data
    step = 1 if data.whole else max(model.length // 2, 1)
    starts = [
        slide(data, model.length, split=split, step=step, device=model.device).starts for split in ("valid", "test")
    ]
    everything = slide(data, model.length, step=step, device=model.device)
    unseen = torch.isin(everything.starts, torch.cat(starts))
    windows = everything.where(unseen) if int(unseen.sum()) >= 2 * 20 else everything
    if not len(windows):
        raise InputError(f"dataset {data.name!r} has no window of {model.length} rows")
    chosen = torch.linspace(0, len(windows) - 1, min(len(windows), _MOST)).long()
    return windows.where(chosen)


def _first_half(model: SeriesModel, windows: Windows, seed: int) -> NDArray[np.bool_]:
    """Return which windows are the first half: by chance where each entity is one, else each entity's earlier ones."""
    n = len(windows)
    if model.data.whole:
        return np.asarray(np.random.default_rng(seed).permutation(n) % 2 == 0)
    order = np.lexsort((windows.starts.numpy(), windows.entities.numpy()))
    _, first, counts = np.unique(windows.entities.numpy()[order], return_index=True, return_counts=True)
    within = np.arange(n) - np.repeat(first, counts)
    first_half = np.empty(n, dtype=bool)
    first_half[order] = within < np.repeat(counts, counts) / 2
    return first_half


def _places(vectors: Tensor) -> Tensor:
    """Return patches ``(b, P, D)`` pooled to at most 8 parts of the window."""
    return F.adaptive_avg_pool1d(vectors.transpose(1, 2), min(_PLACES, vectors.shape[1])).transpose(1, 2)


def _nominal(values: NDArray[np.float64]) -> NDArray[np.generic]:
    """Return codes where values are few, such as periods and regimes."""
    levels, codes = np.unique(values, return_inverse=True)
    return codes.astype(np.int64) if len(levels) <= 10 else values
