"""MovieLens' older files about movies and people: ``u.item`` and ``u.user``, ``movies.dat`` and ``users.dat``.

None of them names its columns. They are in Latin-1 where they are not in UTF-8. The genres of ``u.item`` are flags, whose
names ``u.genre`` beside it lists in order; of ``movies.dat`` they are names between bars. The year stands in the title.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from distaff_data.errors import InputError
from distaff_data.warehouse import Scratch, identifier, literal


def _person(*names: str) -> dict[str, str]:
    return {name: f"f[{place}]" for place, name in enumerate(("user_id", *names), 1)}


_MOVIE = {
    "item_id": "f[1]",
    "title": "trim(f[2])",
    "year": r"regexp_extract(f[2], '\((\d{4})\)\s*$', 1)",
}
_FLAGS = 5  # columns of u.item before its genres: movie, title, release, video release, address
# Of each file what divides its columns, how many it has without flags, and its columns by name, as SQL of the parts f.
_FILES = {
    "u.item": ("|", _FLAGS, {**_MOVIE, "genres": "genres"}),
    "movies.dat": ("::", 3, {**_MOVIE, "genres": "f[3]"}),
    "u.user": ("|", 5, _person("age", "gender", "occupation", "zip_code")),
    "users.dat": ("::", 5, _person("gender", "age", "occupation", "zip_code")),
}
BESIDE = {
    "u.data": ("u.item", "u.user"),
    "ratings.dat": ("movies.dat", "users.dat"),
    "ratings.csv": ("movies.csv", None),
}
NO_GENRE = "(no genres listed)"  # where u.item has the flag of "unknown"


def columns_of(path: Path) -> tuple[str, ...]:
    """Return the columns that a file is read with; none where it is no such file."""
    return tuple(_FILES[path.name][2]) if path.name in _FILES else ()


def stage(scratch: Scratch, table: str, path: Path, columns: Sequence[str]) -> None:
    """Read ``columns`` of a file into a table of text, with the number of the row as ``row``.

    Raises:
        InputError: A line with too few or too many parts, a flag that is neither 0 nor 1, or no ``u.genre``.
    """
    delimiter, width, expressions = _FILES[path.name]
    genres = _genres(path.with_name("u.genre")) if path.name == "u.item" else []
    lines = [(number, line) for number, line in enumerate(_lines(path), 1) if line.strip()]
    if not lines:
        raise InputError("the file is empty", path=path)
    batch = pa.record_batch(
        {"number": [n for n, _ in lines], "line": pa.array([line for _, line in lines], pa.string())}
    )
    scratch.stage_arrow("arrived", batch.schema, [batch])
    width += len(genres)
    split = f"string_split(line, {literal(delimiter)})"
    flags = f"list_transform(f[{_FLAGS + 1}:], lambda x: trim(x))"
    scratch.execute(f"CREATE OR REPLACE TABLE parts AS SELECT row, number, line, {split} AS f FROM arrived")
    _refuse(scratch, path, f"len(f) <> {width}", f"a line has {width} parts with {delimiter} between")
    if genres:
        _refuse(scratch, path, f"len(list_filter({flags}, lambda x: x NOT IN ('0', '1'))) > 0", "a genre is 0 or 1")
        names = "[" + ", ".join(map(literal, genres)) + "]"
        kept = f"list_filter(list_zip({names}, {flags}), lambda x: x[2] = '1' AND x[1] <> 'unknown')"
        named = f"array_to_string(list_transform({kept}, lambda x: x[1]), '|')"
        scratch.execute(f"CREATE OR REPLACE TABLE parts AS SELECT row, f, {named} AS genres FROM parts")
    picked = ", ".join(f"{expressions[column]} AS {identifier(column)}" for column in columns)
    scratch.execute(f"CREATE OR REPLACE TABLE {identifier(table)} AS SELECT row, {picked} FROM parts")
    for done in ("parts", "arrived"):
        scratch.execute(f"DROP TABLE {done}")


def _refuse(scratch: Scratch, path: Path, condition: str, message: str) -> None:
    wrong = scratch.rows(f"SELECT number, line FROM parts WHERE {condition} ORDER BY number LIMIT 1")
    if wrong:
        raise InputError(message, path=path, line=int(str(wrong[0][0])), value=str(wrong[0][1])[:80])


def _genres(path: Path) -> list[str]:
    if not path.is_file():
        raise InputError("this file, which names the genres of u.item, is missing beside it", path=path)
    names: list[str] = []
    for number, line in enumerate(_lines(path), 1):
        name, bar, place = line.strip().rpartition("|")
        if not line.strip():
            continue
        if not bar or place != str(len(names)):
            raise InputError(
                f"a genre and its number, {len(names)}, are wanted", path=path, line=number, value=line[:80]
            )
        names.append(name)
    return names


def _lines(path: Path) -> list[str]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return [line.rstrip("\r") for line in text.split("\n")]
