"""A cause has a path to the KPI wherever the given graph has one, also over metrics that stayed within their past."""

from __future__ import annotations

import numpy as np

from distaff_graph.diagnosis.coral.core import CORALCore
from distaff_graph.diagnosis.coral.evidence import Kinds
from distaff_graph.diagnosis.coral.graph import Knowledge


def test_a_path_goes_over_metrics_that_did_not_move() -> None:
    rng = np.random.default_rng(0)
    # 3 acts on 2, 2 on 1, 1 on the KPI 0; 4 acts on nothing.
    core = CORALCore(Kinds.of(np.arange(5), np.arange(5)), 0, Knowledge.from_edges(5, [(3, 2), (2, 1), (1, 0)]))
    core.add_normal(rng.standard_normal((100, 5)))
    core.trigger()
    rows = rng.standard_normal((30, 5))
    rows[:, 3:] += 50
    causes = {cause.metric: cause for cause in core.advance(rows).causes}
    assert causes[3].path == (3, 2, 1, 0)
    assert causes[4].path == ()
