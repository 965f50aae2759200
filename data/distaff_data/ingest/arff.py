r"""``.arff`` of the UEA and UCR archives: windows with their class, in Weka's format.

A file of one channel has a numeric attribute a row of the window and the class last: ``0.1,0.2,?,walk``. One of several has
a relational attribute with the window in quotes, channels between ``\n`` (the two characters), and the class after it:
``'0.1,0.2\n1.0,1.1',walk``. ``?`` is a missing value. Attributes of other kinds are refused with their line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from distaff_data.errors import InputError
from distaff_data.ingest.values import LabelledWindow, text_lines, window_of

_ATTRIBUTE = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.+)", re.IGNORECASE)
_NUMERIC = ("numeric", "real", "integer")


@dataclass
class _Header:
    """The header before ``@data``.

    Attributes:
        start: Place of the first line after it.
        n_numeric: Numeric attributes outside a relation.
        relational: Whether there is a relation.
        classes: Names of the nominal attribute; None without one.
    """

    start: int = 0
    n_numeric: int = 0
    relational: bool = False
    classes: tuple[str, ...] | None = None
    inside: bool = field(default=False, repr=False)


def arff_windows(path: Path) -> list[LabelledWindow]:
    """Return every window ``(T, C)`` of a file with its class, None where the file has none.

    Raises:
        InputError: A header that is missing or of another kind, or a line that cannot be read.
    """
    lines = text_lines(path)
    header = _header(path, lines)
    windows = [
        _window(path, number, line.strip(), header)
        for number, line in enumerate(lines[header.start :], header.start + 1)
        if line.strip() and not line.lstrip().startswith("%")
    ]
    if not windows:
        raise InputError("the file has a header and nothing else", path=path)
    return windows


def _header(path: Path, lines: list[str]) -> _Header:
    header = _Header()
    for place, line in enumerate(lines):
        words = line.strip()
        if words.lower() == "@data":
            header.start = place + 1
            if not (header.relational or header.n_numeric):
                raise InputError("the file has no numeric attributes before @data", path=path, line=place + 1)
            return header
        if words.lower().startswith("@end"):
            header.inside = False
        elif words.lower().startswith("@attribute"):
            _attribute(path, place + 1, words, header)
        elif words and not words.startswith("%") and not words.lower().startswith("@relation"):
            raise InputError("a line before @data begins with @ or %", path=path, line=place + 1, value=words[:80])
    raise InputError("the file has no @data; is it an .arff file?", path=path)


def _attribute(path: Path, number: int, words: str, header: _Header) -> None:
    matched = _ATTRIBUTE.match(words)
    kind = matched.group(2).strip() if matched else ""
    if kind.lower() in _NUMERIC:
        header.n_numeric += not header.inside
    elif kind.lower() == "relational" and not header.relational and not header.n_numeric:
        header.relational = header.inside = True
    elif kind.startswith("{") and kind.endswith("}") and header.classes is None and not header.inside:
        header.classes = tuple(_unquoted(name) for name in kind[1:-1].split(","))
    else:
        raise InputError(
            "windows are numeric attributes or one relation, followed by one list of classes in braces",
            path=path,
            line=number,
            value=words[:80],
        )


def _window(path: Path, number: int, line: str, header: _Header) -> LabelledWindow:
    label = None
    if header.classes is not None:
        line, _, last = line.rpartition(",")
        label = _unquoted(last)
        if label not in header.classes:
            classes = ", ".join(sorted(header.classes))
            raise InputError(f"no class; there are {classes}", path=path, line=number, column="class", value=label)
    if not header.relational:
        window = window_of(path, number, [line])
        if len(window) != header.n_numeric:
            raise InputError(f"{len(window)} values for {header.n_numeric} numeric attributes", path=path, line=number)
        return window, label
    if len(line) < 2 or line[0] not in "'\"" or line[-1] != line[0]:
        raise InputError("a relation stands in quotes", path=path, line=number, value=line[:80])
    return window_of(path, number, line[1:-1].split("\\n")), label


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0] else text
