"""Verbs that bring data in and look at it: init, ingest, sample, datasets, sql, tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distaff.cli.options import takes
from distaff.cli.state import Json, emit_facts, emit_json, emit_table, pairs, root, workspace
from distaff.cli.values import cells_of, records_of
from distaff_data.errors import InputError, UnknownNameError
from distaff_data.ingest.options import AttributesOptions, IncidentsOptions, InteractionsOptions, SeriesOptions

if TYPE_CHECKING:
    from distaff_data.ingest import AttributesReport, IncidentsReport, IngestReport, SeriesReport

_NAMED = 20  # channels that are listed

ingest = typer.Typer(help="Load files as a dataset; the format is detected or given.", no_args_is_help=True)

Paths = Annotated[
    list[str],
    typer.Argument(
        help="Files, a folder with train, valid and test files, or postgresql://, sqlite:///, https:// or s3:// addresses."
    ),
]
Described = Annotated[
    list[str], typer.Argument(help="Tables, and .npy matrices of vectors; NAME=FILE.npy names the vectors.")
]
Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace the dataset of that name.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(init)
    app.add_typer(ingest, name="ingest")
    app.command()(sample)
    app.command()(datasets)
    app.command()(sql)
    app.command()(tables)


def init(
    folder: Annotated[Path | None, typer.Argument(help="Where; the folder of --workspace otherwise.")] = None,
    warehouse: Annotated[
        str | None,
        typer.Option(
            help="URL for the tables, s3://bucket/prefix, with credentials in AWS_...; in the folder otherwise."
        ),
    ] = None,
) -> None:
    """Make a workspace: a folder with the warehouse, the runs and distaff.toml."""
    from distaff_data.workspace import Workspace

    place = folder or root()
    Workspace.create(place, warehouse)
    typer.echo(f"workspace ready: {place}")


@ingest.command("interactions")
@takes(InteractionsOptions)
def ingest_interactions_verb(name: Name, paths: Paths, options: InteractionsOptions, as_json: Json = False) -> None:
    """Load interactions: CSV, TSV, Parquet, JSON lines, RecBole, LightGCN, MovieLens.

    Example: distaff ingest interactions shop orders.csv --item product --time bought_at --split leave-last-out
    """
    from distaff_data.ingest import ingest_interactions

    _show(ingest_interactions(workspace(create=True), name, paths, options), as_json)


@ingest.command("items")
@takes(AttributesOptions, flags={"columns": "--column", "embed_with": "--embed"})
def ingest_items(name: Name, paths: Described, options: AttributesOptions, as_json: Json = False) -> None:
    """Load what is known about a dataset's items: categories and tags, titles, running text, feature vectors.

    Give all files at once: what an earlier command brought is replaced.

    Example: distaff ingest items shop items.csv text=embeddings.npy --text description --separator ,
    """
    from distaff_data.ingest import ingest_attributes

    _show(ingest_attributes(workspace(), "item", name, paths, options), as_json)


@ingest.command("users")
@takes(AttributesOptions, flags={"columns": "--column"}, without=("embed_with",))
def ingest_users(name: Name, paths: Described, options: AttributesOptions, as_json: Json = False) -> None:
    """Load what is known about a dataset's users: every other column is an attribute, such as a country."""
    from distaff_data.ingest import ingest_attributes

    _show(ingest_attributes(workspace(), "user", name, paths, options), as_json)


