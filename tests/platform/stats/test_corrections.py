"""P values corrected for their number."""

from __future__ import annotations

import numpy as np
import pytest

from distaff.stats.corrections import holm


def test_holm_keeps_the_family_wise_error_and_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


def test_holm_is_its_definition_in_any_shape() -> None:
    p = np.array([[0.01, 0.04], [0.03, 0.005]])
    np.testing.assert_allclose(holm(p), [[0.03, 0.06], [0.06, 0.02]])
    assert holm(np.zeros((0, 3))).shape == (0, 3)
    assert holm(np.array([0.9, 0.8])).max() == 1.0
