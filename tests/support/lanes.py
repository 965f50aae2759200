"""The lane of quick tests: those that ``tests/slow.txt`` names are marked slow, for what they took when all were measured.

``pytest --write-slow`` on a quiet machine writes the file anew, from the tests of the run: a test that is not run stays as
it is.
"""

from __future__ import annotations

from pathlib import Path

import pytest

NAMED = Path(__file__).parents[1] / "slow.txt"
LEAST = 0.3  # seconds: of the tests of graph models one in thirteen is longer, and these take nine tenths of the time

_took: dict[str, float] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-slow", action="store_true", help=f"name the tests longer than {LEAST} s in {NAMED.name}")


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = named()
    for item in items:
        if test_of(item.nodeid) in slow:
            item.add_marker(pytest.mark.slow)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":  # a fixture of many is paid by whichever comes first
        name = test_of(report.nodeid)
        _took[name] = max(_took.get(name, 0.0), report.duration)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--write-slow") and not hasattr(session.config, "workerinput"):
        slow = {name for name in named() if name not in _took} | {n for n, took in _took.items() if took >= LEAST}
        NAMED.write_text("".join(f"{name}\n" for name in sorted(slow)))


def named() -> set[str]:
    return set(NAMED.read_text().splitlines())


def test_of(nodeid: str) -> str:
    """Return a test's name without its parameters."""
    return nodeid.partition("[")[0]
