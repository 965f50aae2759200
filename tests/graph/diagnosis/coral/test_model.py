"""CORAL as a registered model: what it says of a cause, and the state of its stream."""

from __future__ import annotations

import numpy as np
from failing_chain import chain

from distaff_data.datasets.incidents import Topology
from distaff_graph.diagnosis.coral.model import CORAL


def test_coral_tells_the_path_and_the_onset() -> None:
    case, edges = chain()
    cause = CORAL().diagnose_case(case, edges).causes[0]
    assert cause.path == ("c|x", "b|x", "kpi|x")
    assert cause.onset == 200.0


def test_the_state_of_a_stream_does_not_grow() -> None:
    stream = CORAL().stream(Topology(("a|x", "b|x", "c|x"), 0))
    rng, sizes = np.random.default_rng(0), []
    for batch in range(60):
        stream.update(np.arange(60.0) + 60 * batch, rng.standard_normal((60, 3)))
        sizes.append(sum(value.nbytes for value in stream.state().values()))
    assert max(sizes[30:]) <= 1.1 * max(sizes[12:30])
