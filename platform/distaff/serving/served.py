"""Runs that are served, each under the name it was asked for; a name that comes to stand for another run is swapped.

A swap is one assignment: whoever was asked before it answers by the old run to the end, and nobody waits for a model that is
being read. A run that cannot be read leaves the one before it in place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distaff.model.registry import model_class
from distaff.recommenders.base import Recommender
from distaff.recommenders.explain import factor_names
from distaff.runs import aliases, records
from distaff.serving.published import Lists, read_lists
from distaff_data.errors import DistaffError, UnknownNameError
from distaff_data.tables.interactions import load_titles
from distaff_data.workspace import Workspace


@dataclass(frozen=True)
class Served:
    """A run at hand.

    Attributes:
        run: Its id.
        dataset: What it was fitted to.
        kind: ``interactions``, ``series`` or ``incidents``.
        stamp: What tells the files of its model from others under the same id: ``forget`` saves a model anew.
        model: The fitted recommender; None of other kinds, of which only what is published is served.
        lists: What is published of it; None of other kinds.
        titles: Names of items that people are shown.
        factors: Names of its factors.
    """

    run: str
    dataset: str
    kind: str
    stamp: tuple[int, int]
    model: Recommender | None = None
    lists: Lists | None = None
    titles: dict[str, str] = field(default_factory=dict)
    factors: dict[int, str] = field(default_factory=dict)


def read_run(workspace: Workspace, name: str) -> Served:
    """Return the run that a name stands for.

    Raises:
        InputError: There is none, or it has no model.
    """
    run = records.find(workspace, aliases.resolve(workspace, name))
    folder = records.model_folder(workspace, run.run)
    kind = model_class(run.model)
    if not issubclass(kind, Recommender):
        return Served(run.run, run.dataset, str(kind.kind), _stamp(folder))
    stamp = _stamp(folder)  # before it is read: what is saved meanwhile is met by the next look
    loaded = Recommender.load(folder)
    lists = read_lists(workspace.warehouse, run.run)
    titles = load_titles(workspace.warehouse, run.dataset)
    return Served(run.run, run.dataset, loaded.kind, stamp, loaded, lists, titles, factor_names(workspace, run.run))


def _stamp(folder: Path) -> tuple[int, int]:
    manifest = (folder / "model.json").stat()
    return manifest.st_ino, manifest.st_mtime_ns


class Shelf:
    """The runs that are served now, by name; looked up by many threads, renewed by one."""

    def __init__(
        self, workspace: Workspace, names: Sequence[str], tell: Callable[[str], None] = lambda text: None
    ) -> None:
        self.workspace, self._tell = workspace, tell
        self._served = {name: read_run(workspace, name) for name in names}
        self.swaps, self.failures, self.looked = 0, 0, time.time()
        self._ended = threading.Event()

    def __getitem__(self, name: str) -> Served:
        try:
            return self._served[name]
        except KeyError:
            raise UnknownNameError("run or alias that is served", name, self._served) from None

    def all(self) -> dict[str, Served]:
        """Return every run that is served now, by name."""
        return dict(self._served)

    def renew(self) -> None:
        """Look once whether a name stands for another run, or a run's lists were published anew."""
        for name, served in self.all().items():
            try:
                fresh = self._renewed(name, served)
            except (DistaffError, OSError) as error:
                self.failures += 1
                self._tell(f"{name} stays run {served.run}: {error}")
                continue
            except Exception as error:  # of one name: the others are looked for all the same
                self.failures += 1
                self._tell(f"{name} stays run {served.run}: {type(error).__name__}")
                continue
            if fresh is not served:
                self._served[name] = fresh
                self.swaps += 1
                self._tell(f"{name} is run {fresh.run}")
        self.looked = time.time()

    def _renewed(self, name: str, served: Served) -> Served:
        warehouse = self.workspace.warehouse
        run = aliases.resolve(self.workspace, name)
        if run != served.run or _stamp(records.model_folder(self.workspace, run)) != served.stamp:
            return read_run(self.workspace, name)
        if served.lists is None or warehouse.live(f"recommendations/{served.run}") == served.lists.generation:
            return served
        return replace(served, lists=read_lists(warehouse, served.run))

    def follow(self, seconds: float) -> threading.Thread:
        """Renew every so many seconds, until :meth:`end`; returns the thread that does."""

        def go_on() -> None:
            while not self._ended.wait(seconds):
                try:
                    self.renew()
                except Exception as error:  # the thread must outlive whatever a look meets
                    self.failures += 1
                    self._tell(f"cannot look for promotions: {type(error).__name__}")

        thread = threading.Thread(target=go_on, name="promotions", daemon=True)
        thread.start()
        return thread

    def end(self) -> None:
        """Stop following."""
        self._ended.set()


def facts(served: Served) -> dict[str, Any]:
    """Return what anybody may know of a run that is served."""
    users = None if served.lists is None else len(served.lists.spans)
    return {"run": served.run, "dataset": served.dataset, "kind": served.kind, "users": users}
