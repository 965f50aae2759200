"""Verbs that bring data in and look at it: init, ingest, sample, datasets, sql."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from distaff import exports
from distaff.cli.state import Json, emit_facts, emit_json, emit_table, pairs, root, workspace
from distaff_data.errors import InputError
from distaff_data.ingest import AttributesReport, IncidentsReport, IngestReport, ingest_attributes, ingest_interactions
from distaff_data.ingest.incidents import ingest_incidents
from distaff_data.ingest.series import Columns, ingest_series
from distaff_data.planted.samples import sample as load_sample
from distaff_data.tables.reports import SeriesReport
from distaff_data.workspace import Workspace

_NAMED = 20  # channels that are listed

ingest = typer.Typer(help="Load files as a dataset; the format is detected or given.", no_args_is_help=True)

Paths = Annotated[list[Path], typer.Argument(help="Files, or a folder with train, valid and test files.")]
Described = Annotated[
    list[str], typer.Argument(help="Tables, and .npy matrices of vectors; NAME=FILE.npy names the vectors.")
]
Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
Id = Annotated[str | None, typer.Option(help="Column of ids; detected otherwise.")]
Title = Annotated[str | None, typer.Option(help="Column that people are shown.")]
Separator = Annotated[str | None, typer.Option(help="What separates several values in a cell.")]
Column = Annotated[
    list[str] | None, typer.Option("--column", help="Column to read, of any of the files; repeatable; all otherwise.")
]
Text = Annotated[list[str] | None, typer.Option(help="Column of running text; repeatable; detected by name otherwise.")]
Rows = Annotated[
    Path | None, typer.Option(help="File with the id of each row of .npy matrices; the rows' numbers otherwise.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Replace the dataset of that name.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(init)
    app.add_typer(ingest, name="ingest")
    app.command()(sample)
    app.command()(datasets)
    app.command()(sql)


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
    place = folder or root()
    Workspace.create(place, warehouse)
    typer.echo(f"workspace ready: {place}")


@ingest.command("interactions")
def ingest_interactions_verb(
    name: Name,
    paths: Paths,
    format: Annotated[
        str | None, typer.Option(help="delimited, parquet, jsonl, recbole, lightgcn or movielens; detected otherwise.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Column of user ids.")] = None,
    item: Annotated[str | None, typer.Option(help="Column of item ids.")] = None,
    rating: Annotated[str | None, typer.Option(help="Column of ratings or weights.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of time stamps.")] = None,
    min_rating: Annotated[float | None, typer.Option(help="Keep interactions rated at least this.")] = None,
    min_interactions: Annotated[int, typer.Option(help="Keep users and items with at least so many (k-core).")] = 0,
    split: Annotated[
        str | None, typer.Option(help="random:0.8,0.1,0.1, temporal:0.8,0.1,0.1 or leave-last-out.")
    ] = "random:0.8,0.1,0.1",
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Load interactions: CSV, TSV, Parquet, JSON lines, RecBole, LightGCN, MovieLens.

    Example: distaff ingest interactions shop orders.csv --user customer --item product --split leave-last-out
    """
    report = ingest_interactions(
        workspace(create=True),
        name,
        paths,
        format=format,
        user=user,
        item=item,
        rating=rating,
        time=time,
        min_rating=min_rating,
        min_interactions=min_interactions,
        split=split,
        seed=seed,
        replace=replace,
    )
    _show(report, as_json)


