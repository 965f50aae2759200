from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from distaff.incidents.rcaeval import method
from distaff_data.errors import InputError


def frame() -> Any:
    """A fault at b's memory from row 200 on, with RCAEval's columns."""
    pd = pytest.importorskip("pandas")
    values = np.random.default_rng(0).standard_normal((300, 4))
    values[200:, 2] += 30
    return pd.DataFrame(values, columns=["a_cpu", "a_latency", "b_mem", "c"]).assign(time=np.arange(300.0) + 1e9)


@pytest.mark.parametrize("name", ["coral", "floor_z"])
@pytest.mark.parametrize("onset", ["given", "detected"])
def test_columns_are_ranked_by_their_own_names(name: str, onset: str) -> None:
    found = method(name, onset=onset)(frame(), 1e9 + 200, dataset="any", sli="a_latency", anomalies=None)
    assert found["ranks"][0] == "b_mem"
    assert set(found["ranks"]) <= {"a_cpu", "b_mem", "c"}
    assert len(set(found["ranks"])) == len(found["ranks"])


def test_a_model_of_other_data_is_refused() -> None:
    with pytest.raises(InputError, match="not of incidents"):
        method("ease")
