"""Windows of series: views into one tensor, gathered by index; nothing is copied before a batch is taken."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff_data.datasets.series import Series

_LEAST = 2  # rows of an entity that are seen before a forecast


@dataclass(frozen=True)
class Windows:
    """Windows of one length.

    Attributes:
        starts: First row of each, int64 ``(n,)``.
        entities: Entity of each, int64 ``(n,)``.
        length: Rows of a window, T.
        data: Whose they are.
    """

    starts: Tensor
    entities: Tensor
    length: int
    data: Series
    _values: Tensor
    _mask: Tensor
    _begins: Tensor
    _ends: Tensor
    _ragged: bool

    @classmethod
    def of(
        cls, data: Series, starts: Tensor, entities: Tensor, length: int, device: torch.device | str = "cpu"
    ) -> Windows:
        """Return windows of ``data`` on a device; one that reaches beyond its entity has missing rows there."""
        begins, ends = data.offsets[entities], data.offsets[entities + 1]
        ragged = bool(((starts + length > ends) | (starts < begins)).any())
        values, mask = data.values, data.mask
        if len(values) < length:
            values, mask = (F.pad(tensor, (0, 0, 0, length - len(values))) for tensor in (values, mask))
        return cls(starts, entities, length, data, values.to(device), mask.to(device), begins, ends, ragged)

    def __len__(self) -> int:
        return self.starts.numel()

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return values and mask of some windows, float32 and bool ``(b, T, C)``, in memory of their own.

        Args:
            index: Which windows, int64 ``(b,)``.
        """
        starts = self.starts[index]
        within = starts.clamp(0, len(self._values) - self.length)
        rows = within.to(self._values.device)
        values, mask = (_rows(tensor, self.length).index_select(0, rows) for tensor in (self._values, self._mask))
        late = starts - within
        if bool(
            late.any()
        ):  # these begin before the first row of all or run past the last, and are moved to their place
            row = (torch.arange(self.length) + late.unsqueeze(1)).clamp(0, self.length - 1).to(rows.device)
            place = row.unsqueeze(2).expand(values.shape)
            values, mask = values.gather(1, place), mask.gather(1, place)
        if self._ragged:
            row = torch.arange(self.length) + starts.unsqueeze(1)
            inside = (row >= self._begins[index].unsqueeze(1)) & (row < self._ends[index].unsqueeze(1))
            inside = inside.to(rows.device)
            values, mask = values * inside.unsqueeze(2), mask & inside.unsqueeze(2)
        return values, mask

    def where(self, chosen: Tensor) -> Windows:
        """Return some of the windows, by mask or by index."""
        return Windows(
            self.starts[chosen],
            self.entities[chosen],
            self.length,
            self.data,
            self._values,
            self._mask,
            self._begins[chosen],
            self._ends[chosen],
            self._ragged,
        )


def slide(
    data: Series,
    length: int,
    *,
    horizon: int = 0,
    split: str | None = None,
    step: int = 1,
    early: Tensor | None = None,
    device: torch.device | str = "cpu",
) -> Windows:
    """Return windows of ``length + horizon`` rows along every entity, without those that measured nothing in ``length``.

    A training window lies in training rows altogether. One of another split has its horizon there (its last row, without a
    horizon), and may reach back into the rows before. Where each entity is one window (``data.whole``), that is the window.

    Args:
        data: The series.
        length: Rows that a model sees.
        horizon: Rows to forecast after them.
        split: Only windows of this split; all when None.
        step: Rows between starts.
        early: Rows before its first one at which an entity's first window begins, int64 ``(E,)``; they are missing.
        device: Where batches will be.
    """
    span = length + horizon
    early = torch.zeros_like(data.lengths) if early is None else early
    if data.whole and not horizon:
        counts = torch.ones(data.n_entities, dtype=torch.long)
    else:
        counts = (data.lengths + early - span).div(step, rounding_mode="floor").add(1).clamp(min=0)
    entities = torch.repeat_interleave(torch.arange(data.n_entities), counts)
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    starts = data.offsets[entities] - early[entities] + step * (torch.arange(len(entities)) - first)
    ends = torch.minimum(starts + span, data.offsets[entities + 1])
    inside = torch.maximum(starts, data.offsets[entities])
    measured = _count(data.mask.any(1), inside, torch.minimum(starts + length, ends)) > 0
    if split is not None:
        split_rows = data.rows_of(split)
        since = inside if split == "train" else torch.minimum(starts + (length if horizon else length - 1), ends - 1)
        measured &= _count(split_rows, since, ends) == ends - since
    return Windows.of(data, starts[measured], entities[measured], span, device)


def with_future(
    data: Series, length: int, horizon: int, split: str | None = None, device: torch.device | str = "cpu"
) -> Windows:
    """Return windows as :func:`slide` does, and of short entities those too that begin before their first row.

    An entity is short where its training rows hold fewer than ``horizon`` windows. Such a window holds a quarter of its
    ``length`` rows at least, and the others are missing: the latest rows are at its end in any case.
    """
    trained = torch.zeros(data.n_entities, dtype=torch.long)
    trained.index_add_(0, data.entity_of_row(), data.rows_of("train").long())
    least = torch.minimum(torch.tensor(max(length // 4, _LEAST)), (trained - horizon).clamp(min=_LEAST)).clamp(
        max=length
    )
    early = torch.where(trained < length + 2 * horizon, length - least, 0)
    return slide(data, length, horizon=horizon, split=split, early=early, device=device)


def usual_room(data: Series, horizon: int) -> int:
    """Return how many rows may stand before a horizon within the training rows of the entity that the middle row is of.

    Where the horizon leaves less than half of them, nothing is trained on windows that long, and half of them is returned.
    """
    trained = torch.zeros(data.n_entities, dtype=torch.long)
    trained.index_add_(0, data.entity_of_row(), data.rows_of("train").long())
    ordered = trained.sort().values
    middle = int(torch.searchsorted(ordered.cumsum(0), (int(ordered.sum()) + 1) // 2))
    return max(int(ordered[middle]) - horizon, int(ordered[middle]) // 2, _LEAST)


def latest(data: Series, length: int, device: torch.device | str = "cpu", *, least: int | None = None) -> Windows:
    """Return the last ``length`` rows of every entity that has so many, or ``least`` of them, the others missing."""
    entities = torch.nonzero(data.lengths >= (length if least is None else min(least, length))).flatten()
    return Windows.of(data, data.offsets[entities + 1] - length, entities, length, device)


def _rows(tensor: Tensor, length: int) -> Tensor:
    """Return a view with a window in each row, ``(R - length + 1, length, C)``, whatever the strides of ``(R, C)``."""
    return tensor.unfold(0, length, 1).transpose(1, 2)


def _count(rows: Tensor, since: Tensor, until: Tensor) -> Tensor:
    """Return how many of ``rows[since:until]`` are set."""
    before = torch.cat([torch.zeros(1, dtype=torch.long), rows.long().cumsum(0)])
    return before[until] - before[since]
