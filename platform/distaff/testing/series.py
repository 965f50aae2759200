"""The suite that every model of series passes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from distaff.recommenders.base import Recommender
from distaff.series.model import SeriesModel
from distaff.testing.common import Make, SettingsSuite, answered_or_refused, fitted_or_refused, overwrite
from distaff.testing.data import checkerboard, labelled_windows, odd_rows, waves
from distaff_data.datasets.series import Series
from distaff_data.errors import InputError
from distaff_data.splits.series import divide

_FEW = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


class SeriesSuite(SettingsSuite):
    """The contract of :class:`distaff.series.model.SeriesModel`, tested on waves, or on labelled windows.

    Fixtures that a subclass may override: ``make`` (it has to; the model should take windows of 24 rows or the data's own),
    and ``data``: by default two channels of a wave for a model that forecasts, and windows of two classes for one that
    does not.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls, make: Make) -> Series:
        return waves(240, noise=0.05) if make().forecasts else labelled_windows()

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, make: Make, data: Series) -> SeriesModel:
        model: SeriesModel = make().fit(data, seed=1, device="cpu")
        return model

    # ------------------------------------------------------------------------------------------------------------ answers

    def test_vectors_are_finite_one_for_each_window(self, fitted: SeriesModel, data: Series) -> None:
        vectors = answered_or_refused(fitted, lambda: fitted.transform())
        if vectors is None:
            pytest.skip("has no vectors, and says so")
        assert isinstance(vectors, pl.DataFrame)
        assert set(vectors["entity"].to_list()) <= set(data.entity_ids.to_pylist())
        widths = vectors["values"].list.len().unique().to_list()
        assert len(widths) == 1
        assert np.isfinite(vectors["values"].explode().to_numpy()).all()

    def test_forecasts_lie_inside_their_intervals_one_step_after_the_other(
        self, fitted: SeriesModel, data: Series
    ) -> None:
        if not fitted.forecasts:
            pytest.skip("tells classes")
        forecasts = fitted.forecast(5)
        assert len(forecasts) == 5 * len(data.channels) * data.n_entities
        assert forecasts["step"].unique().sort().to_list() == [1, 2, 3, 4, 5]
        assert (forecasts["low"] <= forecasts["value"]).all()
        assert (forecasts["value"] <= forecasts["high"]).all()
        assert forecasts["value"].is_finite().all()
        assert forecasts["time"].min() > float(data.times.max())
        with pytest.raises(InputError, match="horizon"):
            fitted.forecast(0)

    def test_classes_are_those_of_the_data_with_their_probability(self, make: Make) -> None:
        model = make()
        if not model.classifies:
            with pytest.raises(InputError, match=model.name):
                model.fit(labelled_windows(), device="cpu")
            return
        data = labelled_windows()
        classes = model.fit(data, seed=0, device="cpu").predict()
        assert len(classes) == data.n_entities
        assert set(classes["predicted"].to_list()) <= set(data.classes)
        assert classes["probability"].is_between(1 / len(data.classes) - 1e-6, 1 + 1e-6).all()
        test = classes.filter(pl.col("split") == "test")
        measured = {m.split: m.metrics["accuracy"] for m in model.measure()}
        assert (test["predicted"] == test["label"]).mean() == pytest.approx(measured["test"], abs=1e-6)

    def test_anomaly_scores_are_numbers_with_p_values_or_refused(self, fitted: SeriesModel) -> None:
        scores = answered_or_refused(fitted, lambda: fitted.anomalies())
        if scores is None:
            return
        assert scores["score"].is_finite().all()
        assert scores["p_value"].is_between(0, 1).all()

    # ----------------------------------------------------------------------------------------------- files and repetition

    def test_saving_and_loading_keeps_every_answer(self, fitted: SeriesModel, data: Series, tmp_path: Path) -> None:
        answer = _answer(fitted)
        fitted.save(tmp_path / "model")
        loaded = SeriesModel.load(tmp_path / "model")
        assert type(loaded) is type(fitted)
        assert loaded.config == fitted.config
        assert _answer(loaded).equals(answer)
        for name, value in fitted.state().items():
            assert torch.equal(loaded.state()[name], value), name
        with pytest.raises(InputError, match="series"):
            Recommender.load(tmp_path / "model")

    def test_a_copy_of_a_fitted_model_answers_alike_and_shares_nothing_with_it(self, fitted: SeriesModel) -> None:
        answer = _answer(fitted)
        model = copy.deepcopy(fitted)
        assert type(model) is type(fitted)
        assert _answer(model).equals(answer)
        overwrite(model.state())
        assert _answer(fitted).equals(answer)

    def test_the_same_seed_gives_the_same_answers(self, make: Make, fitted: SeriesModel, data: Series) -> None:
        torch.rand(7)  # whatever else draws from the global generator must not matter
        again = make().fit(data, seed=1, device="cpu")
        assert _answer(again).equals(_answer(fitted))

    def test_measuring_gives_what_the_fit_was_validated_by(self, fitted: SeriesModel, data: Series) -> None:
        validate = fitted.validator(data)
        assert validate is not None
        reported, measured = validate(), {m.split: m for m in fitted.measure()}
        assert set(measured) == {"valid", "test"}
        for name, value in reported.items():
            assert measured["valid"].metrics[name] == pytest.approx(value, abs=1e-6)
        for measurement in measured.values():
            for name, values in measurement.per_unit.items():
                assert len(values) == len(measurement.units)
                assert bool(torch.isfinite(values).all()), name

    # ------------------------------------------------------------------------------------------------------------ any data

    def test_the_same_numbers_in_another_layout_give_the_same_answers(self, make: Make) -> None:
        if not make().forecasts:
            pytest.skip("tells classes")
        rows = np.asarray(waves(120, noise=0.05).values)
        first = make().fit(rows, seed=2, device="cpu").forecast(3)
        layouts = {
            "Fortran order": np.asfortranarray(rows),
            "float64": rows.astype(np.float64),
            "a view": np.repeat(rows, 2, axis=0)[::2],
            "lists": rows.tolist(),
        }
        for name, layout in layouts.items():
            assert make().fit(layout, seed=2, device="cpu").forecast(3).equals(first), name
        frame = pl.DataFrame({"a": rows[:, 0], "b": rows[:, 1]})
        for kind in (frame, frame.to_pandas(), frame.to_arrow()):
            forecast = pl.DataFrame(make().fit(kind, seed=2, device="cpu").forecast(3))
            assert forecast["value"].equals(first["value"]), type(kind)

    @_FEW
    @given(rows=odd_rows())
    def test_odd_rows_are_fitted_to_finite_answers_or_refused(self, make: Make, rows: Any) -> None:
        model = fitted_or_refused(lambda: make().fit(rows, seed=0, device="cpu"))
        if model is None or not model.forecasts:
            return
        forecasts = fitted_or_refused(lambda: model.forecast(2))
        assert forecasts is None or forecasts["value"].is_finite().all()

    @pytest.mark.parametrize("level", [0.0, 5.0, -1e4])
    def test_a_constant_series_goes_on_as_it_was(self, make: Make, level: float) -> None:
        if not make().forecasts:
            pytest.skip("tells classes")
        series = divide(Series.from_rows(np.full((200, 2), level), [200]), "ratio:0.6,0.2,0.2")
        model = fitted_or_refused(lambda: make().fit(series, seed=0, device="cpu"))
        if model is not None:
            assert model.forecast(3)["value"].to_numpy() == pytest.approx(level, rel=1e-3, abs=1e-3)

    def test_new_data_of_other_channels_are_refused(self, fitted: SeriesModel) -> None:
        with pytest.raises(InputError, match="channels"):
            fitted.transform(np.zeros((60, 7)))

    def test_data_of_another_kind_are_refused(self, make: Make) -> None:
        with pytest.raises(InputError):
            make().fit(checkerboard())

    def test_no_rows_at_all_are_refused(self, make: Make) -> None:
        with pytest.raises(InputError):
            make().fit(np.zeros((0, 2)))


def _answer(model: SeriesModel) -> pl.DataFrame:
    """Return what a model is there for: forecasts or classes."""
    answer: pl.DataFrame = model.predict() if model.data.classes else model.forecast(3)
    return answer