@ingest.command("items")
def ingest_items(
    name: Name,
    paths: Described,
    id: Id = None,
    title: Title = None,
    column: Column = None,
    separator: Separator = None,
    text: Text = None,
    rows: Rows = None,
    embed: Annotated[
        Path | None, typer.Option(help="Folder of a sentence-transformers model: makes vectors 'text' of what is read.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Load what is known about a dataset's items: categories and tags, titles, running text, feature vectors.

    Give all files at once: what an earlier command brought is replaced.

    Example: distaff ingest items shop items.csv text=embeddings.npy --text description --separator ,
    """
    report = ingest_attributes(
        workspace(),
        "item",
        name,
        paths,
        id=id,
        title=title,
        columns=column,
        separator=separator,
        text=text,
        rows=rows,
        embed_with=embed,
    )
    _show(report, as_json)


@ingest.command("users")
def ingest_users(
    name: Name,
    paths: Described,
    id: Id = None,
    title: Title = None,
    column: Column = None,
    separator: Separator = None,
    text: Text = None,
    rows: Rows = None,
    as_json: Json = False,
) -> None:
    """Load what is known about a dataset's users: every other column is an attribute, such as a country."""
    report = ingest_attributes(
        workspace(),
        "user",
        name,
        paths,
        id=id,
        title=title,
        columns=column,
        separator=separator,
        text=text,
        rows=rows,
    )
    _show(report, as_json)


@ingest.command("incidents")
def ingest_incidents_verb(
    name: Name,
    paths: Annotated[list[Path], typer.Argument(help="A folder with cases.json, or files of metrics, one a case.")],
    graph: Annotated[Path | None, typer.Option(help="CSV of dependencies: source, target, status.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of time stamps; detected otherwise.")] = None,
    separator: Annotated[str | None, typer.Option(help="What divides entity and metric in a column's name.")] = None,
    names: Annotated[Path | None, typer.Option(help="CSV of column, entity, metric.")] = None,
    step: Annotated[float | None, typer.Option(help="Seconds between rows; the median distance otherwise.")] = None,
    kpi: Annotated[str | None, typer.Option(help="The metric that shows the incident, 'entity|metric'.")] = None,
    onset: Annotated[float | None, typer.Option(help="Time of the first abnormal row, in seconds.")] = None,
    label: Annotated[str | None, typer.Option(help="Column that is 0 in normal rows.")] = None,
    root: Annotated[list[str] | None, typer.Option(help="An entity that failed; repeatable.")] = None,
    unmeasured: Annotated[
        bool, typer.Option("--unmeasured", help="Leave out edges of entities that no case measures.")
    ] = False,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Load metrics of incidents: a folder of labelled cases, or wide or long CSV and Parquet.

    Example: distaff ingest incidents outage metrics.csv --kpi "shop|latency" --graph calls.csv
    """
    report = ingest_incidents(
        workspace(create=True),
        name,
        paths,
        graph=graph,
        time=time,
        separator=separator,
        names=names,
        step=step,
        kpi=kpi,
        onset=onset,
        label=label,
        roots=root or [],
        unmeasured=unmeasured,
        replace=replace,
    )
    _show(report, as_json)


@ingest.command("series")
def ingest_series_verb(
    name: Name,
    paths: Annotated[
        list[Path], typer.Argument(help="One table or .npz file, or the .ts or .arff files of train and test.")
    ],
    time: Annotated[str | None, typer.Option(help="Column of time stamps; detected otherwise.")] = None,
    entity: Annotated[str | None, typer.Option(help="Column that tells several series apart.")] = None,
    channel: Annotated[str | None, typer.Option(help="Column of channel names in a long table.")] = None,
    value: Annotated[str | None, typer.Option(help="Column of values in a long table.")] = None,
    label: Annotated[str | None, typer.Option(help="Column of each entity's class.")] = None,
    group: Annotated[str | None, typer.Option(help="Column of what each entity belongs to, such as a subject.")] = None,
    split_column: Annotated[str | None, typer.Option(help="Column of train, valid or test.")] = None,
    channels: Annotated[
        str | None, typer.Option(help="Columns to read as channels, between commas; all otherwise.")
    ] = None,
    step: Annotated[float | None, typer.Option(help="Seconds between rows; the commonest distance otherwise.")] = None,
    windows: Annotated[bool, typer.Option("--windows", help="Take each entity of a table for one window.")] = False,
    channels_first: Annotated[bool, typer.Option("--channels-first", help="Windows in .npz are (n, C, T).")] = False,
    split: Annotated[
        str | None, typer.Option(help="ratio:.7,.1,.2, rows:A,B,C, dates:D1,D2, random:..., groups:... (see the docs).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of a random split.")] = 0,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Load series: wide and long CSV and Parquet, .ts and .arff of UEA and UCR, .npz with windows.

    Example: distaff ingest series ett ETTh1.csv --time date --split rows:8640,2880,2880
    """
    picked = tuple(name.strip() for name in channels.split(",")) if channels else ()
    report = ingest_series(
        workspace(create=True),
        name,
        list(paths),
        columns=Columns(time, entity, channel, value, label, group, split_column, picked),
        step=step,
        whole=windows,
        channels_first=channels_first,
        split=split,
        seed=seed,
        replace=replace,
    )
    _show(report, as_json)
    if not as_json:
        _show_channels(report.dataset)


def _show_channels(dataset: str) -> None:
    """By name: a column that was meant for something else is seen at once."""
    sql = "SELECT channel FROM channels WHERE dataset = ? ORDER BY position"
    names = [row["channel"] for row in workspace().warehouse.rows(sql, [dataset])]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    typer.echo(f"channels: {', '.join(names[:_NAMED])}{more}")


def sample(
    name: Annotated[str, typer.Argument(help="Built-in dataset, such as planted-interactions.")],
    dataset: Annotated[
        str | None, typer.Option("--as", help="Name of the dataset; the sample's own otherwise.")
    ] = None,
    set: Annotated[list[str] | None, typer.Option(help="Knob of the generator: key=value.")] = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Load a built-in dataset whose truth is known."""
    knobs = {key: _number(key, value) for key, value in pairs(set or []).items()}
    _show(load_sample(workspace(create=True), name, name=dataset, replace=replace, **knobs), as_json)


def datasets(as_json: Json = False) -> None:
    """List the datasets."""
    rows = workspace().warehouse.rows("SELECT dataset, kind, facts, source, created_at FROM datasets ORDER BY dataset")
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
    """Run one read-only statement over the tables; DESCRIBE and SHOW TABLES work too."""
    selection = workspace().warehouse.select(statement, limit=limit)
    table = selection.table
    if out is not None:
        exports.write(table, out)
        typer.echo(f"{table.num_rows} rows written to {out}")
    elif as_json:
        emit_json({"rows": table.to_pylist(), "truncated": selection.truncated})
    else:
        emit_table("", table.column_names, [tuple(row.values()) for row in table.to_pylist()])
    if selection.truncated and not as_json:
        typer.echo(f"only the first {limit} rows; ask for more with --limit", err=True)


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
        raise InputError(f"knob {key} is a number", value=text) from None
