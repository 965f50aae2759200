"""Every diagnoser keeps the contract."""

from __future__ import annotations

import pytest

from distaff.incidents.base import Diagnoser
from distaff.model.registry import model_class, names
from distaff.testing import DiagnoserSuite
from distaff.testing.common import Make

OPTIONAL = {"circa_pc", "pagerank_pc"}  # learn graphs by a package that is slow; they have tests of their own
# Blame what is near the KPI, latest, what the graph does not explain, or anything.
ELSEWHERE = {"circa", "hypothesis_test", "kpi_correlation", "random", "rcd", "recency", "traversal"}


@pytest.mark.parametrize(
    "name", [n for n in names() if n not in OPTIONAL and issubclass(model_class(n), Diagnoser)], scope="class"
)
class TestEveryDiagnoser(DiagnoserSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, name: str) -> Make:
        return lambda: Diagnoser.named(name)()

    @pytest.fixture
    def finds_the_root(self, name: str) -> bool:
        return name not in ELSEWHERE
