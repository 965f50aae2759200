"""One request from beginning to end.

Every step finds what is left of the people and takes it out, so that a request that was killed is finished by making it
again: first the live tables, that nothing is fitted to them any more; then the models, that nothing is recommended to them;
then files; and last every older version of the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from filelock import Timeout

from distaff.deletion import bin
from distaff.deletion.bin import Deletion
from distaff.factors.intents.evidence import explain_run
from distaff.factors.intents.notes import mentioning
from distaff.forgetting import audit, exports, files, proof, unlearning
from distaff.forgetting.audit import ModelRecord, Request
from distaff.forgetting.proof import Pooled
from distaff.runs import marks, records
from distaff.runs.records import Run
from distaff_data.errors import DistaffError, InputError
from distaff_data.tables import people as persons
from distaff_data.tables.datasets import kind_of
from distaff_data.workspace import Workspace


@dataclass(frozen=True)
class Forgotten:
    """The outcome of a request.

    Attributes:
        request: The audit record.
        models: What was done to each model, and what the attack on it found before and after.
        sources: Files that the dataset was read from. They are not Distaff's: take the people out of them too, or the next
            ingestion brings them back.
        pooled: The attacks of all requests for one person each, over the whole dataset: one person's alone has no power.
        notes: Factors, ``RUN/FACTOR``, and runs and datasets whose note has an id of theirs in it. What an analyst wrote is
            theirs to change; what it said before goes with the request.
        exports: Files that were exported into the workspace and name them still.
        cleared: What was in the bin and of this dataset. It was cleared out: nobody can take a person out of what is not
            shown, and what was fitted to them may not come back.
    """

    request: Request
    models: tuple[ModelRecord, ...]
    sources: str
    notes: tuple[str, ...]
    pooled: tuple[Pooled, ...] = ()
    exports: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape of ``forget``."""
        facts = asdict(self.request)
        facts["people"] = len(facts.pop("subjects"))
        models, pooled = ([asdict(row) for row in rows] for rows in (self.models, self.pooled))
        stays = {"sources": self.sources, "notes": self.notes, "exports": self.exports, "cleared": self.cleared}
        return facts | {"models": models, "pooled": pooled} | stays


