"""Files to one staged table of events, every value checked; what is wrong is refused with its line.

The table ``events`` has ``user_id, item_id`` as text, ``rating`` and ``time`` (seconds) as numbers or NULL, ``split`` or
NULL, and ``seq``, the order of reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distaff_data.errors import InputError
from distaff_data.ingest.columns import match_roles, names_a_time
from distaff_data.ingest.detect import SPLIT_WORDS, SourceFile
from distaff_data.ingest.layout import FileLayout, layout_of
from distaff_data.ingest.lines import physical_line
from distaff_data.ingest.options import InteractionsOptions
from distaff_data.ingest.times import ReadTimes, TimeReader, check_times, dated_columns
from distaff_data.warehouse import Scratch, identifier

EVENTS = """
CREATE TABLE events (
    user_id VARCHAR, item_id VARCHAR, rating DOUBLE, time DOUBLE, split VARCHAR, seq BIGINT
)
"""

_SPLITS = ", ".join(f"'{word}': '{split}'" for word, split in SPLIT_WORDS.items())
_PARSED = {
    "user": "{0}",
    "item": "{0}",
    "rating": "TRY_CAST({0} AS DOUBLE)",
    "split": f"MAP {{{{{_SPLITS}}}}}[lower(trim({{0}}))]",
}
_WRONG = {
    "rating": "not a number",
    "split": "no split; they are train, valid, test or 0, 1, 2",
}


@dataclass(frozen=True)
class StagedEvents:
    """Format, columns and split of the files in the table ``events``.

    Attributes:
        format: The files' format.
        columns: The column used for each role.
        given_split: Whether the source brought its own split.
        times: How the times of the files were taken.
    """

    format: str
    columns: Mapping[str, str]
    given_split: bool
    times: ReadTimes


def stage_events(
    scratch: Scratch,
    files: Sequence[SourceFile],
    options: InteractionsOptions,
    required: Sequence[str],
) -> StagedEvents:
    """Read files of interactions into the table ``events``.

    Args:
        scratch: The staging database.
        files: The files.
        options: Their format and the columns of the roles, where a person named them.
        required: Roles, such as ``time``, without which the rest of the ingestion cannot be done.

    Raises:
        InputError: See the module and :func:`distaff_data.ingest.columns.match_roles`.
    """
    scratch.execute(EVENTS)
    chosen = {role: getattr(options, role) for role in ("user", "item", "rating", "time")}
    columns: dict[str, str] = {}
    times: list[ReadTimes] = []
    reader = TimeReader.make(options.time_format, options.day_first)
    header = False if options.headerless else True if any(chosen.values()) else None
    layouts = _layouts(scratch, files, options.format, header=header)
    for file, layout in zip(files, layouts, strict=True):
        roles, taken = _stage_file(scratch, file, layout, chosen, required, options.far_times, reader)
        columns = {**roles, **columns}
        times.append(taken)
    if not scratch.count("SELECT count(*) FROM events"):
        raise InputError("the file has no interactions", path=files[0].path)
    has_split = not scratch.count("SELECT count(*) FROM events WHERE split IS NULL")
    units = dict.fromkeys(taken.unit for taken in times if taken.unit)
    return StagedEvents(
        layouts[0].format, columns, has_split, ReadTimes(", ".join(units), sum(taken.far for taken in times))
    )


def _layouts(
    scratch: Scratch, files: Sequence[SourceFile], format: str | None, *, header: bool | None
) -> list[FileLayout]:
    layouts = [layout_of(file.path, scratch, format, header=header) for file in files]
    if format is None and any(layout.format == "lightgcn" for layout in layouts):
        # A leave-one-out test file has two numbers a line, which looks like columns until one sees its neighbour.
        return [
            FileLayout(layout.path, "lightgcn") if not layout.header and layout.delimiter == " " else layout
            for layout in layouts
        ]
    return layouts


def _stage_file(
    scratch: Scratch,
    file: SourceFile,
    layout: FileLayout,
    chosen: Mapping[str, str | None],
    required: Sequence[str],
    far_times: str,
    reader: TimeReader,
) -> tuple[dict[str, str], ReadTimes]:
    if layout.format == "lightgcn":
        roles = {"user": "user", "item": "item"}
        for name in (role for role in required if role not in roles):
            raise InputError(f"LightGCN text has no {name}, which is needed here", path=layout.path, column=name)
        layout.stage(scratch, "raw", ["line"])
        _one_row_an_item(scratch)
    else:
        if layout.format == "movielens" and len(layout.columns) < 3:
            raise InputError("a MovieLens file has user, item, rating and time", path=layout.path, line=1)
        roles = match_roles(layout.path, layout.columns, chosen)
        if twice := sorted(set(roles.values()) & set(layout.repeated)):
            raise InputError("two columns have this name", path=layout.path, line=1, column=twice[0])
        maybe_times = [] if "time" in roles or chosen["time"] == "" else _maybe_times(layout, roles)
        layout.stage(scratch, "raw", [*roles.values(), *maybe_times])
        if dated := dated_columns(scratch, maybe_times, reader):
            if len(dated) == 1:
                roles["time"] = dated[0]
            elif "time" in required:
                raise InputError(
                    f"the time may be {' or '.join(dated)}; name it with --time",
                    path=layout.path,
                    line=1,
                    column="time",
                )
        for name in (role for role in required if role not in roles):
            columns = ", ".join(layout.columns)
            raise InputError(
                f"no column looks like the {name}, which is needed here; there are: {columns}; name it with --{name}",
                path=layout.path,
                line=1,
                column=name,
            )
        _check_types(scratch, layout, roles)
    taken = ReadTimes()
    if "time" in roles:
        far = "refuse" if "time" in required else far_times
        hint = "" if "time" in required else ", or take such times as missing with --far-times missing"
        taken = check_times(scratch, layout, roles["time"], reader, far=far, hint=hint)
    _check(scratch, layout, roles, required, reader)
    if file.split is not None:
        roles.pop("split", None)
    _add(scratch, roles, file.split, reader)
    return roles, taken


def _check_types(scratch: Scratch, layout: FileLayout, roles: Mapping[str, str]) -> None:
    """Refuse ids that are no words and no numbers: a list or a structure is none, however it is written out."""
    if layout.format != "parquet":
        return
    types = scratch.parquet_columns(layout.path)
    for role in ("user", "item"):
        kind = types[roles[role]]
        if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "BLOB", "UNION", "VARIANT")):
            raise InputError(f"the {role} is text or a number, not {kind}", path=layout.path, column=roles[role])


def _maybe_times(layout: FileLayout, roles: Mapping[str, str]) -> list[str]:
    """Return columns that may hold times by their names, such as bought_at."""
    return [column for column in layout.columns if column not in roles.values() and names_a_time(column)]


def _one_row_an_item(scratch: Scratch) -> None:
    """Turn ``user item item ...`` into rows; a user alone on a line has none. ``row`` stays the line."""
    scratch.execute("""
        CREATE OR REPLACE TABLE pairs AS
        SELECT row, tokens[1] AS user, unnest(tokens[2:]) AS item
        FROM (SELECT row, list_filter(regexp_split_to_array(line, '\\s+'), lambda t: t <> '') AS tokens FROM raw)
    """)
    scratch.execute("DROP TABLE raw")
    scratch.execute("ALTER TABLE pairs RENAME TO raw")


def _check(
    scratch: Scratch, layout: FileLayout, roles: Mapping[str, str], required: Sequence[str], reader: TimeReader
) -> None:
    """Refuse the first row with a missing id, a missing value that is needed, or a value that cannot be read."""
    wrong = {role: _is_wrong(role, identifier(column), role in required, reader) for role, column in roles.items()}
    firsts = ", ".join(f"min(row) FILTER (WHERE {condition})" for condition in wrong.values())
    by_role = zip(wrong, scratch.rows(f"SELECT {firsts} FROM raw")[0], strict=True)
    refused = [(row, role) for role, row in by_role if isinstance(row, int)]
    if not refused:
        return
    row, role = min(refused)
    column = roles[role]
    value = scratch.value(f"SELECT {identifier(column)} FROM raw WHERE row = ? AND {wrong[role]}", [row])
    missing = value is None or not str(value).strip()
    message = f"the {role} is missing" if missing else reader.refusal(value) if role == "time" else _WRONG[role]
    if role in ("rating", "time") and not missing:
        message += f"; read another column with --{role}" if layout.header else "; is the first line a header?"
    line = physical_line(layout, row)
    raise InputError(message, path=layout.path, line=line, column=column, value=value)


def _is_wrong(role: str, column: str, needed: bool, reader: TimeReader) -> str:
    missing = f"({column} IS NULL OR trim({column}) = '')"
    if role in ("user", "item"):
        return missing
    parsed = _parsed(role, column, reader)
    unreadable = f"({parsed} IS NULL OR NOT isfinite({parsed}))" if role != "split" else f"{parsed} IS NULL"
    if role == "time":  # what is far off was looked at before
        unreadable = f"(NOT {reader.is_far(column)} AND {unreadable})"
    return f"({missing} OR {unreadable})" if needed or role == "split" else f"(NOT {missing} AND {unreadable})"


def _parsed(role: str, column: str, reader: TimeReader) -> str:
    """Return the SQL of a role's cell in its type; what is far off is no time."""
    if role == "time":
        return f"CASE WHEN {reader.is_far(column)} THEN NULL ELSE {reader.seconds(column)} END"
    return _PARSED[role].format(column)


def _add(scratch: Scratch, roles: Mapping[str, str], split: str | None, reader: TimeReader) -> None:
    parsed = {role: _parsed(role, identifier(column), reader) for role, column in roles.items()}
    if split is not None:
        parsed["split"] = f"'{split}'"
    picked = ", ".join(parsed.get(role, "NULL") for role in ("user", "item", "rating", "time", "split"))
    scratch.execute(f"INSERT INTO events SELECT {picked}, row + (SELECT coalesce(max(seq), 0) FROM events) FROM raw")
    scratch.execute("DROP TABLE raw")
