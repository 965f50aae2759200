"""Every error Distaff raises on purpose.

DistaffError
├── InputError            what the user gave is wrong: a file, a name, an option (exit status 2)
│   └── UnknownNameError  a dataset, run, model or column that does not exist, with near misses
├── DamagedError          a file of the workspace is damaged or missing; distaff doctor says which (exit status 2)
└── UnsupportedError      the model cannot do what was asked, and says what can
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

_PASSWORD = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@]+(?=@)", re.IGNORECASE)
_NAMED = re.compile(
    r"(?P<before>\b\w*(?:password|passwd|secret|token|access_key|api_key|session_key)\w*[\"']?\s*[=:]\s*)(?P<quote>[\"']?)"
    r"[^\s\"'&;,]+(?P=quote)",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """Return the text without the passwords in its URLs and without the values of what is called a secret."""
    return _NAMED.sub(r"\g<before>***", _PASSWORD.sub(r"\g<before>***", text))


class DistaffError(Exception):
    """Root of Distaff's own errors; the message is one clear line for a person, without passwords."""

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


class InputError(DistaffError):
    """The input or the usage is wrong; nothing was changed.

    Args:
        message: What is wrong and what to do about it.
        path: The file at fault.
        line: 1-based physical line in that file.
        column: Column name at fault.
        value: The offending value as it stands in the file.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        line: int | None = None,
        column: str | None = None,
        value: object | None = None,
    ) -> None:
        where = [str(path)] if path is not None else []
        where += [f"line {line}"] if line is not None else []
        where += [f"column {column}"] if column is not None else []
        where += [f"value {value!r}"] if value is not None else []
        # Each by itself: at "value 'etc/passwd': no case" the colon is ours, and gives away nothing.
        parts = [*(redacted(place) for place in where), redacted(message)]
        Exception.__init__(self, f"{', '.join(parts[:-1])}: {parts[-1]}" if where else parts[-1])
        self.path, self.line, self.column, self.value = path, line, column, value


class UnknownNameError(InputError):
    """A name that does not exist.

    Args:
        kind: What was looked for, such as ``"dataset"``.
        name: The name as given.
        known: The names that exist; the nearest are offered.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        elif names:
            shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            hint = f"there are: {shown}"
        else:
            hint = f"there is no {kind} yet"
        super().__init__(f"no {kind} named {name!r}; {hint}")


class DamagedError(DistaffError):
    """A file of the workspace is damaged, missing or of another make; the input is not at fault."""


class UnsupportedError(DistaffError):
    """The model cannot do what was asked; the message names an alternative."""


def first_paragraph(error: Exception) -> str:
    """Return what another library's message says before it repeats what was given, on one line."""
    return " ".join(str(error).strip().split("\n\n", 1)[0].split())


def first_line(error: Exception) -> str:
    """Return the first line of another library's message."""
    return str(error).strip().split("\n", 1)[0]
