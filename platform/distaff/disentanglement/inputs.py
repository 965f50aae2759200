"""Latents and factors as they are measured: checked, with whatever cannot vary set apart.

Factors are nominal or continuous. Unless ``nominal`` says which columns are nominal, their type does: floats are continuous;
integers, booleans and strings are nominal. A count such as an age in years is an integer yet has an order and distances:
name the nominal columns, or pass it as floats.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from distaff_data.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Columns = ArrayLike | Mapping[str, ArrayLike]

BINS = 20
MIN_ROWS = 10
_DEAD = 1e-8  # of the largest magnitude in the column, so that the scale of a latent decides nothing


@dataclass(frozen=True)
class Latents:
    """Latents that vary, and which they are.

    Attributes:
        values: Columns of mean 0 and variance 1, ``(n, J_live)``.
        live: Of all latents given, those that vary, bool ``(J,)``.
    """

    values: Floats
    live: NDArray[np.bool_]

    def spread(self, matrix: Floats) -> Floats:
        """``(..., J_live)`` to ``(..., J)``, with 0 for dead latents."""
        out = np.zeros((*matrix.shape[:-1], self.live.size))
        out[..., self.live] = matrix
        return out


@dataclass(frozen=True)
class Factor:
    """One factor that varies.

    Attributes:
        name: Its key, or its position when factors come as an array.
        codes: Class of each row: of a continuous factor its quantile bin, ``(n,)``.
        values: Of a continuous factor, mean 0 and variance 1, ``(n,)``; None when nominal.
    """

    name: str
    codes: Ints
    values: Floats | None

    @property
    def n_classes(self) -> int:
        """Classes or bins that occur."""
        return int(self.codes.max()) + 1

    @property
    def entropy(self) -> float:
        """Entropy of the codes in nats."""
        return float(stats.entropy(np.bincount(self.codes)))


def read_latents(latents: ArrayLike) -> Latents:
    """Check latents ``(n, J)`` or ``(n,)`` of any numeric type, and standardise those that vary.

    Raises:
        InputError: There is nothing to measure, or a value is missing, infinite or not a number.
    """
    table = np.asarray(latents)
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or table.shape[1] == 0:
        raise InputError(f"latents must be rows by latents, not an array of shape {table.shape}")
    _check_rows(len(table))
    columns = [_numbers(column, f"latent {j}") for j, column in enumerate(table.T)]
    values = np.stack(columns, 1)
    live = varies(values)
    return Latents(standardise(values[:, live]), live)


def read_factors(factors: Columns, nominal: Collection[int | str] | None = None) -> tuple[list[Factor], int]:
    """Factors that vary and the number of those that do not.

    Args:
        factors: Columns ``(n, K)``, one column ``(n,)``, or columns by name, which may differ in type.
        nominal: The nominal columns, by position or name; all others are continuous. By default types decide.

    Raises:
        InputError: No factor varies, or a value is missing or not of its column's kind.
    """
    columns = _columns(factors)
    if nominal is not None and (unknown := {str(key) for key in nominal} - columns.keys()):
        raise InputError(f"nominal factor {min(unknown)!r} does not exist; there are: {', '.join(columns)}")
    chosen = None if nominal is None else {str(key) for key in nominal}
    lengths = {column.shape for column in columns.values()}
    if len(lengths) > 1:
        raise InputError(f"factors differ in length: {sorted(shape[0] for shape in lengths)}")
    varying = []
    for name, column in columns.items():
        is_nominal = column.dtype.kind != "f" if chosen is None else name in chosen
        factor = _nominal(name, column) if is_nominal else _continuous(name, column)
        if factor is not None:
            varying.append(factor)
    if not varying:
        raise InputError("no factor varies: there is nothing that latents could tell apart")
    _check_rows(len(varying[0].codes))
    return varying, len(columns) - len(varying)


def varies(values: Floats) -> NDArray[np.bool_]:
    """Tell which columns of ``(n, J)`` vary beyond rounding."""
    return np.asarray(np.ptp(values, axis=0) > _DEAD * np.abs(values).max(axis=0))


def standardise(values: Floats) -> Floats:
    """Columns ``(n, J)`` that vary, with mean 0 and variance 1."""
    # Divided by the largest magnitude first: squares of very large or small values would leave the range of floats.
    scaled = values / np.abs(values).max(axis=0, initial=0.0)
    centred = scaled - scaled.mean(0)
    return np.asarray(centred / centred.std(0))


def quantile_codes(values: Floats) -> Ints:
    """Bins of columns ``(n, J)``: the values themselves where there are at most 20, else 20 bins of equal count.

    Bins depend on ranks alone, so that a monotone map or an outlier moves nothing; equal values share a bin.
    """
    ranks = stats.rankdata(values, axis=0)
    codes = np.asarray((ranks - 0.5) * BINS / len(values)).astype(np.intp)
    for j in np.flatnonzero(discrete(values)):
        codes[:, j] = np.unique(values[:, j], return_inverse=True)[1]
    return codes


def discrete(values: Floats) -> NDArray[np.bool_]:
    """Tell which columns of ``(n, J)`` have at most 20 distinct values."""
    # A few rows settle it for most columns, without another sort.
    head = [np.unique(column[:1000]).size <= BINS for column in values.T]
    return np.array([few and np.unique(column).size <= BINS for few, column in zip(head, values.T, strict=True)], bool)


def width_codes(values: Floats) -> Ints:
    """20 bins of equal width of columns ``(n, J)`` that vary: what other libraries use, at the mercy of one outlier."""
    low = values.min(axis=0)
    share = (values - low) / np.ptp(values, axis=0)
    return np.asarray(np.minimum(share * BINS, BINS - 1)).astype(np.intp)


def _columns(factors: Columns) -> dict[str, NDArray[np.generic]]:
    if isinstance(factors, Mapping):
        columns = {str(name): np.asarray(column) for name, column in factors.items()}
    else:
        table = np.asarray(factors)
        if table.ndim == 1:
            table = table[:, None]
        if table.ndim != 2:
            raise InputError(f"factors must be rows by factors, not an array of shape {table.shape}")
        columns = {str(k): column for k, column in enumerate(table.T)}
    if not columns:
        raise InputError("there are no factors")
    for name, column in columns.items():
        if column.ndim != 1:
            raise InputError(f"one column was expected, not an array of shape {column.shape}", column=f"factor {name}")
    return columns


def _nominal(name: str, column: NDArray[np.generic]) -> Factor | None:
    if column.dtype.kind == "f":
        column = _numbers(column, f"factor {name}")
    elif column.dtype.kind == "O":
        missing = np.array([value is None or value != value for value in column])
        _refuse(missing, f"factor {name}")
        column = column.astype(str)
    levels, codes = np.unique(column, return_inverse=True)
    return Factor(name, codes.astype(np.intp), None) if levels.size > 1 else None


def _continuous(name: str, column: NDArray[np.generic]) -> Factor | None:
    values = _numbers(column, f"factor {name}")[:, None]
    if not varies(values)[0]:
        return None
    values = standardise(values)
    return Factor(name, quantile_codes(values)[:, 0], values[:, 0])


def _numbers(column: NDArray[np.generic], name: str) -> Floats:
    try:
        values = np.asarray(column).astype(np.float64)
    except (TypeError, ValueError):
        raise InputError("numbers were expected", column=name) from None
    _refuse(~np.isfinite(values), name)
    return values


def _refuse(bad: NDArray[np.bool_], name: str) -> None:
    if bad.any():
        raise InputError(
            f"{int(bad.sum())} of {bad.size} values are missing or infinite, the first in row {int(bad.argmax())}; "
            "drop those rows or fill them in",
            column=name,
        )


def _check_rows(n: int) -> None:
    if n < MIN_ROWS:
        raise InputError(f"{n} rows are too few to measure anything; at least {MIN_ROWS} are needed")
