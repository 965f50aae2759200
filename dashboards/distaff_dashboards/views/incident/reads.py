"""Cached reads of incidents and of what runs say about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from distaff.exports import dates
from distaff_dashboards.reads.source import Source
from distaff_dashboards.statements import cached
from distaff_data.frames import to_polars
from distaff_data.schema import TABLES

if TYPE_CHECKING:
    from distaff_data.datasets.incidents import Case

CAUSES = ("rank", "entity", "metric", "score", "own", "propagated", "onset", "path", "new_edges")
EDGES = ("source", "target", "part", "weight")
_FOLLOWED = """
SELECT d.run, s.dataset, d."case", d.trigger, d.converged, d.likely, d.warnings, x.metric AS suspect FROM diagnoses d
JOIN datasets s ON starts_with(d.run, 'watch-') AND ends_with(d.run, '-' || s.dataset)
LEFT JOIN causes x ON x.run = d.run AND x."case" = d."case" AND x.rank = 1
QUALIFY row_number() OVER (PARTITION BY d.run, d."case" ORDER BY length(s.dataset) DESC, x.metric) = 1
ORDER BY d.trigger DESC, d.run, d."case"
"""


@cached(max_entries=16, show_spinner=False)
def diagnoses(source: Source, run: str, dataset: str) -> pl.DataFrame:
    """Return what a run says of each incident, in the dataset's order, a row of ``diagnoses`` each."""
    return source.frame(
        'SELECT d."case", d.trigger, d.alarms, d.converged, d.warnings, d.likely, d.changes FROM diagnoses d '
        'JOIN cases c ON c.dataset = ? AND c."case" = d."case" WHERE d.run = ? ORDER BY c.position',
        [dataset, run],
    )


@cached(max_entries=16, show_spinner="Reading the incident ...")
def incident(source: Source, dataset: str, case: str) -> Case:
    """Return one incident with its measurements."""
    from distaff_data.tables.incidents import load_incidents

    return load_incidents(source.workspace.warehouse, dataset, case).cases[0]


@cached(max_entries=64, show_spinner=False)
def published(source: Source, run: str, case: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the causes of an incident by rank, and its causal graph, as a run published them."""
    causes = f'SELECT {", ".join(CAUSES)} FROM causes WHERE run = ? AND "case" = ? ORDER BY rank, metric'
    return (
        source.frame(causes, [run, case]),
        source.frame(
            f'SELECT {", ".join(EDGES)} FROM cause_edges WHERE run = ? AND "case" = ? ORDER BY part, source, target',
            [run, case],
        ),
    )


@cached(max_entries=4)
def followed(source: Source) -> pl.DataFrame:
    """Return the incidents of followed streams, the newest first.

    Returns:
        ``id, label, run, dataset, model, case, trigger, converged, likely, warnings, suspect``; the last is null where
        nothing is blamed.
    """
    found = source.frame(_FOLLOWED)
    at = pl.Series("at", dates(found["trigger"].to_numpy()), strict=False).cast(pl.String)
    models = [_model_of(run, dataset) for run, dataset in found.select("run", "dataset").iter_rows()]
    return found.with_columns(
        id=pl.format("{}/{}", "run", "case"),
        model=pl.Series(models, dtype=pl.String),
        label=pl.format("{} in {}, first suspect {}", at, "dataset", pl.col("suspect").fill_null("none")),
    )


def _model_of(run: str, dataset: str) -> str:
    """Return the model of a stream, whose run is ``watch-MODEL-DATASET``."""
    return run.removeprefix("watch-").removesuffix(f"-{dataset}")


@cached(max_entries=64, show_spinner="Ranking causes anew ...")
def ranked_anew(source: Source, run: str, dataset: str, case: str, onset: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return causes and causal graph for another time of onset, in seconds, by the run's own model; nothing is stored.

    Raises:
        InputError: There is no saved model, or the time leaves no rows on one side.
    """
    from distaff.incidents.base import Diagnoser
    from distaff.incidents.tables import cause_rows, edge_rows
    from distaff.runs.records import find, model_folder
    from distaff_data.datasets.dependencies import causal_edges
    from distaff_data.tables.incidents import load_incidents

    workspace = source.workspace
    incidents = load_incidents(workspace.warehouse, dataset, case)
    model = Diagnoser.load(model_folder(workspace, run))
    diagnosis = model.diagnose_case(
        incidents.cases[0], causal_edges(incidents), seed=find(workspace, run).seed, at=onset
    )
    return _frame("causes", CAUSES, cause_rows(diagnosis)), _frame("cause_edges", EDGES, edge_rows(diagnosis))


def no_causes() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return causes and a causal graph without any row."""
    return _frame("causes", CAUSES, ()), _frame("cause_edges", EDGES, ())


def _frame(table: str, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    schema = to_polars(TABLES[table].arrow.empty_table()).select(columns).schema
    return pl.DataFrame([{column: row[column] for column in columns} for row in rows], schema)
