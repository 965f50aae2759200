"""One thread for many small operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold linear algebra and scikit-learn to one thread; also a decorator.

    Resampling and fits here are thousands of operations of a millisecond. On a busy machine, threads that wait for each
    other at the end of each made InfoMEC thirty times slower.
    """
    with threadpool_limits(1):
        yield
