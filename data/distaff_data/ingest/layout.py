"""Layout of one file: format, delimiter, header and columns, told by its name and its first lines."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distaff_data.errors import InputError, first_line
from distaff_data.ingest import movielens
from distaff_data.ingest.columns import common, unique_names
from distaff_data.warehouse import Scratch

FORMATS = ("delimited", "jsonl", "lightgcn", "movielens", "parquet", "recbole")
ENTITIES = "movielens entities"  # MovieLens' older files about movies and people, known by their names
HEADERLESS = ("user", "item", "rating", "time")  # the order of columns in a file that does not name them

_DELIMITERS = ("::", "\t", ",", ";", "|", " ")  # the first wins where several fit
_SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_RECBOLE = (".inter", ".item", ".user")
_MOVIELENS = ("u.data", "ratings.dat", "ratings.csv")
csv.field_size_limit(1 << 26)  # Python's limit of 128 KiB is less than a text column may hold
_HEAD_BYTES, _HEAD_LINES, _LINE_BYTES = 1 << 18, 200, 1 << 26


@dataclass(frozen=True)
class FileLayout:
    """One file, ready to be staged.

    Attributes:
        path: The file.
        format: One of ``FORMATS``, or ``ENTITIES``.
        columns: Its columns by the names they are staged under; none for ``lightgcn``.
        delimiter: Between columns of a delimited file; empty for the others.
        header: Whether the first line names the columns.
        quote: The quote character; empty where quotes mean nothing.
        repeated: Names that the header has more than once, in whatever case; later columns are staged under others.
    """

    path: Path
    format: str
    columns: tuple[str, ...] = ()
    delimiter: str = ""
    header: bool = False
    quote: str = ""
    repeated: tuple[str, ...] = ()

    def stage(self, scratch: Scratch, table: str, columns: Sequence[str]) -> None:
        """Read ``columns`` of the file into a table, with the row number as ``row``; ``line`` holds LightGCN's lines."""
        if self.format == "parquet":
            scratch.stage_parquet(table, self.path, columns=columns)
        elif self.format == "jsonl":
            scratch.stage_json(table, self.path, columns=columns)
        elif self.format == ENTITIES:
            movielens.stage(scratch, table, self.path, columns)
        elif self.format == "lightgcn":
            scratch.stage_delimited(
                table, self.path, columns=["line"], keep=["line"], delimiter="\x1f", header=False, quote=""
            )
        else:
            scratch.stage_delimited(
                table,
                self.path,
                columns=self.columns,
                keep=columns,
                delimiter=self.delimiter,
                header=self.header,
                quote=self.quote,
            )


def layout_of(path: Path, scratch: Scratch, format: str | None = None, *, header: bool | None = None) -> FileLayout:
    """Find the layout of a file.

    Args:
        path: The file.
        scratch: Where it will be staged; Parquet's columns are read through it.
        format: One of ``FORMATS``, or None to detect it.
        header: Whether the first line names the columns; None to find that out.

    Raises:
        InputError: The file is empty, not UTF-8, not what ``format`` says, or has no recognisable columns.
    """
    if format is None and (columns := movielens.columns_of(path)):
        return FileLayout(path, ENTITIES, columns)
    if _is_parquet(path, format):
        return FileLayout(path, "parquet", tuple(scratch.parquet_columns(path)))
    lines = _head(path)
    format = format or _format(path, lines)
    if format == "jsonl":
        return FileLayout(path, format, _keys(path, lines))
    if format == "lightgcn":
        return FileLayout(path, format)
    try:
        return _delimited(path, format, lines, header)
    except csv.Error as error:
        # Met with bare carriage returns, which end lines on no system that is still made.
        raise InputError(f"cannot read the first lines: {error}; do lines end in LF or CR LF?", path=path) from None


def _is_parquet(path: Path, format: str | None) -> bool:
    if path.stat().st_size == 0:
        raise InputError("the file is empty", path=path)
    with path.open("rb") as file:
        magic = file.read(4) == b"PAR1"
    return format == "parquet" or (format is None and (magic or _SUFFIXES.get(path.suffix.lower()) == "parquet"))


def _head(path: Path) -> list[str]:
    """Return the first lines without their ends, blank ones included."""
    lines: list[str] = []
    size = 0
    with path.open("rb") as file:
        while len(lines) < _HEAD_LINES and size < _HEAD_BYTES and (line := file.readline(_LINE_BYTES)):
            if line.startswith(b"\x1f\x8b") and not lines:
                raise InputError("the file is compressed; unpack it first (gunzip)", path=path)
            try:
                lines.append(line.decode("utf-8-sig" if not lines else "utf-8").rstrip("\r\n"))
            except UnicodeDecodeError as error:
                raise InputError(
                    "the file is not UTF-8; convert it first (iconv -f LATIN1 -t UTF-8)",
                    path=path,
                    line=len(lines) + 1,
                    value=line[max(error.start - 20, 0) : error.end + 20].strip(),
                ) from None
            size += len(line)
    if not any(line.strip() for line in lines):
        raise InputError("the file is empty", path=path)
    return lines


