"""Verbs about one person's list: explain, steer."""

from __future__ import annotations

from typing import Annotated

import typer

from distaff.cli.state import Json, RunId, emit_json, emit_table, workspace
from distaff.recommenders.explain import Explained, FactorShare, explain_user
from distaff.recommenders.steer import steer as steer_user
from distaff_data.errors import InputError

User = Annotated[str, typer.Argument(help="The user's own id.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(explain)
    app.command()(steer)


def explain(
    run: RunId,
    user: User,
    item: Annotated[str | None, typer.Option(help="Explain this item, on the list or not.")] = None,
    top_k: Annotated[int, typer.Option(help="Length of the list.", min=1)] = 10,
    as_json: Json = False,
) -> None:
    """Why a user is recommended what they are: by factors, words and items.

    Example: distaff explain dgvae-music-1a2b3c4d 42 --item 289
    """
    found = explain_user(workspace(), run, user, item=item, top_k=top_k)
    if as_json:
        return emit_json(found.as_dict())
    _show(found)


def steer(
    run: RunId,
    user: User,
    factor: Annotated[list[int] | None, typer.Option(help="Factor to raise or lower; repeatable.")] = None,
    word: Annotated[list[str] | None, typer.Option(help="Word to raise or lower; repeatable.")] = None,
    by: Annotated[
        list[float] | None, typer.Option(help="Steps for each, factors first; negative lowers; 1 for all otherwise.")
    ] = None,
    top_k: Annotated[int, typer.Option(help="Length of the lists.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """A user's list with more or less of a factor or a word, beside the list as it is.

    Example: distaff steer dgvae-music-1a2b3c4d 42 --factor 2 --by 1
    """
    factors, words = factor or [], word or []
    steps = by or [1.0]
    steps = steps * (len(factors) + len(words)) if len(steps) == 1 else steps
    if len(steps) != len(factors) + len(words):
        raise InputError(
            f"there are {len(factors) + len(words)} factors and words, but --by is given {len(steps)} times"
        )
    found = steer_user(
        workspace(),
        run,
        user,
        factors=dict(zip(factors, steps[: len(factors)], strict=True)),
        words=dict(zip(words, steps[len(factors) :], strict=True)),
        top_k=top_k,
    )
    if as_json:
        return emit_json(found.as_dict())
    rows = [
        (new.rank, old.title, new.title, "new" if new.before is None else new.before)
        for old, new in zip(found.before, found.after, strict=False)
    ]
    emit_table(f"user {user}, run {run}", ("rank", "as it is", "steered", "was"), rows)


def _show(found: Explained) -> None:
    emit_table(f"user {found.user}, run {found.run}: {_shares(found.factors)}", ("their words", "probability", "lift"),
               [(w.word, w.probability, w.lift) for w in found.words])  # fmt: skip
    emit_table(
        "why",
        ("rank", "item", "score", "factors", "content", "through the words", "as taken"),
        [
            (
                i.rank,
                i.title,
                i.score,
                _shares(i.factors),
                "–" if i.content is None else f"{i.content:.0%}",
                ", ".join(w.word for w in i.words[:4]),
                ", ".join(t.title for t in i.taken[:3]),
            )
            for i in found.items
        ],
    )


def _shares(factors: list[FactorShare]) -> str:
    return ", ".join(f"{f.factor} {f.name} {f.share:.0%}" for f in factors[:3])
