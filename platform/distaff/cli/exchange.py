"""Verbs for models that change hands: export, keygen, sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from distaff.cli.state import Json, RunId, emit_facts, emit_json, workspace
from distaff_data.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    for verb in (export, keygen, sign):
        app.command()(verb)


def export(
    run: RunId,
    out: Annotated[
        Path | None, typer.Argument(help="The folder to make, which is not there yet; none with --mlflow.")
    ] = None,
    format: Annotated[Literal["pyg"], typer.Option(help="pyg: a graph of PyTorch Geometric.")] = "pyg",
    mlflow: Annotated[
        str | None, typer.Option(help="Copy the run and its model to this MLflow server instead, or file:///folder.")
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="To MLflow, copy what it scored on the test too.")] = False,
    as_json: Json = False,
) -> None:
    """Write a run's graph for PyTorch Geometric, as safetensors and JSON, or copy the run to MLflow; nothing is pickled.

    A recommender's graph has users, items, interactions by split, content, and the model's vectors and factors; a
    diagnoser's has the metrics of its cases and the given dependencies. Read it back in Python with
    distaff_data.datasets.graph_files.read_graph.

    Example: distaff export plait-shop-d564a727 --mlflow http://127.0.0.1:5000
    """
    if mlflow is not None:
        return _to_mlflow(run, mlflow, test, as_json)
    if out is None:
        raise InputError("name the folder to make, or say --mlflow URI", column="out")
    from distaff.incidents.base import Diagnoser
    from distaff.model import saving
    from distaff.recommenders.base import Recommender
    from distaff.recommenders.graph import graph_of
    from distaff.runs import records
    from distaff_data.datasets.graph_files import write_graph
    from distaff_data.errors import UnsupportedError

    ws = workspace()
    model = saving.load(records.model_folder(ws, run))
    if isinstance(model, Recommender):
        graph = graph_of(model, ws.warehouse)
        facts = {kind: graph[kind].num_nodes for kind in graph.node_types}
    elif isinstance(model, Diagnoser):
        graph = type(model).read(ws.warehouse, model.data.name).topology().to_pyg()
        facts = {"nodes": graph.num_nodes}
    else:
        raise UnsupportedError(
            f"{model.name} models {model.kind}, which are no graph; export recommenders and diagnosers"
        )
    write_graph(graph, out)
    facts = {"run": run, "folder": str(out), **facts, "edges": graph.num_edges}
    if as_json:
        return emit_json(facts)
    emit_facts(f"exported {run}", facts)


def _to_mlflow(run: str, uri: str, test: bool, as_json: bool) -> None:
    from distaff.runs.tracking import export_run

    facts = {"run": run, "mlflow_run": export_run(workspace(), run, uri, test=test)}
    if as_json:
        return emit_json(facts)
    emit_facts(f"copied {run} to MLflow", facts)


def keygen(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; only you may read it.")],
    as_json: Json = False,
) -> None:
    """Make a key that signs models; print its public half, which whoever trusts you puts on a line of a file.

    With DISTAFF_SIGNING_KEY=FILE every model is signed as it is saved; with DISTAFF_TRUSTED_KEYS=FILE no other is read.
    """
    from distaff.model import signing

    public = signing.make_key(file)
    if as_json:
        return emit_json({"file": str(file), "key": public})
    typer.echo(public)


def sign(run: RunId, as_json: Json = False) -> None:
    """Sign a run's model as it is, with the key that DISTAFF_SIGNING_KEY names."""
    from distaff.model import saving
    from distaff.runs import records

    facts = {"run": run, "key": saving.sign(records.model_folder(workspace(), run))}
    if as_json:
        return emit_json(facts)
    emit_facts(f"signed {run}", facts)