@ingest.command("incidents")
@takes(IncidentsOptions, flags={"roots": "--root", "start": "--from", "end": "--to"})
def ingest_incidents_verb(
    name: Name,
    options: IncidentsOptions,
    paths: Annotated[
        list[str] | None, typer.Argument(help="A folder with cases.json, or files of metrics, one a case.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Load metrics of incidents: a folder of labelled cases, wide or long CSV and Parquet, or what Prometheus has.

    Example: distaff ingest incidents outage metrics.csv --kpi "shop|latency" --graph calls.csv
    """
    from distaff_data.ingest import ingest_incidents

    report = ingest_incidents(workspace(create=True), name, paths or (), options)
    _show(report, as_json)
    if not as_json:
        _show_entities(report.dataset)
    if report.edges and report.graph_is is None:
        typer.echo("before its first diagnosis say what the graph's edges are: --graph-is causes or calls", err=True)


@ingest.command("series")
@takes(SeriesOptions, flags={"whole": "--windows"}, commas=("channels", "known_future", "past", "static"))
def ingest_series_verb(
    name: Name,
    paths: Annotated[
        list[str], typer.Argument(help="One table or .npz file, or the .ts or .arff files of train and test.")
    ],
    options: SeriesOptions,
    as_json: Json = False,
) -> None:
    """Load series: wide and long CSV and Parquet, .ts and .arff of UEA and UCR, .npz with windows.

    Example: distaff ingest series ett ETTh1.csv --time date --split rows:8640,2880,2880
    """
    from distaff_data.ingest import ingest_series

    report = ingest_series(workspace(create=True), name, paths, options)
    _show(report, as_json)
    if not as_json:
        _show_channels(report.dataset)


def _show_channels(dataset: str) -> None:
    """By name: a column that was meant for something else is seen at once."""
    sql = "SELECT channel FROM channels WHERE dataset = ? ORDER BY position"
    names = [row["channel"] for row in workspace().warehouse.rows(sql, [dataset])]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    typer.echo(f"channels: {', '.join(names[:_NAMED])}{more}")


def _show_entities(dataset: str) -> None:
    """By name, with how many metrics each has: a name that was divided in the wrong place is seen at once."""
    ws = workspace().warehouse
    sql = (
        "SELECT entity, count(DISTINCT metric) AS n FROM measurements WHERE dataset = ? GROUP BY entity ORDER BY entity"
    )
    made = [f"{row['entity']} ({row['n']})" for row in ws.rows(sql, [dataset])]
    more = f" and {len(made) - _NAMED} more" if len(made) > _NAMED else ""
    typer.echo(f"entities, with how many metrics: {', '.join(made[:_NAMED])}{more}")


def sample(
    name: Annotated[str, typer.Argument(help="Built-in dataset, such as planted-interactions.")],
    dataset: Annotated[
        str | None, typer.Option("--as", help="Name of the dataset; the sample's own otherwise.")
    ] = None,
    set: Annotated[list[str] | None, typer.Option(help="Parameter of the generator: key=value.")] = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Load a built-in dataset whose truth is known."""
    from distaff_data.planted.samples import sample as load_sample

    parameters = {key: _number(key, value) for key, value in pairs(set or []).items()}
    _show(load_sample(workspace(create=True), name, name=dataset, replace=replace, **parameters), as_json)


def datasets(
    archived: Annotated[bool, typer.Option("--archived", help="With those that are archived.")] = False,
    as_json: Json = False,
) -> None:
    """List the datasets."""
    from distaff.runs import marks

    aside = set() if archived else marks.archived(workspace(), marks.DATASET)
    rows = workspace().warehouse.rows("SELECT dataset, kind, facts, source, created_at FROM datasets ORDER BY dataset")
    rows = [row for row in rows if row["dataset"] not in aside]
    for row in rows:
        row["facts"] = json.loads(row["facts"])
    if as_json:
        return emit_json({"datasets": rows})
    keys = ("users", "items", "entities", "channels", "train", "valid", "test")
    emit_table(
        "datasets",
        ("dataset", "kind", *keys),
        [(row["dataset"], row["kind"], *(row["facts"].get(key) for key in keys)) for row in rows],
    )


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT over the warehouse's tables.")],
    out: Annotated[Path | None, typer.Option(help="Write .csv, .parquet or .arrow instead of printing.")] = None,
    limit: Annotated[int, typer.Option(help="Rows to print or write at most.")] = 1000,
    as_json: Json = False,
) -> None:
    """Run one read-only statement over the tables, which distaff tables describes; times are seconds since 1970.

    Example: distaff sql "select * from interactions where to_timestamp(time) >= '2024-03-13'"
    """
    selection = workspace().warehouse.select(statement, limit=limit)
    table = selection.table
    if out is not None:
        from distaff import exports

        exports.write(table, out)
        typer.echo(f"{table.num_rows} rows written to {out}")
    elif as_json:
        emit_json({"rows": records_of(table), "truncated": selection.truncated})
    else:
        from distaff import exports

        shown = exports.with_dates(table)
        emit_table("", shown.column_names, cells_of(shown))
    if selection.truncated and not as_json:
        typer.echo(f"only the first {limit} rows; ask for more with --limit", err=True)


def tables(
    name: Annotated[str | None, typer.Argument(help="Only this one, with its columns.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """The tables that distaff sql reads, and of one its columns: what each holds.

    Example: distaff tables recommendations
    """
    from distaff_data.schema import TABLES

    if name is not None and name not in TABLES:
        raise UnknownNameError("table", name, TABLES)
    listed = sorted(TABLES.values(), key=lambda table: table.name) if name is None else [TABLES[name]]
    columns = {t.name: [{"column": c.name, "type": str(c.type), "holds": c.meaning} for c in t.columns] for t in listed}
    if as_json:
        emit_json({"tables": [{"table": t.name, "holds": t.meaning, "columns": columns[t.name]} for t in listed]})
    elif name is None:
        emit_table("tables", ("table", "holds"), [(t.name, t.meaning) for t in listed])
    else:
        rows = [tuple(column.values()) for column in columns[name]]
        emit_table(f"{name}: {listed[0].meaning}", ("column", "type", "holds"), rows)


def _show(report: IngestReport | AttributesReport | IncidentsReport | SeriesReport, as_json: bool) -> None:
    facts = report.as_dict()
    if as_json:
        emit_json(facts)
    else:
        emit_facts(f"dataset {facts['dataset']}", facts)


def _number(key: str, text: str) -> float:
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        raise InputError(f"parameter {key} is a number", value=text) from None
