"""Columns of a file by role (user, item, rating, time), told by the names that people use for them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from distaff_data.errors import InputError

# In order of preference; names are compared without case, punctuation and RecBole's type.
_COMMON: Mapping[str, tuple[str, ...]] = {
    "user": (
        *("user", "userid", "useridx", "uid", "u", "username", "reviewer", "reviewerid", "customer", "customerid"),
        *("visitor", "visitorid", "member", "memberid", "account", "accountid", "client", "clientid", "session"),
        *("sessionid", "person", "personid"),
    ),
    "item": (
        *("item", "itemid", "itemidx", "iid", "i", "product", "productid", "movie", "movieid", "artist", "artistid"),
        *("asin", "parentasin", "book", "bookid", "isbn", "song", "songid", "track", "trackid", "game", "gameid"),
        *("business", "businessid", "article", "articleid", "news", "newsid", "video", "videoid", "sku", "poi"),
        *("poiid", "venue", "venueid", "location", "locationid"),
    ),
    "rating": ("rating", "ratings", "score", "stars", "overall", "weight", "preference", "value", "count", "plays"),
    "time": (
        *("timestamp", "time", "unixtime", "unixreviewtime", "datetime", "date", "ts", "eventtime", "createdat"),
        *("reviewtime", "reviewdate", "ds"),
    ),
    "split": ("xlabel", "split"),
    "title": ("title", "movietitle", "itemtitle", "producttitle", "name", "productname", "itemname", "artistname"),
    "text": ("description", "overview", "abstract", "summary", "plot", "synopsis", "body", "feature", "features"),
}
_REQUIRED = ("user", "item")
_TIME_WORDS = {"at", "on", "date", "time", "datetime", "timestamp", "day"}  # with which names of times end


def common(role: str, columns: Sequence[str]) -> str | None:
    """Return the column whose name is most usual for a role; None when no name is."""
    return first_named(columns, _COMMON[role])


def first_named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the column with the first of some plain names that any column has; None when none has one."""
    by_plain = {plain(column): column for column in reversed(columns)}
    return next((by_plain[name] for name in names if name in by_plain), None)


def all_common(role: str, columns: Sequence[str]) -> list[str]:
    """Return every column whose name is usual for a role, in the file's order."""
    return [column for column in columns if plain(column) in _COMMON[role]]


def plain(column: str) -> str:
    """Return a column's name as it is compared: ``userID:token`` and ``user_id`` are both ``userid``."""
    return re.sub(r"[\W_]", "", column.partition(":")[0]).lower()


def names_a_time(column: str) -> bool:
    """Tell whether a column's name ends like a time's, such as ``bought_at`` or ``orderDate``."""
    words = re.split(r"[\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.partition(":")[0]).strip("_").lower())
    return words[-1] in _TIME_WORDS


def match_roles(path: Path, columns: Sequence[str], chosen: Mapping[str, str | None]) -> dict[str, str]:
    """Return the column of each role that the file has.

    Args:
        path: The file, for messages.
        columns: The file's columns.
        chosen: The column a person named for a role; None to detect it, an empty name to do without.

    Raises:
        InputError: A named column is not there, or no column is the user or the item.
    """
    roles = {}
    for role in ("user", "item", "rating", "time", "split"):
        name = chosen.get(role)
        if name:
            roles[role] = find_column(path, columns, name)
        elif name is None and (column := common(role, columns)) is not None:
            roles[role] = column
    for role in _REQUIRED:
        if role not in roles:
            raise InputError(
                f"no column looks like the {role}; there are: {', '.join(columns)}; name it with --{role}",
                path=path,
                line=1,
                column=role,
            )
    for role, column in roles.items():
        alike = [other for other in columns if plain(other) == plain(column)]
        if len(alike) > 1 and not chosen.get(role):
            raise InputError(
                f"{' and '.join(alike)} could both be the {role}; name one with --{role}",
                path=path,
                line=1,
                column=role,
            )
    if roles["user"] == roles["item"]:
        raise InputError("user and item are the same column", path=path, column=roles["user"])
    return roles


def find_column(path: Path, columns: Sequence[str], name: str) -> str:
    """Return the column a person named; RecBole's type may be left out.

    Raises:
        InputError: There is none; the near misses are offered.
    """
    for column in columns:
        if name in (column, column.partition(":")[0]):
            return column
    near = difflib.get_close_matches(name, columns, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? there are" if near else "there are"
    raise InputError(f"no such column; {hint}: {', '.join(columns)}", path=path, line=1, column=name)


def named_in_each(files: Mapping[Path, Sequence[str]], names: Sequence[str] | None) -> dict[Path, list[str] | None]:
    """Return the columns a person named that each of several files has; None everywhere where none was named.

    Args:
        files: The columns of each file.
        names: What was named.

    Raises:
        InputError: No file has a column of that name; the near misses are offered.
    """
    if names is None:
        return dict.fromkeys(files)
    named = {path: [n for n in names if any(n in (c, c.partition(":")[0]) for c in files[path])] for path in files}
    for name in names:
        if files and not any(name in columns for columns in named.values()):
            find_column(next(iter(files)), [column for columns in files.values() for column in columns], name)
    return dict(named)


def unique_names(columns: Sequence[str]) -> list[str]:
    """Return the names to stage a file's columns under: where one is empty or repeats another, its number stands for it.

    SQL tells names apart without case, and ``row`` is the staging table's own.
    """
    seen = {"row"}
    names = []
    for number, column in enumerate(columns, 1):
        name = column if column and column.lower() not in seen else f"column {number}"
        seen.add(name.lower())
        names.append(name)
    return names
