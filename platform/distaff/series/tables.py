"""Arrow tables of vectors, forecasts and classes, in people's own identifiers."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows
from distaff_data.splits import SPLITS


def window_ids(data: Series, windows: Windows, row: int = 0) -> pa.StringArray:
    """Return people's own ids of windows: the entity's, and a row within it where an entity has several windows.

    Args:
        data: Whose windows.
        windows: The windows.
        row: Which of a window's rows: of a forecast the first one after the history, by which models of other look-backs
            can be paired.
    """
    entities = _entities(data, windows.entities)
    if data.whole:
        return entities
    rows = pa.array((windows.starts + row - data.offsets[windows.entities]).numpy()).cast(pa.string())
    return pc.binary_join_element_wise(entities, rows, "@")


def vector_table(data: Series, windows: Windows, vectors: Tensor, level: str) -> pa.Table:
    """Return the table ``level, entity, channel, start, patch, values`` of vectors ``(b, G, P, D)``."""
    b, n_groups, n_patches, width = vectors.shape
    n = b * n_groups * n_patches
    window = torch.arange(b).repeat_interleave(n_groups * n_patches)
    group = torch.arange(n_groups).repeat_interleave(n_patches).repeat(b)
    patch = torch.arange(n_patches).repeat(b * n_groups)
    one_by_one = n_groups == len(data.channels) > 1
    ends = torch.arange(0, n * width + 1, width, dtype=torch.int32)
    return pa.table(
        {
            "level": pa.repeat(level, n),
            "entity": _entities(data, windows.entities[window]),
            "channel": pa.array(data.channels).take(pa.array(group.numpy()))
            if one_by_one
            else pa.nulls(n, pa.string()),
            "start": data.times[windows.starts[window]].numpy(),
            "patch": pa.nulls(n, pa.int64()) if level == "instance" else pa.array(patch.numpy()),
            "values": pa.ListArray.from_arrays(ends.numpy(), vectors.reshape(-1).contiguous().numpy()),
        }
    )


def forecast_table(data: Series, windows: Windows, values: Tensor, low: Tensor, high: Tensor) -> pa.Table:
    """Return the table ``entity, channel, step, time, value, low, high`` of values ``(n, H, C)`` after the last rows.

    Time goes on in steps of the entity's last distance between rows.
    """
    n, horizon, n_channels = values.shape
    each = horizon * n_channels
    step = torch.arange(1, horizon + 1).repeat_interleave(n_channels).repeat(n)
    end = data.offsets[windows.entities + 1]
    last, before = data.times[end - 1], data.times[(end - 2).clamp(min=0)]
    spacing = torch.where(data.lengths[windows.entities] > 1, last - before, 1.0)
    return pa.table(
        {
            "entity": _entities(data, windows.entities.repeat_interleave(each)),
            "channel": pa.array(list(data.channels) * (n * horizon)),
            "step": step.numpy(),
            "time": (last.repeat_interleave(each) + step * spacing.repeat_interleave(each)).numpy(),
            **{
                name: column.double().flatten().numpy()
                for name, column in (("value", values), ("low", low), ("high", high))
            },
        }
    )


def class_table(data: Series, windows: Windows, classes: Sequence[str], codes: Tensor, probability: Tensor) -> pa.Table:
    """Return the table ``entity, split, label, predicted, probability`` of predicted codes ``(n,)`` into ``classes``."""
    labels = data.labels[windows.entities]
    names = pa.array(data.classes, pa.string())
    return pa.table(
        {
            "entity": _entities(data, windows.entities),
            "split": pa.array(SPLITS).take(pa.array(data.splits[windows.starts].numpy())),
            "label": names.take(pa.array(labels.numpy(), mask=(labels < 0).numpy())),
            "predicted": pa.array(classes, pa.string()).take(pa.array(codes.numpy())),
            "probability": probability.numpy(),
        }
    )


def _entities(data: Series, positions: Tensor) -> pa.StringArray:
    return data.entity_ids.take(pa.array(positions.numpy()))
