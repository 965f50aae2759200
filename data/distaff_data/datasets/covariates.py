"""What is known beside the channels of series: covariates that were measured, that are known ahead, or that never change.

A covariate is a column of numbers, or of categories, of which each becomes a column that is 1 in its rows and 0 in others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from distaff_data.errors import InputError

Role = Literal["future", "past", "static"]
ROLES: tuple[Role, ...] = get_args(Role)
_MOST = 64  # categories of one covariate


@dataclass(frozen=True)
class Covariate:
    """A column of covariates.

    Attributes:
        name: Of the covariate.
        role: ``future``: known as far ahead as forecasts go; ``past``: measured like a channel, and known no further;
            ``static``: the same in all rows of an entity.
        category: Whose rows hold 1; None for numbers.
    """

    name: str
    role: Role
    category: str | None = None


@dataclass(frozen=True)
class Covariates:
    """The covariates of the rows of series.

    Attributes:
        columns: What each of the K columns is.
        values: 0 where missing, float32 ``(R, K)``.
        mask: True where known, bool ``(R, K)``.
    """

    columns: tuple[Covariate, ...]
    values: Tensor
    mask: Tensor

    @classmethod
    def of(cls, columns: tuple[Covariate, ...], numbers: npt.NDArray[np.floating]) -> Covariates:
        """Return covariates of numbers ``(R, K)``, NaN where missing."""
        values = torch.from_numpy(np.array(numbers, dtype=np.float32, order="C"))
        return cls(columns, values.nan_to_num(0.0, 0.0, 0.0), torch.isfinite(values))

    def __len__(self) -> int:
        return len(self.columns)

    def names(self, *roles: Role) -> list[str]:
        """Return the names of the covariates that have some role, each once."""
        return list(dict.fromkeys(column.name for column in self.columns if column.role in roles))

    def having(self, *roles: Role) -> Tensor:
        """Return which columns have some role, bool ``(K,)``."""
        return torch.tensor([column.role in roles for column in self.columns], dtype=torch.bool)

    def rows(self, chosen: Tensor) -> Covariates:
        """Return the covariates of some rows, by mask or by index."""
        return Covariates(self.columns, self.values[chosen], self.mask[chosen])

    def under(self, columns: tuple[Covariate, ...]) -> Covariates:
        """Return the same rows under other columns: a category that no row has is 0, an unknown one is none.

        Raises:
            InputError: There is no such covariate, or it was of numbers and is of texts, or the other way round.
        """
        place_of = {column: place for place, column in enumerate(self.columns)}
        kinds = {(column.name, column.role, column.category is None) for column in self.columns}
        lacking = [c.name for c in columns if (c.name, c.role, c.category is None) not in kinds]
        if lacking:
            raise InputError(f"the model reads the covariates {', '.join(dict.fromkeys(lacking))}, which these series lack",
                             column=lacking[0])  # fmt: skip
        values, mask = torch.zeros(len(self.values), len(columns)), torch.ones(len(self.values), len(columns)).bool()
        for place, column in enumerate(columns):
            if column in place_of:
                values[:, place], mask[:, place] = self.values[:, place_of[column]], self.mask[:, place_of[column]]
        return Covariates(columns, values, mask)

    def numbers(self) -> npt.NDArray[np.float32]:
        """Return the values, NaN where missing, ``(R, K)``."""
        numbers: npt.NDArray[np.float32] = torch.where(self.mask, self.values, torch.nan).numpy()
        return numbers


def coded(
    columns: Sequence[tuple[Role, pl.Series]],
) -> tuple[tuple[Covariate, ...], npt.NDArray[np.float32]]:
    """Return columns of covariates and their numbers, ``(n, K)``, NaN where missing.

    Raises:
        InputError: A column of texts has more than 64 different ones.
    """
    described: list[Covariate] = []
    numbers: list[npt.NDArray[np.float32]] = []
    for role, column in columns:
        cells = _numbers_of(column)
        if cells is not None:
            described.append(Covariate(column.name, role))
            numbers.append(cells)
            continue
        texts = _texts_of(column)
        categories = sorted(texts.drop_nulls().unique().to_list())
        if len(categories) > _MOST:
            raise InputError(
                f"a covariate of texts has at most {_MOST} different ones, and this one has {len(categories)}",
                column=column.name,
            )
        described += [Covariate(column.name, role, category) for category in categories]
        numbers += [_rows_of(texts, category) for category in categories]
    return tuple(described), _side_by_side(numbers, len(columns[0][1]) if columns else 0)


def recoded(columns: Sequence[Covariate], of: dict[str, pl.Series]) -> npt.NDArray[np.float32]:
    """Return the numbers of new rows in columns as they are, ``(n, K)``; a new category is none of those that are known.

    Raises:
        InputError: A covariate of numbers holds something else.
    """
    numbers = []
    for column in columns:
        cells = of[column.name]
        if column.category is not None:
            numbers.append(_rows_of(_texts_of(cells), column.category))
            continue
        read = _numbers_of(cells)
        if read is None:
            raise InputError("the covariate was of numbers, and is no longer", column=column.name)
        numbers.append(read)
    return _side_by_side(numbers, len(next(iter(of.values()))) if of else 0)


def _numbers_of(column: pl.Series) -> npt.NDArray[np.float32] | None:
    """Return a column as numbers, NaN where missing; None where it holds anything else."""
    cells = _texts_of(column) if column.dtype == pl.String else column
    numbers = cells.cast(pl.Float64, strict=False) if not cells.dtype.is_temporal() else None
    if numbers is None or numbers.null_count() > cells.null_count():
        return None
    return numbers.to_numpy().astype(np.float32)


def _texts_of(column: pl.Series) -> pl.Series:
    """Return a column as trimmed texts, NULL where there is nothing in them."""
    texts = column.cast(pl.String).str.strip_chars()
    return texts.replace({"": None})


def _rows_of(texts: pl.Series, category: str) -> npt.NDArray[np.float32]:
    """Return 1 in the rows of a category and 0 in all others: a cell without a text is of no category."""
    numbers: npt.NDArray[np.float32] = (texts == category).fill_null(False).cast(pl.Float32).to_numpy()
    return numbers


def _side_by_side(numbers: Sequence[npt.NDArray[np.float32]], n: int) -> npt.NDArray[np.float32]:
    return np.stack(numbers, axis=1) if numbers else np.empty((n, 0), dtype=np.float32)
