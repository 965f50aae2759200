"""Models of series as people use them: fit, embed, forecast, classify, and say what is surprising.

What a model implements is in :mod:`distaff.series.contract`, how it is measured in :mod:`distaff.series.measures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Self

import pyarrow as pa
import torch
from torch import Tensor

from distaff.model.base import Epoch
from distaff.series.anomalies import row_scores, surprising
from distaff.series.blocks import blocks
from distaff.series.measures import MeasuredSeries
from distaff.series.tables import class_table, forecast_table, vector_table
from distaff_data.datasets.series import Series
from distaff_data.datasets.windows import Windows, latest, slide
from distaff_data.errors import InputError, UnsupportedError
from distaff_data.ingest.frames import series_of


class SeriesModel(MeasuredSeries):
    """A model of windows of series, measured by frozen encodings under linear heads."""

    def fit(
        self,
        series: object,
        labels: Sequence[object] | None = None,
        *,
        split: str | None = None,
        seed: int = 0,
        device: str = "auto",
        report: Callable[[Epoch], None] = lambda _: None,
    ) -> Self:
        """Fit to series.

        Args:
            series: :class:`~distaff_data.datasets.series.Series`, whose own split is kept unless ``split`` is given;
                an array of one series ``(R, C)`` or of windows ``(n, T, C)``; or a frame, see
                :func:`distaff_data.ingest.frames.from_frame`.
            labels: Classes of the windows of an array.
            split: See :mod:`distaff_data.splits.series`; what fits the data when None.
            seed: Seed of every random draw.
            device: ``auto``, ``cpu`` or ``cuda``.
            report: Called after each epoch of a model trained by gradient.
        """
        from distaff.model.fitting import fit

        fit(self, series_of(series, labels, split=split, seed=seed), seed=seed, device=device, report=report)
        return self

    def embed(
        self,
        series: object | None = None,
        *,
        level: str = "instance",
        step: int | None = None,
        length: int | None = None,
    ) -> pa.Table:
        """Vectors of windows.

        Args:
            series: New data with the same channels; the model's own when None.
            level: ``instance``, one vector a window, or ``timestamp``, one a patch.
            step: Rows between windows' starts; a window's length when None.
            length: Rows of a window; the length that the model was fitted to when None.

        Returns:
            Arrow table ``level, entity, channel, start, patch, values``.

        Raises:
            UnsupportedError: The model has no vectors of that level, or knows one length only.
        """
        return pa.concat_tables(self.embed_blocks(series, level=level, step=step, length=length))

    transform = embed

    def embed_blocks(
        self,
        series: object | None = None,
        *,
        level: str = "instance",
        step: int | None = None,
        length: int | None = None,
    ) -> Iterator[pa.Table]:
        """The tables that :meth:`embed` gives as one, some windows at a time: together they may not fit into memory."""
        if level not in ("instance", "timestamp"):
            raise InputError("the level is instance or timestamp", column="level", value=level)
        if step is not None and step < 1:
            raise InputError("windows begin 1 row apart or more", column="step", value=step)
        data = self._own(series)
        rows = self._rows(length)
        windows = slide(data, rows, step=step or rows, device=self.device)
        if not len(windows):
            raise InputError(f"no entity has a window of {rows} rows")
        for block in blocks(windows):
            yield self._vectors(data, windows, block, level)

    def forecast(self, series: object | None = None, *, horizon: int | None = None, coverage: float = 0.9) -> pa.Table:
        """Forecast the rows after the last ones of each entity, in the channels' own units.

        Args:
            series: New histories with the same channels; the model's own series when None.
            horizon: Rows ahead; the longest of ``horizons`` when None.
            coverage: Of the intervals; see :func:`distaff.series.forecasting.conformal_radius`.

        Returns:
            Arrow table ``entity, channel, step, time, value, low, high``.
        """
        steps = max(self.config.horizons) if horizon is None else horizon
        if steps < 1:
            raise InputError("the horizon is 1 or more", column="horizon", value=steps)
        data, scaler = self._own(series), self.scaler
        assert scaler is not None
        if self.data.whole:
            raise UnsupportedError("each entity of this dataset is one window; there is nothing after it to forecast")
        radius = self.radius(steps, coverage)
        windows = latest(data, self.length, self.device)
        if not len(windows):
            raise InputError(f"no entity has the {self.length} rows that {self.name} looks back on")
        parts = []
        for block in blocks(windows):
            values, mask = self.take(windows, block)
            parts.append(self.predict(values, mask, steps).cpu())
        scaled = torch.cat(parts)
        values, low, high = map(scaler.invert, (scaled, scaled - radius, scaled + radius))
        return forecast_table(data, windows, values, low, high)

    def classify(self, series: object | None = None, *, length: int | None = None) -> pa.Table:
        """Classes of windows.

        Args:
            series: New windows with the same channels; the model's own data when None.
            length: Rows of a window; the length that the model was fitted to when None.

        Returns:
            Arrow table ``entity, split, label, predicted, probability``.

        Raises:
            UnsupportedError: The model was fitted to data without labels, or knows one length only.
        """
        data = self._own(series)
        windows = slide(data, self._rows(length), device=self.device)
        best, codes = self._probabilities(windows).max(1)
        return class_table(data, windows, self.data.classes, codes, best)

    def anomalies(self, series: object | None = None, *, by: str | None = None) -> pa.Table:
        """How surprising each row is, or each window where an entity is one; see :mod:`distaff.series.anomalies`.

        Args:
            series: New data with the same channels; the model's own when None.
            by: ``reconstruction``, how far rows are from what the model makes of their windows, or ``forecast``, from what
                it expects after the rows before; what the model can when None, reconstruction first.

        Returns:
            Arrow table ``entity, time, score, p_value``.

        Raises:
            InputError: No row can be scored, or there are no validation rows to compare with.
            UnsupportedError: The model cannot do what ``by`` asks for.
        """
        if by not in (None, "reconstruction", "forecast"):
            raise InputError("scores are by reconstruction or by forecast", column="by", value=by)
        if by is None:
            by = "forecast" if type(self).reconstruct is SeriesModel.reconstruct else "reconstruction"
        if by == "forecast" and self.data.whole:
            raise UnsupportedError("each entity of this dataset is one window; there is nothing after it to expect")
        if by == "forecast":
            self.prepare_forecasts(1)
        own, data = (row_scores(self, given, by) for given in (self.data, self._own(series)))
        return surprising(data, own)

    def _rows(self, length: int | None) -> int:
        """Rows of a window, where people may ask for another length."""
        if length is None or length == self.length:
            return self.length
        if not self.any_length:
            raise UnsupportedError(f"this {self.name} knows windows of {self.length} rows, and none of {length}")
        if length < self.least_length:
            raise InputError(f"a window has at least {self.least_length} rows", column="length", value=length)
        return length

    def _vectors(self, data: Series, windows: Windows, block: Tensor, level: str) -> pa.Table:
        encoding = self.encode(*self.take(windows, block))
        vectors = encoding.instances.unsqueeze(2) if level == "instance" else encoding.timestamps
        if vectors is None:
            raise UnsupportedError(f"{self.name} has no vectors of time stamps; ask for level instance")
        return vector_table(data, windows.where(block), vectors.float().cpu(), level)

    def _own(self, series: object | None) -> Series:
        """New data as series; refuses other channels than the model's."""
        if series is None:
            return self.data
        data = series if isinstance(series, Series) else series_of(series, None, split=None, seed=0)
        if len(data.channels) != len(self.data.channels):
            raise InputError(f"the model knows {len(self.data.channels)} channels, and there are {len(data.channels)}")
        return data
