"""Covariates after the last rows of series: of a frame, or of the rows of the series in which nothing was measured."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from distaff_data.datasets.ahead import extended, measured_part, steps_of, times_ahead
from distaff_data.datasets.covariates import Covariates, recoded
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError
from distaff_data.frames import to_arrow, to_polars, to_strings
from distaff_data.ingest.columns import common
from distaff_data.ingest.frames import seconds_of

_TOLERANCE = 0.01  # of a step, by which a time may miss its row
_MOMENTS = 1e8  # seconds from which a time is shown as a date


def read_future(path: Path) -> pl.DataFrame:
    """Return the table of a .csv or .parquet file.

    Raises:
        InputError: It cannot be read.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"no table of future values: {str(error).splitlines()[0]}", path=path) from error


def with_future_rows(data: Series, horizon: int, future: object | None) -> tuple[Series, Series]:
    """Return series up to their last measured rows, and the same with rows after these in which covariates are known.

    Args:
        data: The series, which may have such rows already.
        horizon: How many rows after the last ones.
        future: A frame of the covariates that are known ahead, with the entity where there are several and the time where
            there is one; None where the series have these rows.

    Raises:
        InputError: A value of these covariates is missing for one of the rows, or the frame cannot be read as such.
    """
    history, after = measured_part(data)
    covariates = history.covariates
    if covariates is None or not covariates.names("future"):
        if future is not None:
            raise InputError(f"dataset {data.name!r} has no covariates that are known ahead", column="future")
        return history, extended(history, horizon)
    known = torch.full((history.n_entities, horizon, len(covariates)), torch.nan)
    if after is not None and after.covariates is not None:
        place = torch.arange(len(after.values)) - after.offsets[after.entity_of_row()]
        within = place < horizon
        numbers = torch.from_numpy(after.covariates.numbers())
        known[after.entity_of_row()[within], place[within]] = numbers[within]
    if future is not None:
        known = _given(history, covariates, to_polars(to_arrow(future)), known)
    _refuse_missing(history, covariates, known)
    return history, extended(history, horizon, known)


def _given(data: Series, covariates: Covariates, frame: pl.DataFrame, known: Tensor) -> Tensor:
    """Return what is known with the rows of a frame put in."""
    names, horizon = covariates.names("future"), known.shape[1]
    if missing := [name for name in names if name not in frame.columns]:
        raise InputError(f"the table of future values has no such column; it has {', '.join(frame.columns)}",
                         column=missing[0])  # fmt: skip
    entity_column, time_column = _roles(data, frame, names)
    ids = (
        ["" if cell is None else cell for cell in to_strings(frame[entity_column]).to_pylist()] if entity_column else []
    )
    place_of = {name: place for place, name in enumerate(data.entity_ids.to_pylist())}
    entity = torch.tensor([place_of.get(name, -1) for name in ids] if ids else [0] * len(frame), dtype=torch.long)
    if time_column is None:
        step = torch.zeros(len(frame), dtype=torch.long)
        for code in entity.unique().tolist():
            step[entity == code] = torch.arange(int((entity == code).sum()))
        fits = torch.ones(len(frame), dtype=torch.bool)
    else:
        first = times_ahead(data, 1)[:, 0][entity.clamp(min=0)]
        steps = (torch.from_numpy(np.array(seconds_of(frame[time_column]))) - first) / steps_of(data)[
            entity.clamp(min=0)
        ]
        step, fits = steps.round().long(), (steps - steps.round()).abs() <= _TOLERANCE
    chosen = fits & (entity >= 0) & (step >= 0) & (step < horizon)
    ahead = torch.nonzero(covariates.having("future")).flatten()
    columns = [covariates.columns[int(place)] for place in ahead]
    numbers = torch.from_numpy(recoded(columns, {name: frame[name] for name in names}))
    known = known.clone()
    known[entity[chosen].unsqueeze(1), step[chosen].unsqueeze(1), ahead] = numbers[chosen]
    return known


def _roles(data: Series, frame: pl.DataFrame, names: list[str]) -> tuple[str | None, str | None]:
    """Return the columns of entities and of times: those that hold entities' ids, and a usual name or times."""
    left = [column for column in frame.columns if column not in (*names, *data.channels)]
    if data.covariates is not None:
        left = [column for column in left if column not in data.covariates.names("past", "static")]
    own = set(data.entity_ids.to_pylist())
    entity = next((c for c in left if own & set(to_strings(frame[c].cast(pl.String)).to_pylist())), None)
    if entity is None and data.n_entities > 1:
        raise InputError("no column of the future values holds the entities' ids", column="entity")
    others = [column for column in left if column != entity]
    time = common("time", others)
    if time is None:
        time = next((column for column in others if _is_time(frame[column])), None)
    return entity, time


def _is_time(column: pl.Series) -> bool:
    try:
        seconds_of(column)
    except InputError:
        return False
    return True


def _refuse_missing(data: Series, covariates: Covariates, known: Tensor) -> None:
    """Refuse rows ahead in which a covariate is not known.

    Raises:
        InputError: There is one, whose covariate, entity and time the message names.
    """
    missing = torch.isnan(known) & covariates.having("future")
    if not bool(missing.any()):
        return
    entity, step, place = (int(x) for x in torch.nonzero(missing)[0])
    seconds = float(times_ahead(data, step + 1)[entity, step])
    moment = (
        datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") if seconds >= _MOMENTS else f"{seconds:g}"
    )
    names = ", ".join(covariates.names("future"))
    raise InputError(
        f"forecasts {known.shape[1]} rows ahead need the values of {names} in these rows; of entity "
        f"{data.entity_ids[entity].as_py()!r} the one at {moment} is missing: give them with --future FILE, or future=",
        column=covariates.columns[place].name,
    )
