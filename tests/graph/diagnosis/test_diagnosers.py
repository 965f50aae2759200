"""Every diagnoser: the same ranking twice, faults traced to their origin, no units, refused onsets."""

from __future__ import annotations

import numpy as np
import pytest
from failing_chain import chain

from distaff.incidents.base import Diagnoser
from distaff.model import registry
from distaff_data.datasets.dependencies import read_as
from distaff_data.datasets.incidents import Case, Edge, Incidents
from distaff_data.errors import InputError
from distaff_data.planted.incidents import planted_incidents

NAMES = (
    "baro",
    "circa",
    "coral",
    "epsilon_diagnosis",
    "floor_z",
    "hypothesis_test",
    "kpi_correlation",
    "nsigma",
    "onset_order",
    "pagerank",
    "prism",
    "random",
    "rcd",
    "recency",
    "traversal",
)


@pytest.fixture(scope="module")
def data() -> Incidents:
    return planted_incidents(n_cases=6, n_entities=4, n_normal=200, n_fault=100, invisible_share=0, seed=1)


@pytest.mark.parametrize("name", NAMES)
def test_every_diagnoser_ranks_all_entities_but_the_kpi_the_same_way_twice(name: str, data: Incidents) -> None:
    model = registry.model_class(name)()
    assert isinstance(model, Diagnoser)
    first, again = (model.diagnose_case(data.cases[0], seed=3) for _ in range(2))
    assert first == again
    assert set(first.entities) == {e for e in data.cases[0].entities if e != "entry"}
    assert all(np.isfinite(cause.score) for cause in first.causes)


@pytest.mark.parametrize("name", ["coral", "onset_order", "pagerank", "traversal"])
def test_a_fault_that_spreads_is_traced_to_its_origin(name: str) -> None:
    case, edges = chain()
    model = registry.model_class(name)()
    assert isinstance(model, Diagnoser)
    calls = Incidents("d", (case,), tuple(Edge(e.target, e.source) for e in edges))
    for read in (Incidents("d", (case,), edges), read_as(calls, "calls")):
        diagnosis = model.diagnose_case(case, read.edges)
        assert (diagnosis.entities[0], diagnosis.graph, diagnosis.warnings) == ("c", "given", ())


def test_the_direction_of_a_graph_is_read_as_it_is_declared() -> None:
    case, edges = chain()
    wrong = tuple(Edge(e.target, e.source) for e in edges)
    for name in ("recency", "pagerank"):
        model = registry.model_class(name)()
        assert isinstance(model, Diagnoser)
        assert model.diagnose_case(case, wrong).columns != model.diagnose_case(case, edges).columns
    (warning,) = Diagnoser.named("coral")().diagnose_case(case, wrong).warnings
    assert "nothing acts on the KPI" in warning


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_columns_does_not_matter(name: str, data: Incidents) -> None:
    model = registry.model_class(name)()
    assert isinstance(model, Diagnoser)
    flat = data.cases[2].values.copy()
    flat[:, [3, 5]] = flat[:, [2]]  # metrics that nothing tells apart
    case = Case(**{**vars(data.cases[2]), "values": flat})
    edges = (Edge("service02", "entry"), Edge("service01", "service02"))
    expected = model.diagnose_case(case, edges)
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(len(case.columns))
        columns = tuple(case.columns[i] for i in order)
        kpi = int(np.flatnonzero(order == case.kpi)[0])
        permuted = Case(**{**vars(case), "columns": columns, "values": case.values[:, order], "kpi": kpi})
        assert model.diagnose_case(permuted, edges) == expected


@pytest.mark.parametrize("name", ["coral", "floor_z", "onset_order", "traversal"])
def test_units_do_not_matter(name: str, data: Incidents) -> None:
    case = data.cases[1]
    factors = np.random.default_rng(0).lognormal(0, 5, len(case.columns))
    scaled = Case(**{**vars(case), "values": case.values * factors})
    model = registry.model_class(name)()
    assert isinstance(model, Diagnoser)
    assert model.diagnose_case(case).columns == model.diagnose_case(scaled).columns


def test_an_onset_that_is_unknown_or_leaves_no_rows_is_refused(data: Incidents) -> None:
    model = registry.model_class("floor_z")()
    assert isinstance(model, Diagnoser)
    with pytest.raises(InputError, match="no known onset"):
        model.diagnose_case(Case(**{**vars(data.cases[0]), "onset": None}))
    with pytest.raises(InputError, match="no rows"):
        model.diagnose_case(data.cases[0], at=-5.0)