def _format(path: Path, lines: Sequence[str]) -> str:
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix in _RECBOLE:
        return "recbole"
    if path.name in _MOVIELENS:
        return "movielens"
    if next(line for line in lines if line.strip()).lstrip().startswith("{"):
        return "jsonl"
    return "lightgcn" if _one_user_a_line(lines) else "delimited"


def _one_user_a_line(lines: Sequence[str]) -> bool:
    """Tell whether lines are LightGCN's: whole numbers between spaces, every line another user and as long as it likes."""
    rows = [line.split(" ") for line in lines if line.strip()]
    if not all(token.isdigit() for row in rows for token in row if token):
        return False
    widths = {len(row) for row in rows}
    return len({row[0] for row in rows}) == len(rows) and (len(widths) > 1 or max(widths) > len(HEADERLESS))


def _keys(path: Path, lines: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of the first objects, in order of appearance."""
    keys: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:  # also brackets without end, and integers of thousands of digits
            reason = error.msg if isinstance(error, json.JSONDecodeError) else first_line(error)
            raise InputError(f"the line is not JSON: {reason}", path=path, line=number, value=line[:80]) from None
        if not isinstance(value, dict):
            hint = "write one object a line (jq -c '.[]')"
            raise InputError(f"the line is JSON, but no object; {hint}", path=path, line=number, value=line[:80])
        keys |= dict.fromkeys(value)
    return tuple(keys)


def _delimited(path: Path, format: str, lines: Sequence[str], header: bool | None) -> FileLayout:
    delimiter = _sniff(path, lines, ("\t", ",") if format == "recbole" else _DELIMITERS)
    quote = _quote(format, path, delimiter, lines)
    rows = _records(lines, delimiter, quote)
    first = [name.strip() for name in rows[0]]
    if header is None:
        header = _is_header(path, first, rows[1:])
    if header or format == "recbole":
        if len(rows) == 1 and len(lines) < _HEAD_LINES:
            raise InputError("the file has a header and nothing else", path=path, line=1)
        counts = Counter(name.lower() for name in first if name)
        repeated = tuple(name for name in dict.fromkeys(first) if counts[name.lower()] > 1)
        return FileLayout(path, format, tuple(unique_names(first)), delimiter, True, quote, repeated)
    if len(first) > len(HEADERLESS):
        raise InputError(
            f"the first line names no columns, and {len(first)} of them cannot be guessed; add a header",
            path=path,
            line=1,
            value=delimiter.join(first)[:80],
        )
    return FileLayout(path, format, HEADERLESS[: len(first)], delimiter, False, quote)


def _quote(format: str, path: Path, delimiter: str, lines: Sequence[str]) -> str:
    """Return the quote character; most tab-separated files write text as it is, and a title may begin with a quote."""
    quoted_header = next(line for line in lines if line.strip()).startswith('"')
    if path.name == "ratings.csv" or (format == "delimited" and (delimiter in (",", ";", "|") or quoted_header)):
        return '"'
    return ""


def _sniff(path: Path, lines: Sequence[str], delimiters: Sequence[str]) -> str:
    """Return the delimiter that most lines agree with the first line on."""

    def agreement(delimiter: str) -> float:
        widths = [len(row) for row in _records(lines, delimiter, '"')]
        return widths.count(widths[0]) / len(widths) if widths[0] > 1 else 0.0

    best = max(delimiters, key=agreement)
    if agreement(best) == 0.0:
        raise InputError(
            "the line is one column; columns are divided by a comma, tab, semicolon, bar, space or ::",
            path=path,
            line=1,
            value=lines[0][:80],
        )
    return best


def _records(lines: Sequence[str], delimiter: str, quote: str) -> list[list[str]]:
    kept = [line for line in lines if line.strip()]
    if len(delimiter) > 1 or not quote:
        return [line.split(delimiter) for line in kept]
    return [row for row in csv.reader((line + "\n" for line in kept), delimiter=delimiter, quotechar=quote) if row]


def _is_header(path: Path, first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first line names columns: it has usual names, or text above columns of numbers or codes.

    It is a row where a number stands in it, where a code stands above codes, or where a later row repeats one of its values.

    Raises:
        InputError: Neither is more plausible than the other.
    """
    if all(_is_number(field) for field in first):
        return False
    if common("user", first) and common("item", first):
        return True
    columns = [[row[place] for row in rest if place < len(row)] for place in range(len(first))]
    pairs = list(zip(first, columns, strict=True))
    if any(not _is_number(name) and bool(below) and all(map(_is_number, below)) for name, below in pairs):
        return True
    if len(first) > len(HEADERLESS):
        return False
    if any(
        _is_number(name) or name in below or (_is_code(name) and all(map(_is_code, below))) for name, below in pairs
    ):
        return False
    if any(not _is_code(name) and bool(below) and all(map(_is_code, below)) for name, below in pairs):
        return True
    names = ", ".join(first)
    raise InputError(
        f"the first line may name the columns, or be a row ({names}): name columns with --user and --item, "
        "or say --headerless",
        path=path,
        line=1,
    )


def _is_code(text: str) -> bool:
    """Tell whether a value is written like an id, which names of columns are not."""
    return any(character.isdigit() for character in text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