def forget(
    workspace: Workspace,
    people: Sequence[str],
    dataset: str | None = None,
    *,
    clean_exports: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Forgotten:
    """Take people out of a dataset, its runs and their models; models that are not exact are queued for a new fit.

    Args:
        workspace: The workspace.
        people: Their own ids.
        dataset: A dataset of interactions; the only one that names them when None.
        clean_exports: Take the rows that name them out of tables that were exported into the workspace too.
        progress: Told of each step before it begins.

    Raises:
        InputError: Nobody of such an id, or in several datasets; nothing was changed.
        DistaffError: Somebody else is, or was meanwhile, at the dataset, or a model could not be changed; make the request
            again.
    """
    people = sorted(set(people))
    dataset = _dataset(workspace, people, dataset)
    with ExitStack() as locks:
        fitted = _hold(workspace, dataset, locks)
        binned = bin.contents(workspace, dataset)
        names = sorted({run.run for run in fitted} | set(bin.runs_ever_deleted(workspace, dataset)))
        request = _check(workspace, dataset, names, people, binned, exported=clean_exports)
        if binned:
            progress("bin")
            request = audit.counted(workspace, request, files=bin.clear(workspace, binned))
        progress("tables: what is shown")
        persons.republish(workspace.warehouse, dataset, names, people)
        failed = unlearning.unlearn(workspace, request, fitted, people, progress) if fitted else {}
        _explain(workspace, request, progress)
        progress("files")
        request = audit.counted(workspace, request, files=files.clear(workspace, names, people))
        exported = exports.naming(workspace, people)
        if clean_exports:
            request = audit.counted(workspace, request, files=len(exports.clean(exported, people)))
            exported = exports.naming(workspace, people)
        progress("tables: what was replaced")
        request = audit.counted(workspace, request, rows=persons.erase(workspace.warehouse, dataset, names, people))
        progress("tables: older versions")
        persons.expunge(workspace.warehouse, dataset, names, people)
        for table in ("factor_notes", "marks"):
            workspace.warehouse.keep_newest(table)
        if failed:
            why = "; ".join(f"{run}: {reason}" for run, reason in failed.items())
            raise DistaffError(f"some models could not be changed, make the request again: {why}")
        progress("audit")
        _check_meanwhile(workspace, dataset, names, people)
        request = audit.finish(workspace, request)
    rows = workspace.warehouse.rows("SELECT source FROM datasets WHERE dataset = ?", [dataset])
    source = (rows[0]["source"] or "") if rows else ""  # without a row it was in the bin
    models = tuple(audit.models(workspace, forgetting=request.forgetting))
    noted = tuple(f"{note.run}/{note.factor}" for note in mentioning(workspace, names, people))
    noted += tuple(marks.mentioning(workspace, [dataset, *names], people))
    cleared = tuple(f"{deletion.kind} {deletion.name}" for deletion in binned)
    left = tuple(str(file.relative_to(workspace.root)) for file in exported)
    return Forgotten(request, models, source, noted, tuple(proof.pooled(workspace, dataset)), left, cleared)


def _dataset(workspace: Workspace, people: list[str], dataset: str | None) -> str:
    if not people:
        raise InputError("name at least one person")
    if dataset is not None and bin.contents(workspace, dataset) and not _is_loaded(workspace, dataset):
        return dataset
    if dataset is not None:
        kind = kind_of(workspace.warehouse, dataset)
        if kind != "interactions":
            raise InputError(f"dataset {dataset!r} holds {kind}, which belong to nobody; replace it without the entity")
        return dataset
    rows = workspace.warehouse.rows("SELECT DISTINCT dataset FROM users WHERE list_contains(?, user_id)", [people])
    named = {str(row["dataset"]) for row in rows} | bin.datasets_naming(workspace, people)
    named |= {
        r.dataset
        for r in audit.unfinished_requests(workspace)
        if set(audit.hashes(workspace, r.dataset, people)) <= set(r.subjects)
    }
    if len(named) > 1:
        raise InputError(f"several datasets have people of such ids; say which: --dataset {' or '.join(sorted(named))}")
    if not named:
        raise InputError("no dataset has people of such ids")
    return named.pop()


def _is_loaded(workspace: Workspace, dataset: str) -> bool:
    return bool(workspace.warehouse.rows("SELECT 1 FROM datasets WHERE dataset = ?", [dataset]))


def _hold(workspace: Workspace, dataset: str, locks: ExitStack) -> list[Run]:
    """Keep ingestions, scorings and other requests out; returns the dataset's runs, trials included.

    Raises:
        DistaffError: One is under way, or a run is being fitted.
    """
    names = [f"dataset/{dataset}", f"users/{dataset}", f"forget/{dataset}"]
    try:
        for name in names:
            locks.enter_context(workspace.warehouse.lock(name).acquire(blocking=False))
        fitted = _runs(workspace, dataset)
        for run in fitted:
            locks.enter_context(workspace.warehouse.lock(f"scoring/{run.run}").acquire(blocking=False))
    except Timeout:
        raise DistaffError(f"another process is at dataset {dataset!r} or at one of its runs; wait for it") from None
    fitting = [run.run for run in fitted if run.status == "running" and records.is_alive(workspace, run)]
    if fitting:
        raise DistaffError(f"{', '.join(fitting)} is being fitted to dataset {dataset!r}; wait for it or stop it")
    return fitted


def _runs(workspace: Workspace, dataset: str) -> list[Run]:
    sql = f"SELECT {records.COLUMNS} FROM runs WHERE dataset = ? ORDER BY run"
    return [Run(**row) for row in workspace.warehouse.rows(sql, [dataset])]


def _check_meanwhile(workspace: Workspace, dataset: str, names: list[str], people: list[str]) -> None:
    """Refuse to call a request done when somebody wrote the people again while it ran: fits and factors take no lock.

    Raises:
        DistaffError: The request has to be made again.
    """
    late = sorted({run.run for run in _runs(workspace, dataset)} - set(names))
    if late or persons.named(workspace.warehouse, dataset, names, people):
        what = ", ".join(late) or "a computation on their data"
        raise DistaffError(f"{what} began while the people were forgotten; make the request again when it is done")


def _check(workspace: Workspace, dataset: str, names: list[str], people: list[str], binned: Sequence[Deletion],
           *, exported: bool) -> Request:  # fmt: skip
    """Record the request, if there is anybody to forget.

    Raises:
        InputError: Somebody is named by no table and no model, by no export where those are to be cleaned, and no request
            for them was begun.
    """
    subjects = audit.hashes(workspace, dataset, people)
    if not any(r.dataset == dataset and r.subjects == subjects for r in audit.unfinished_requests(workspace)):
        unknown = set(people) - persons.named(workspace.warehouse, dataset, names, people)
        unknown -= unlearning.known(workspace, names, people)
        unknown -= _in_bin(workspace, binned, people)
        unknown = {person for person in unknown if not (exported and exports.naming(workspace, [person]))}
        if unknown:
            raise InputError(f"nobody of this id in dataset {dataset!r}", value=min(unknown))
    return audit.begin(workspace, dataset, people)


def _in_bin(workspace: Workspace, binned: Sequence[Deletion], people: list[str]) -> set[str]:
    """Return those of the people whom a dataset or a model in the bin names."""
    generations = [generation for deletion in binned for generation in deletion.generations]
    condition = "list_contains(?, generation) AND user_id = ?"
    found = {p for p in people if workspace.warehouse.stores("users", condition, [generations, p])}
    folders = [folder / "model" for deletion in binned for _, folder in bin.places(workspace, deletion)]
    return found | unlearning.named_in(folders, people)


def _explain(workspace: Workspace, request: Request, progress: Callable[[str], None]) -> None:
    """Tell the factors of models that were fitted anew again: they are other factors now."""
    for model in audit.models(workspace, forgetting=request.forgetting):
        if model.method == "refit" and workspace.warehouse.live(f"factors/{model.run}") is not None:
            progress(f"factors: {model.run}")
            explain_run(workspace, model.run)
