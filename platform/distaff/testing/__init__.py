"""Conformance suites: what every model of a kind must do, as test classes that a model's package subclasses.

A package, ours or a third party's, overrides one fixture and runs the inherited tests with pytest::

    from distaff.testing import RecommenderSuite

    class TestMine(RecommenderSuite):
        @pytest.fixture(scope="class")
        @classmethod
        def make(cls):
            return lambda: MyModel(n_intents=2)

:class:`RecommenderSuite`, :class:`SeriesSuite` and :class:`DiagnoserSuite` state the contracts of
:class:`distaff.Recommender`, :class:`distaff.SeriesModel` and :class:`distaff.Diagnoser`; :mod:`distaff.testing.data` has
the small data they use. They need the extra ``testing``.
"""

try:
    import hypothesis  # noqa: F401
    import pytest  # noqa: F401
except ImportError as error:  # one helpful sentence instead of a module that is missing somewhere below
    raise ImportError('the conformance suites need pytest and hypothesis: pip install "distaff[testing]"') from error

from distaff.testing.incidents import DiagnoserSuite
from distaff.testing.recommenders import RecommenderSuite
from distaff.testing.series import SeriesSuite

__all__ = ["DiagnoserSuite", "RecommenderSuite", "SeriesSuite"]
