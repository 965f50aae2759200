"""The surprise in rows: the error of a model, and how rare one as large is where nothing is known to be wrong.

A row's score is the mean over its measured channels of squared errors, in units of the channels' training deviation. Its
p-value is split-conformal (Vovk, Gammerman and Shafer 2005): (1 + validation rows that score as high or higher) / (1 + n).
Of rows exchangeable with those of validation, no more than a share p has a p-value up to p. Rows of a series are roughly
exchangeable at best, and the encoder's epoch was chosen on the same validation rows: it is a calibration on the recent past.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor

from distaff.series.blocks import blocks
from distaff.series.contract import WindowModel
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, slide
from distaff_data.errors import InputError, UnsupportedError


@dataclass(frozen=True)
class Scores:
    """Scores of some rows; of first rows, which stand for their windows, where each entity is one window.

    Attributes:
        data: Whose rows they are.
        rows: Which rows, ascending, int64 ``(n,)``.
        values: Their scores, float64 ``(n,)``.
    """

    data: Series
    rows: Tensor
    values: Tensor


def anomaly_table(model: WindowModel, data: Series, by: str | None = None) -> pa.Table:
    """Return the scores of some data, and how rare they are on the model's own; see :meth:`.SeriesModel.anomalies`."""
    if by is None:
        by = "reconstruction" if model.reconstructs else "forecast"
    if by not in ("reconstruction", "forecast"):
        raise InputError("scores are by reconstruction or by forecast", column="by", value=by)
    if by == "forecast":
        if model.data.whole:
            raise UnsupportedError(
                f"each entity of this dataset is one window; {model.name} has nothing after it to expect"
            )
        model.prepare_forecasts(1)
    usual, scores = (row_scores(model, series, by) for series in (model.data, data))
    return score_table(scores, usual)


@torch.no_grad()
def row_scores(model: WindowModel, data: Series, by: str) -> Scores:
    """Return the score of every row that can have one.

    Such a row has a measured value, in an entity as long as a window, and for a forecast comes after one.

    Args:
        model: Fitted.
        data: What to score.
        by: reconstruction, in windows end to end, the last flush with the entity's end, or forecast, one row ahead.

    Raises:
        InputError: There is no such row.
    """
    length, n_rows = model.length, len(data.values)
    ahead = by == "forecast"
    windows = slide(data, length, horizon=1, device=model.device) if ahead else _covering(data, length, model.device)
    sums, count = (torch.zeros(n_rows, dtype=torch.float64) for _ in range(2))
    for block in blocks(windows):
        values, mask = model.take(windows, block)
        if ahead:
            expected = model.forecast_after(windows, block, values[:, :length], mask[:, :length], 1)
            values, mask = values[:, length:], mask[:, length:]
            rows = windows.starts[block].unsqueeze(1) + length
        else:
            expected = model.reconstruct(values, mask)
            rows = windows.starts[block].unsqueeze(1) + torch.arange(length)
        errors, measured = ((expected - values) * mask).double().square().sum(2).cpu(), mask.sum(2).cpu().double()
        if data.whole:
            rows, errors, measured = rows[:, :1], errors.sum(1, keepdim=True), measured.sum(1, keepdim=True)
        rows = rows.clamp(max=n_rows - 1)  # a window that runs past its entity has nothing measured there
        sums.index_add_(0, rows.flatten(), errors.flatten())
        count.index_add_(0, rows.flatten(), measured.flatten())
    scored = torch.nonzero(count > 0).flatten()
    if not scored.numel():
        raise InputError(f"no row can be scored: no entity has {length + ahead} rows")
    return Scores(data, scored, sums[scored] / count[scored])


def score_table(scores: Scores, usual: Scores) -> pa.Table:
    """Return the table ``entity, time, score, p_value`` of scores beside those of the validation rows of ``usual``.

    Raises:
        InputError: None of these was scored.
    """
    valid = usual.values[usual.data.rows_of("valid")[usual.rows]].sort().values
    if not valid.numel():
        raise InputError(f"dataset {usual.data.name!r} has no validation rows to compare with")
    higher = len(valid) - torch.searchsorted(valid, scores.values)
    entities = scores.data.entity_of_row()[scores.rows]
    return pa.table(
        {
            "entity": scores.data.entity_ids.take(pa.array(entities.numpy())),
            "time": scores.data.times[scores.rows].numpy(),
            "score": scores.values.numpy(),
            "p_value": ((1 + higher).double() / (1 + len(valid))).numpy(),
        }
    )


def _covering(data: Series, length: int, device: torch.device) -> Windows:
    """Return windows end to end, and one more that ends with the entity where rows are left over."""
    tiles = slide(data, length, step=length, device=device)
    if data.whole:
        return tiles
    over = torch.nonzero((data.lengths >= length) & (data.lengths % length > 0)).flatten()
    starts = torch.cat([tiles.starts, data.offsets[over + 1] - length])
    return Windows.of(data, starts, torch.cat([tiles.entities, over]), length, device)
