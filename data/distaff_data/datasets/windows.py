"""Windows of series: views into one tensor, gathered by index; nothing is copied before a batch is taken."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from distaff_data.datasets.series import Series


@dataclass(frozen=True)
class Windows:
    """Windows of one length.

    Attributes:
        starts: First row of each, int64 ``(n,)``.
        entities: Entity of each, int64 ``(n,)``.
        length: Rows of a window, T.
    """

    starts: Tensor
    entities: Tensor
    length: int
    _values: Tensor
    _mask: Tensor
    _ends: Tensor
    _ragged: bool

    @classmethod
    def of(
        cls, data: Series, starts: Tensor, entities: Tensor, length: int, device: torch.device | str = "cpu"
    ) -> Windows:
        """Return windows of ``data`` on a device; one that runs past its entity's end has missing rows there."""
        ends = data.offsets[entities + 1]
        ragged = bool((starts + length > ends).any())
        values, mask = data.values, data.mask
        if len(values) < length:
            values, mask = (F.pad(tensor, (0, 0, 0, length - len(values))) for tensor in (values, mask))
        return cls(starts, entities, length, values.to(device), mask.to(device), ends, ragged)

    def __len__(self) -> int:
        return self.starts.numel()

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return values and mask of some windows, float32 and bool ``(b, T, C)``, in memory of their own.

        Args:
            index: Which windows, int64 ``(b,)``.
        """
        starts = self.starts[index]
        within = starts.clamp(max=len(self._values) - self.length)
        rows = within.to(self._values.device)
        values, mask = (_rows(tensor, self.length).index_select(0, rows) for tensor in (self._values, self._mask))
        late = starts - within
        if bool(late.any()):  # these run past the last row of all, and are moved to their place
            row = (torch.arange(self.length) + late.unsqueeze(1)).clamp(max=self.length - 1).to(rows.device)
            place = row.unsqueeze(2).expand(values.shape)
            values, mask = values.gather(1, place), mask.gather(1, place)
        if self._ragged:
            remaining = (self._ends[index] - starts).to(rows.device)
            inside = torch.arange(self.length, device=rows.device) < remaining.unsqueeze(1)
            values, mask = values * inside.unsqueeze(2), mask & inside.unsqueeze(2)
        return values, mask

    def where(self, chosen: Tensor) -> Windows:
        """Return some of the windows, by mask or by index."""
        return Windows(
            self.starts[chosen],
            self.entities[chosen],
            self.length,
            self._values,
            self._mask,
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
        device: Where batches will be.
    """
    span = length + horizon
    if data.whole and not horizon:
        counts = torch.ones(data.n_entities, dtype=torch.long)
    else:
        counts = (data.lengths - span).div(step, rounding_mode="floor").add(1).clamp(min=0)
    entities = torch.repeat_interleave(torch.arange(data.n_entities), counts)
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    starts = data.offsets[entities] + step * (torch.arange(len(entities)) - first)
    ends = torch.minimum(starts + span, data.offsets[entities + 1])
    measured = _count(data.mask.any(1), starts, torch.minimum(starts + length, ends)) > 0
    if split is not None:
        split_rows = data.rows_of(split)
        since = starts if split == "train" else torch.minimum(starts + (length if horizon else length - 1), ends - 1)
        measured &= _count(split_rows, since, ends) == ends - since
    return Windows.of(data, starts[measured], entities[measured], span, device)


def latest(data: Series, length: int, device: torch.device | str = "cpu") -> Windows:
    """Return the last ``length`` rows of every entity that has so many."""
    entities = torch.nonzero(data.lengths >= length).flatten()
    return Windows.of(data, data.offsets[entities + 1] - length, entities, length, device)


def _rows(tensor: Tensor, length: int) -> Tensor:
    """Return a view with a window in each row, ``(R - length + 1, length, C)``, whatever the strides of ``(R, C)``."""
    return tensor.unfold(0, length, 1).transpose(1, 2)


def _count(rows: Tensor, since: Tensor, until: Tensor) -> Tensor:
    """Return how many of ``rows[since:until]`` are set."""
    before = torch.cat([torch.zeros(1, dtype=torch.long), rows.long().cumsum(0)])
    return before[until] - before[since]
