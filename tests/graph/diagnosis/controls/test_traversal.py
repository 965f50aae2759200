"""PetShop's baseline on a case worked out by hand."""

from __future__ import annotations

import numpy as np

from distaff_data.datasets.incidents import Case, Edge
from distaff_graph.diagnosis.controls.traversal import Traversal


def test_traversal_sums_scores_along_the_way_and_takes_circles_as_one() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((120, 6))
    values[100:, :5] += np.array([20.0, 10.0, 30.0, 40.0, 15.0])
    columns = ("kpi|x", "b|x", "c|x", "d|x", "e|x", "f|x")
    case = Case("way", columns, np.arange(120.0), values, 100.0, 0)
    # c and d call one another and reach the KPI over b; e reaches it alone; f is calm.
    edges = tuple(Edge(*pair) for pair in (("b", "kpi"), ("c", "b"), ("c", "d"), ("d", "c"), ("e", "kpi"), ("f", "e")))
    model = Traversal()
    scores = {cause.column[0]: cause.score for cause in model.diagnose_case(case, edges).causes}
    assert scores["c"] == scores["d"] > scores["e"] > 1
    assert scores["b"] < 1
    assert scores["f"] < 1
