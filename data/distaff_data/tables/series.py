"""Series in the warehouse: one row a reading, and what is known of channels and entities beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import torch

from distaff_data.datasets.covariates import Covariate, Covariates
from distaff_data.datasets.mapped import in_memory, room
from distaff_data.datasets.series import Scaler, Series
from distaff_data.errors import InputError
from distaff_data.splits import SPLITS
from distaff_data.tables.datasets import append_entry, live_generation
from distaff_data.tables.reports import SeriesReport
from distaff_data.warehouse import Publication, Warehouse

_READINGS = """
SELECT "row", time, list_position(['train', 'valid', 'test'], split) - 1 AS split, "values"
FROM readings WHERE generation = ?
"""
_ENTITIES = 'SELECT entity, "group", label, length FROM entities WHERE generation = ? ORDER BY position'
_COVARIATES = "SELECT covariate AS name, role, category FROM covariates WHERE generation = ? ORDER BY position"
_ROWS_A_COMMIT = 2_000_000


def publish_series(
    warehouse: Warehouse,
    data: Series,
    *,
    source: str,
    format: str,
    split: str,
    settings: Mapping[str, object],
    gap_rows: int = 0,
    regular: bool = True,
    beside: Callable[[Publication], None] = lambda publication: None,
) -> SeriesReport:
    """Store divided series as a dataset, whole or not at all.

    Args:
        warehouse: Where to.
        data: What to store, under its own name.
        source: The files it came from.
        format: How they were read.
        split: The specification by which it was divided, or ``given``.
        settings: How else it was read.
        gap_rows: Rows that were put in for gaps.
        regular: Whether the time stamps lie on a grid.
        beside: Appends what belongs to the same publication, such as planted truth.
    """
    facts: dict[str, object] = {
        "entities": data.n_entities,
        "channels": len(data.channels),
        "rows": len(data.values),
        **{name: int(data.rows_of(name).sum()) for name in SPLITS},
        "missing": 1.0 - float(data.mask.float().mean()),
        "gap_rows": gap_rows,
        "regular": regular,
        "classes": len(data.classes),
        "groups": len(data.groups.drop_null().unique()),
        "whole": data.whole,
    }
    with warehouse.publish(f"dataset/{data.name}") as publication:
        for start in range(0, len(data.values), _ROWS_A_COMMIT):
            publication.append("readings", _readings(data, start, start + _ROWS_A_COMMIT), dataset=data.name)
        publication.append("entities", _entities(data), dataset=data.name)
        publication.append("channels", _channels(data), dataset=data.name)
        if data.covariates is not None:
            publication.append("covariates", _covariates(data, data.covariates), dataset=data.name)
        beside(publication)
        recorded = {"format": format, "split": split, **settings}
        append_entry(publication, data.name, "series", source=source, settings=recorded, facts=facts)
    return SeriesReport(data.name, publication.generation, format, split, **facts)  # type: ignore[arg-type]


def load_series(warehouse: Warehouse, dataset: str, *, most: int | None = None) -> Series:
    """Load a dataset of series, some rows at a time.

    Args:
        warehouse: Where it is.
        dataset: Its name.
        most: Bytes above which its tensors are mapped from a file; a share of the machine's memory when None. See
            :mod:`distaff_data.datasets.mapped`.

    Raises:
        UnknownNameError: There is no such dataset.
        InputError: The dataset is of another kind, or rows of it are missing.
    """
    generation = live_generation(warehouse, dataset, "series")
    facts = warehouse.rows("SELECT facts FROM datasets WHERE generation = ?", [generation])[0]["facts"]
    channels = warehouse.rows("SELECT channel FROM channels WHERE generation = ? ORDER BY position", [generation])
    beside = tuple(Covariate(**row) for row in warehouse.rows(_COVARIATES, [generation]))
    entities = warehouse.query(_ENTITIES, [generation])
    lengths = entities["length"].to_numpy()
    most = in_memory() if most is None else most
    n, width = int(lengths.sum()), len(channels)
    values, mask = (room(n, width, dtype=dtype, most=most) for dtype in (torch.float32, torch.bool))
    known = Covariates(beside, *(room(n, len(beside), dtype=dtype, most=most) for dtype in (torch.float32, torch.bool)))
    times, splits = (room(n, dtype=dtype, most=most) for dtype in (torch.float64, torch.int8))
    filled = 0
    for batch in warehouse.stream(_READINGS, [generation]):
        filled += batch.num_rows
        flat = batch["values"].flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        at, cells = _tensor(batch["row"]), torch.from_numpy(flat.reshape(-1, width + len(beside)))
        for part, into, there in ((cells[:, :width], values, mask), (cells[:, width:], known.values, known.mask)):
            there[at] = torch.isfinite(part)
            into[at] = part.nan_to_num(0.0, 0.0, 0.0)
        times[at], splits[at] = _tensor(batch["time"]), _tensor(batch["split"]).to(torch.int8)
    if filled != n:
        raise InputError(f"the entities of dataset {dataset!r} have {n} rows, and {filled} are stored")
    data = Series.from_tensors(
        values,
        mask,
        lengths,
        times=times,
        name=dataset,
        channels=[row["channel"] for row in channels],
        entities=entities["entity"],
        labels=entities["label"],
        groups=entities["group"],
        whole=bool(json.loads(facts)["whole"]),
    )
    return replace(data, splits=splits, generation=generation, covariates=known if beside else None)


def _tensor(column: pa.Array) -> torch.Tensor:
    return torch.from_numpy(column.to_numpy(zero_copy_only=False).copy())


def _readings(data: Series, start: int, end: int) -> pa.Table:
    values = torch.where(data.mask[start:end], data.values[start:end], torch.nan).numpy()
    if data.covariates is not None:
        some = torch.arange(start, min(end, len(data.values)))
        values = np.concatenate([values, data.covariates.rows(some).numbers()], axis=1)
    n, width = values.shape
    rows = np.arange(start, start + n)
    return pa.table(
        {
            "entity": data.entity_ids.take(pa.array(data.entity_of_row()[start:end].numpy())),
            "row": rows,
            "time": data.times[start:end].numpy(),
            "split": pa.array(SPLITS).take(pa.array(data.splits[start:end].numpy())),
            "values": pa.ListArray.from_arrays(np.arange(0, n * width + 1, width, dtype=np.int32), values.ravel()),
        }
    )


def _entities(data: Series) -> pa.Table:
    codes = pa.array(data.labels.numpy(), mask=(data.labels < 0).numpy())
    return pa.table(
        {
            "entity": data.entity_ids,
            "position": np.arange(data.n_entities),
            "group": data.groups,
            "label": pa.array(data.classes, pa.string()).take(codes),
            "length": data.lengths.numpy(),
        }
    )


def _covariates(data: Series, covariates: Covariates) -> pa.Table:
    columns = covariates.columns
    return pa.table(
        {
            "covariate": pa.array([column.name for column in columns], pa.string()),
            "position": len(data.channels) + np.arange(len(columns)),
            "role": pa.array([column.role for column in columns], pa.string()),
            "category": pa.array([column.category for column in columns], pa.string()),
        }
    )


def _channels(data: Series) -> pa.Table:
    scaler = Scaler.of(data)
    return pa.table(
        {
            "channel": pa.array(data.channels, pa.string()),
            "position": np.arange(len(data.channels)),
            "measured": data.mask.double().mean(0).numpy(),
            "mean": scaler.mean.double().numpy(),
            "std": scaler.std.double().numpy(),
        }
    )
