"""Verbs about one person's list: explain, steer and its alias rerank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from distaff.cli.state import Json, RunId, emit_json, emit_table, pairs, talk, workspace
from distaff_data.errors import InputError

if TYPE_CHECKING:
    from distaff.recommenders.explain import Explained, FactorShare
    from distaff.recommenders.steer import Steered

User = Annotated[str, typer.Argument(help="The user's own id.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(explain)
    app.command()(steer)
    app.command()(rerank)


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
    from distaff.recommenders.explain import explain_user

    explained = explain_user(workspace(), run, user, item=item, top_k=top_k)
    if as_json:
        return emit_json(explained.as_dict())
    _show(explained)


def steer(
    run: RunId,
    user: User,
    factor: Annotated[
        list[str] | None, typer.Option(help="Weight of a factor: 3=0 takes factor 3 away, 3=2 doubles it; repeatable.")
    ] = None,
    word: Annotated[
        list[str] | None, typer.Option(help="Word to raise or lower: noir=+1, or noir=-0.5; repeatable.")
    ] = None,
    top_k: Annotated[int, typer.Option(help="Length of the lists.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """A user's list with more or less of a factor or a word, beside the list as it is.

    Example: distaff steer dgvae-music-1a2b3c4d 42 --factor 3=0 --word noir=+1
    """
    from distaff.recommenders.steer import steer_run

    words = _numbers(word or [], "a word is raised by WORD=NUMBER, such as noir=+1")
    steered, titles = steer_run(workspace(), run, user, factors=_weights(factor or []), words=words, k=top_k)
    if as_json:
        return emit_json(steered.lists(run, titles))
    _show_lists(f"user {user}, run {run}", "steered", steered, titles)


def rerank(
    run: RunId,
    user: User,
    set: Annotated[list[str], typer.Option(help="Weight of a factor: 3=0 takes factor 3 away, 3=2 doubles it.")],
    top_k: Annotated[int, typer.Option(help="Length of the lists.")] = 20,
    as_json: Json = False,
) -> None:
    """Steer by factors alone, and count what of the held-out test items both lists have; see steer.

    Example: distaff rerank RUN u17 --set 3=0 --set 5=2
    """
    from distaff.recommenders.steer import steer_run

    # What the test split holds may be listed here, or there would be nothing to count.
    steered, titles = steer_run(workspace(), run, user, factors=_weights(set), k=top_k, exclude=("train", "valid"))
    if as_json:
        return emit_json(steered.changes())
    _show_lists(f"list of {user} by {run}", "after", steered, titles)
    held = f"{steered.hits_before} and {steered.hits_after} of {steered.held_out} held-out items"
    talk.print(f"{steered.churn:.0%} of the list is new; the lists have {held}", markup=False, highlight=False)


def _weights(settings: list[str]) -> dict[int, float]:
    usage = "a weight is FACTOR=NUMBER, such as 3=0.5"
    weights = _numbers(settings, usage)
    try:
        return {int(factor): weight for factor, weight in weights.items()}
    except ValueError:
        raise InputError(usage, value=settings[0]) from None


def _numbers(settings: list[str], usage: str) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, number in pairs(settings).items():
        try:
            numbers[name] = float(number)
        except ValueError:
            raise InputError(usage, value=f"{name}={number}") from None
    return numbers


def _show_lists(title: str, after: str, steered: Steered, titles: dict[str, str]) -> None:
    rows = [(row["rank"], row["before"], row["after"], _change(row)) for row in steered.side_by_side(titles).to_dicts()]
    emit_table(title, ("rank", "as it is", after, "change"), rows)


def _change(row: dict[str, Any]) -> str:
    """Return how many places an item rose, as a table shows it."""
    if row["after"] is None:
        return ""
    if row["change"] is None:
        return "new"
    return f"{row['change']:+d}" if row["change"] else "="


def _show(explained: Explained) -> None:
    title = f"user {explained.user}, run {explained.run}: {_shares(explained.factors)}"
    if explained.words:
        emit_table(
            title, ("their words", "probability", "lift"), [(w.word, w.probability, w.lift) for w in explained.words]
        )
    else:
        talk.print(title, markup=False, highlight=False, soft_wrap=True)
    columns: dict[str, list[object]] = {
        "rank": [i.rank for i in explained.items],
        "item": [i.title for i in explained.items],
        "score": [i.score for i in explained.items],
        "factors": [_shares(i.factors) for i in explained.items],
        "content": ["" if i.content is None else f"{i.content:.0%}" for i in explained.items],
        "through the words": [", ".join(w.word for w in i.words[:4]) for i in explained.items],
        "as taken": [", ".join(t.title for t in i.taken[:3]) for i in explained.items],
    }
    given = {
        name: cells for name, cells in columns.items() if any(cell != "" for cell in cells)
    }  # not all models tell all
    emit_table("why", tuple(given), zip(*given.values(), strict=True))


def _shares(factors: list[FactorShare]) -> str:
    return ", ".join(f"{f.factor} {f.name} {f.share:.0%}" for f in factors[:3])
