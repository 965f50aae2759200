"""The surprise in rows: the error of a model, and how rare one as large is where nothing is known to be wrong.

A row's error is the mean over its measured channels of squared errors, in units of the channels' training deviation. Beside
it stand the row's level and stillness (:mod:`distaff.series.levels`), which no model is asked for. The score by all of them
is the largest, each in units of what one validation row in a hundred exceeds. The p-value of a score is split-conformal
(Vovk, Gammerman and Shafer 2005): (1 + validation rows that score as high or higher) / (1 + n). Of rows exchangeable with
those of validation, no more than a share p has a p-value up to p. Rows of a series are roughly exchangeable at best, levels
and stillness are of rows that overlap, and the encoder's epoch was chosen on the same validation rows: it is a calibration
on the recent past.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa
import torch
from torch import Tensor

from distaff.series.blocks import blocks
from distaff.series.contract import WindowModel
from distaff.series.levels import levels, stillness
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
    if by is not None and by not in ("reconstruction", "forecast", "level", "stillness"):
        raise InputError("scores are by reconstruction or by forecast, level or stillness", column="by", value=by)
    if by in ("level", "stillness"):
        return score_table(*(_beside(model, series, by, _channel_units(model, by)) for series in (data, model.data)))
    error = by or ("reconstruction" if model.reconstructs else "forecast")
    if error == "forecast":
        if model.data.whole:
            raise UnsupportedError(
                f"each entity of this dataset is one window; {model.name} has nothing after it to expect"
            )
        model.prepare_forecasts(1)
    usual, scores = (row_scores(model, series, error) for series in (model.data, data))
    if by is None and not model.data.whole:
        usual, scores = _largest(model, usual, scores)
    return score_table(scores, usual)


def _largest(model: WindowModel, usual: Scores, scores: Scores) -> tuple[Scores, Scores]:
    """Return the largest of error, level and stillness of the model's own rows and of others, in units of what is rare."""
    kinds = {by: _channel_units(model, by) for by in ("level", "stillness")}
    answers = []
    for one in (usual, scores):
        values = one.values / _rare(usual.values[usual.data.rows_of("valid")[usual.rows]].unsqueeze(1))
        for by, unit in kinds.items():
            beside = torch.zeros(len(one.data.values), dtype=torch.float64)
            other = _beside(model, one.data, by, unit)
            beside[other.rows] = other.values
            values = torch.maximum(values, beside[one.rows])
        answers.append(replace(one, values=values))
    return answers[0], answers[1]


def _channel_units(model: WindowModel, by: str) -> Tensor:
    """Return what is rare of each channel's levels or stillness on the model's own validation rows, ``(C,)``."""
    values = levels(model, model.data) if by == "level" else stillness(model, model.data)
    return _rare(values[model.data.rows_of("valid")])


def _rare(values: Tensor) -> Tensor:
    """Return what one in a hundred of each column exceeds, ``(C,)``; infinite where there is none."""
    if not len(values):
        return torch.full(values.shape[1:], torch.inf, dtype=values.dtype)
    rare = torch.stack([column[torch.isfinite(column)].sort().values[[int(0.99 * int(torch.isfinite(column).sum()))]]
                        if bool(torch.isfinite(column).any()) else torch.full((1,), torch.inf, dtype=values.dtype)
                        for column in values.T])  # fmt: skip
    return rare[:, 0].clamp(min=1e-12)


def _beside(model: WindowModel, data: Series, by: str, unit: Tensor) -> Scores:
    """Return the largest level or stillness of each row's channels, each in its unit, where there is one."""
    values = (levels(model, data) if by == "level" else stillness(model, data)) / unit
    rows = torch.nonzero(torch.isfinite(values).any(1)).flatten()
    return Scores(data, rows, values[rows].nan_to_num(0.0).amax(1))


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
