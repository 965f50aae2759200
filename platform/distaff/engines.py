"""The places where independent pieces of work are carried out: in this process, or by the workers of a Ray cluster.

Ray (the extra ``[ray]``) joins the cluster that ``RAY_ADDRESS`` names, whose machines must see the workspace under the same
path, or else starts one on this machine that nobody outside it reaches and that ends with the work.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from distaff_data.errors import InputError, UnknownNameError

ENGINES = ("local", "ray")
RETRIES = 3  # of work whose process was killed
_POLL = 0.5  # seconds

T = TypeVar("T")
R = TypeVar("R")


def check(engine: str) -> None:
    """Refuse an engine that there is not.

    Raises:
        UnknownNameError: It is none of :data:`ENGINES`.
        InputError: Its package is missing.
    """
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    if engine == "ray":
        _ray()


def ray_each(
    work: Callable[[T], R],
    tasks: Iterable[T],
    *,
    workers: int | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Iterator[R]:
    """Carry out ``work`` with each task on a Ray cluster; yields results as they come, in any order.

    What a killed process was doing is done again, up to :data:`RETRIES` times a task.

    Args:
        work: A function that workers can import.
        tasks: What it is called with.
        workers: Processors of a cluster that is started here; all of the machine's when None.
        meanwhile: Called again and again while the tasks are under way.

    Raises:
        InputError: Ray is not installed, or its cluster cannot be reached.
        Exception: What ``work`` raised.
    """
    ray = _ray()
    with _cluster(ray, workers):
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(work)
        waiting = [remote.remote(task) for task in tasks]
        try:
            while waiting:
                done, waiting = ray.wait(waiting, timeout=_POLL)
                meanwhile()
                for result in done:
                    yield ray.get(result)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        finally:
            for left in waiting:
                ray.cancel(left)


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise InputError('the engine ray needs its package: pip install "distaff[ray]"') from None
    return ray


@contextmanager
def _cluster(ray: Any, workers: int | None) -> Iterator[None]:
    """The cluster in whose life the block runs; one that was there before stays."""
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"log_to_driver": False}
    if address is None:
        # A token of its own, so that none is written into the user's home.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        options |= {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(address or "local", **options)
    except Exception as error:  # whatever the client raises; its first line says what is wrong
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise InputError(f"cannot reach a Ray cluster: {reason}") from None
    try:
        yield
    finally:
        ray.shutdown()
