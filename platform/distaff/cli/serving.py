"""The verb that answers over HTTP: serve."""

from __future__ import annotations

from typing import Annotated

import typer

from distaff.cli.state import talk, workspace


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(serve)


def serve(
    names: Annotated[list[str], typer.Argument(help="Aliases, or runs; an alias that is promoted is swapped.")],
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8600,
    address: Annotated[
        str, typer.Option(help="Address to listen on; others than 127.0.0.1 take a token.")
    ] = "127.0.0.1",
    every: Annotated[float, typer.Option(help="Seconds between looks for promotions and new lists.", min=0.1)] = 5.0,
) -> None:
    """Answer over HTTP with lists, similar items, reasons, forecasts and diagnoses; DISTAFF_SERVE_TOKEN closes it to others.

    Example: distaff serve champion
    """
    from distaff.serving.launch import serve as launch

    def tell(text: str) -> None:
        talk.print(text, markup=False, highlight=False, soft_wrap=True)

    raise typer.Exit(launch(workspace(), names, port=port, address=address, every=every, tell=tell))
