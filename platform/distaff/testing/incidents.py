"""The suite that every diagnoser passes."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distaff.incidents.base import Diagnoser
from distaff.model.fitting import fit
from distaff.recommenders.base import Recommender
from distaff.testing.common import Make, SettingsSuite, answered_or_refused, fitted_or_refused
from distaff.testing.data import chain_frame, chain_incident, chain_incidents, ids, waves
from distaff_data.datasets.incidents import Case, Incidents
from distaff_data.errors import InputError

_FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


class DiagnoserSuite(SettingsSuite):
    """The contract of :class:`distaff.incidents.base.Diagnoser`, tested on faults that spread along a chain.

    Fixtures that a subclass may override: ``make`` (it has to), and ``finds_the_root``, whether the first entity of a chain
    is blamed first.
    """

    @pytest.fixture
    def finds_the_root(self) -> bool:
        """Tell whether a fault of six deviations is found at its root; a random ranking does not."""
        return True

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls) -> Incidents:
        return chain_incidents()

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, make: Make, data: Incidents) -> Diagnoser:
        model: Diagnoser = make()
        fit(model, data, seed=1, device="cpu")
        return model

    def test_every_metric_is_ranked_once_at_most_and_the_kpi_never(self, fitted: Diagnoser, data: Incidents) -> None:
        assert [diagnosis.case for diagnosis in fitted.diagnoses] == [case.name for case in data.cases]
        for case, diagnosis in zip(data.cases, fitted.diagnoses, strict=True):
            assert case.kpi is not None
            assert len(diagnosis.columns) == len(set(diagnosis.columns))
            assert set(diagnosis.columns) <= set(case.columns) - {case.columns[case.kpi]}
            scores = [cause.score for cause in diagnosis.causes]
            assert np.isfinite(scores).all()
            assert scores == sorted(scores, reverse=True)

    def test_the_root_comes_first(self, fitted: Diagnoser, data: Incidents, finds_the_root: bool) -> None:
        if not finds_the_root:
            pytest.skip("is not meant to")
        assert [diagnosis.entities[0] for diagnosis in fitted.diagnoses] == ["a"] * len(data.cases)

    def test_the_same_seed_gives_the_same_ranking(self, make: Make, fitted: Diagnoser, data: Incidents) -> None:
        np.random.rand(3)  # whatever else draws from the global generator must not matter
        again = make()
        fit(again, data, seed=1, device="cpu")
        assert again.diagnoses == fitted.diagnoses

    def test_measuring_scores_the_cases_whose_causes_are_known(self, fitted: Diagnoser, data: Incidents) -> None:
        (measurement,) = fitted.measure()
        assert measurement.split == "test"
        assert measurement.units.to_pylist() == [case.name for case in data.cases]
        assert set(fitted.headline) <= set(measurement.metrics)
        for name, values in measurement.per_unit.items():
            assert float(values.mean()) == pytest.approx(measurement.metrics[name])

    def test_saving_and_loading_keeps_the_diagnoses(self, fitted: Diagnoser, tmp_path: Path) -> None:
        fitted.save(tmp_path / "model")
        loaded = Diagnoser.load(tmp_path / "model")
        assert type(loaded) is type(fitted)
        assert loaded.config == fitted.config
        assert loaded.diagnoses == fitted.diagnoses
        with pytest.raises(InputError, match="incidents"):
            Recommender.load(tmp_path / "model")

    def test_a_copy_of_a_fitted_diagnoser_ranks_alike_and_shares_nothing_with_it(
        self, fitted: Diagnoser, data: Incidents
    ) -> None:
        normal = dict(fitted.normal)
        model = copy.deepcopy(fitted)
        assert type(model) is type(fitted)
        assert (model.diagnoses, model.normal) == (fitted.diagnoses, normal)
        assert model.diagnose_case(data.cases[0], data.edges, seed=1) == fitted.diagnoses[0]
        model.normal.clear()
        assert fitted.normal == normal

    def test_a_frame_gives_the_ranking_of_its_case(self, make: Make, data: Incidents) -> None:
        case = replace(data.cases[0], roots=(), root_columns=())
        frame = chain_frame(case)
        of_case = make().diagnose(case, onset=case.onset, edges=data.edges, seed=0)
        of_frame = make().diagnose(frame, kpi="c|x", onset=case.onset, edges=data.edges, seed=0)
        of_pandas = make().diagnose(frame.to_pandas(), kpi="c|x", onset=case.onset, edges=data.edges, seed=0)
        assert of_frame.causes.columns[:4] == ["rank", "entity", "metric", "score"]
        assert type(of_pandas.causes).__module__.partition(".")[0] == "pandas"
        if make().name != "random":  # its draws follow the case's name
            assert of_frame.causes["metric"].to_list() == of_case.causes["metric"].to_list()
        assert of_pandas.causes["metric"].tolist() == of_frame.causes["metric"].to_list()

    def test_an_onset_it_cannot_find_has_to_be_given(self, make: Make, data: Incidents) -> None:
        case = replace(data.cases[0], onset=None)
        model = make()
        diagnosis = answered_or_refused(model, lambda: model.diagnose_case(case, detect=True))
        assert diagnosis is None or diagnosis.trigger is None or case.times[0] < diagnosis.trigger <= case.times[-1]

    @_FEW
    @given(names=st.lists(ids(), min_size=3, max_size=3, unique=True))
    def test_entities_of_any_name_are_ranked(self, make: Make, names: list[str]) -> None:
        case = replace(chain_incident(40, 20), roots=(), root_columns=())
        renamed = replace(case, columns=tuple(f"{i}{name.replace('|', '')}|x" for i, name in enumerate(names)))
        diagnosis = make().diagnose_case(renamed)
        assert set(diagnosis.columns) <= set(renamed.columns[:2])

    @pytest.mark.parametrize("constant", [0, 1, 2])
    def test_a_constant_metric_changes_no_score_into_nonsense(self, make: Make, constant: int) -> None:
        case = chain_incident(60, 30)
        values = case.values.copy()
        values[:, constant] = 7.0
        diagnosis = make().diagnose_case(replace(case, values=values))
        assert np.isfinite([cause.score for cause in diagnosis.causes]).all()

    def test_gaps_are_filled(self, make: Make) -> None:
        case = chain_incident(60, 30)
        values = case.values.copy()
        values[::7, 1] = np.nan
        diagnosis = make().diagnose_case(replace(case, values=values))
        assert np.isfinite([cause.score for cause in diagnosis.causes]).all()

    def test_one_metric_alone_leaves_nobody_to_blame(self, make: Make) -> None:
        case = chain_incident(60, 30)
        alone = Case("alone", columns=("c|x",), times=case.times, values=case.values[:, 2:], kpi=0, onset=case.onset)
        assert _causes_or_refusal(make(), alone) in ((), None)

    def test_one_metric_beside_the_kpi_is_the_only_suspect(self, make: Make) -> None:
        case = chain_incident(60, 30)
        pair = Case(
            "pair", columns=("b|x", "c|x"), times=case.times, values=case.values[:, 1:], kpi=1, onset=case.onset
        )
        assert _causes_or_refusal(make(), pair) in (("b|x",), (), None)

    @pytest.mark.parametrize("n_rows", [0, 1, 2, 3, 4])
    def test_a_few_rows_are_ranked_or_refused_in_a_sentence(self, make: Make, n_rows: int) -> None:
        frame = chain_frame(chain_incident(60, 30)).slice(29, n_rows)
        onset = frame["time"][n_rows // 2] if n_rows else 0.0
        ranking = fitted_or_refused(lambda: make().diagnose(frame, kpi="c|x", onset=onset))
        assert ranking is None or n_rows > 1
        assert ranking is None or ranking.causes["score"].is_finite().all()
        detected = fitted_or_refused(
            lambda: answered_or_refused(model := make(), lambda: model.diagnose(frame, kpi="c|x"))
        )
        assert detected is None or n_rows > 2

    def test_edges_of_unknown_ends_are_refused_with_the_nearest_names(self, make: Make) -> None:
        frame = chain_frame(chain_incident(60, 30))
        onset = frame["time"][30]
        with pytest.raises(InputError, match=r"(?s)b -> c\|y.*'c\|y'.*c\|x"):
            make().diagnose(frame, kpi="c|x", onset=onset, edges=[("a", "b"), ("b", "c|y")])
        with pytest.raises(InputError, match=r"nobody -> b\|z.*'nobody'.*'b\|z'.*b\|x"):
            make().diagnose(frame, kpi="c|x", onset=onset, edges=[("nobody", "b|z")])

    def test_an_onset_outside_the_rows_is_refused(self, make: Make) -> None:
        with pytest.raises(InputError, match="onset"):
            make().diagnose_case(replace(chain_incident(60, 30), onset=1e9), detect=False)

    def test_data_of_another_kind_is_refused(self, make: Make) -> None:
        with pytest.raises(InputError):
            make().diagnose(waves(50), onset=10.0)

    def test_no_cases_at_all_are_refused(self, make: Make) -> None:
        with pytest.raises(InputError, match="no cases"):
            fit(make(), Incidents("empty", ()), device="cpu")


def _causes_or_refusal(model: Diagnoser, case: Case) -> Any:
    """Return the ranked metrics; None where the case is refused in a sentence."""
    return fitted_or_refused(lambda: tuple(model.diagnose_case(case).columns))
