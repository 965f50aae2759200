"""Files of interactions into the warehouse: detected, checked, refined, and published whole or not at all.

All work over rows is SQL in a scratch database on disk, in bounded memory.
"""

from __future__ import annotations

from typing import Any

from distaff_data.errors import InputError, UnknownNameError
from distaff_data.ingest.attribute_staging import create_attribute_tables, publish_attributes, stage_attributes
from distaff_data.ingest.detect import Sources, find_sources
from distaff_data.ingest.growth import Growing, add_before, check_same, growing, has_news, since_of
from distaff_data.ingest.layout import FORMATS
from distaff_data.ingest.options import InteractionsOptions, queried, with_settings
from distaff_data.ingest.publish import check_new, number_entities, publish_interactions
from distaff_data.ingest.refine import refine
from distaff_data.ingest.staging import StagedEvents, stage_events
from distaff_data.ingest.times import FAR_TIMES
from distaff_data.sources import Gathered, Inputs, gathered
from distaff_data.splits.interactions import Split, parse_split
from distaff_data.tables.reports import IngestReport
from distaff_data.warehouse import Publication, Scratch
from distaff_data.workspace import Workspace


def ingest_interactions(
    workspace: Workspace,
    name: str,
    paths: Inputs,
    options: InteractionsOptions | None = None,
    **settings: Any,
) -> IngestReport:
    """Load files of interactions as a dataset.

    A pair of user and item that repeats is merged: its latest row counts, or the first where there is no time. The
    rating threshold is applied after that, so that a user's last opinion decides.

    Args:
        workspace: Where to.
        name: Name of the dataset.
        paths: Files, one folder, or the prefix of RecBole's atomic files. Where file names or a column (``x_label``)
            divide the rows into train, valid and test, that split is kept exactly and ``split`` is not used. See
            :mod:`distaff_data.sources` for what is no file.
        options: How the files are read, filtered and split.
        settings: Single options by name, such as ``user="customer"``; see
            :class:`~distaff_data.ingest.options.InteractionsOptions`.

    Raises:
        InputError: The files or the options are wrong; nothing was changed.
    """
    options = with_settings(options or InteractionsOptions(), settings)
    split = _checked_split(options)
    warehouse = workspace.warehouse
    check_new(warehouse, name, replace=options.replace or options.since is not None)  # before what may take minutes
    with warehouse.lock(f"dataset/{name}"):
        before = growing(warehouse, name, options)
        check_new(warehouse, name, replace=options.replace or before is not None)
        since = since_of(options, before)
        with gathered(workspace.scratch, paths, query=options.query, since=since) as found:
            if before is not None and not has_news(before, found):
                return before.report(name)
            return _ingest(workspace, name, found, options, split, before)


def _ingest(
    workspace: Workspace,
    name: str,
    found: Gathered,
    options: InteractionsOptions,
    split: Split | None,
    before: Growing | None,
) -> IngestReport:
    """Stage, refine and publish files; ``before`` is what their rows are added to."""
    warehouse = workspace.warehouse
    sources = find_sources(found.paths)
    source = ", ".join(map(found.told, sources.files))
    with Scratch(workspace.scratch, sources.files) as scratch:
        staged = stage_events(scratch, sources.interactions, options, _required(options, split))
        recorded = _recorded(staged, options, split, found, source)
        if before is not None:
            check_same(before, recorded)
            add_before(scratch, warehouse, name, given_split=staged.given_split)
        refined = refine(
            scratch,
            given_split=staged.given_split,
            split=split,
            seed=options.seed,
            min_rating=options.min_rating,
            min_interactions=options.min_interactions,
        )
        _stage_attributes_beside(scratch, sources)
        facts = {**number_entities(scratch), **vars(refined), "far_times_missing": staged.times.far}
        generation = publish_interactions(
            warehouse,
            scratch,
            name,
            source=source,
            settings=recorded,
            facts=facts,
            beside=lambda publication: _publish_attributes_beside(publication, scratch, name),
        )
    split_name = _split_name(staged, split)
    return IngestReport(name, generation, staged.format, staged.columns, split_name, **facts, times=staged.times.unit)


def _recorded(
    staged: StagedEvents, options: InteractionsOptions, split: Split | None, found: Gathered, source: str
) -> dict[str, Any]:
    """Return what is recorded of how the rows were read."""
    recorded: dict[str, Any] = {
        "format": staged.format,
        "columns": dict(staged.columns),
        "far_times": options.far_times,
        "times": staged.times.unit,
        "min_rating": options.min_rating,
        "min_interactions": options.min_interactions,
        "split": _split_name(staged, split),
        "seed": options.seed,
        **queried(options.query),
    }
    if found.mark is not None:
        recorded["since"] = {"column": options.since, "source": source, **found.mark.as_json()}
    return recorded


def _checked_split(options: InteractionsOptions) -> Split | None:
    """Return the split that the options ask for; refuse options out of their range."""
    if options.format is not None and options.format not in FORMATS:
        raise UnknownNameError("format", options.format, FORMATS)
    if options.far_times not in FAR_TIMES:
        raise InputError("far-off times are refused, or taken as missing", value=options.far_times)
    if options.min_rating is not None and options.min_rating != options.min_rating:
        raise InputError("the rating threshold is a number", value=options.min_rating)
    if options.min_interactions < 0:
        raise InputError("the least number of interactions is 0 or more", value=options.min_interactions)
    return None if options.split is None else parse_split(options.split)


def _required(options: InteractionsOptions, split: Split | None) -> list[str]:
    """Return the roles without which the filters and the split cannot be done."""
    by_rating, by_time = options.min_rating is not None, split is not None and split.needs_time
    return [role for role, needed in (("rating", by_rating), ("time", by_time)) if needed]


def _split_name(staged: StagedEvents, split: Split | None) -> str:
    return "given" if staged.given_split else str(split or "none")


def _stage_attributes_beside(scratch: Scratch, sources: Sources) -> None:
    create_attribute_tables(scratch)
    for entity, path in (("item", sources.items), ("user", sources.users)):
        if path is not None:
            stage_attributes(scratch, entity, path)


def _publish_attributes_beside(publication: Publication, scratch: Scratch, name: str) -> None:
    """Publish attributes under their own target, where they stay when the interactions alone are ingested again."""
    for entity in ("item", "user"):
        publish_attributes(publication, scratch, name, entity)
