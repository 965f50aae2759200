"""Reports as Markdown for a ticket and as one HTML file that needs nothing else: headings, lists and tables, all escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Content = Sequence[str] | tuple[Sequence[str], Sequence[Sequence[str]]]
"""Lines, or a table: its header and its rows."""

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:left}"
    "figure{margin:.6rem 0}figcaption{color:#555;font-size:13px}svg{max-width:100%}"
    "polyline{fill:none;stroke:#1f5f8b;stroke-width:1.2}line{stroke:#b3261e;stroke-dasharray:3 3}"
)


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        heading: Plain text.
        content: Lines or a table.
        nothing: Stands there where the content is empty.
    """

    heading: str
    content: Content
    nothing: str = ""


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        title: What it is of.
        markdown: As Markdown.
        html: As HTML, complete in itself.
    """

    title: str
    markdown: str
    html: str


def write_report(title: str, sections: Sequence[Section], drawn: str = "") -> Report:
    """Return a report of sections in both forms.

    Args:
        title: What it is of, as plain text.
        sections: In their order.
        drawn: HTML that follows them, such as figures; Markdown goes without.
    """
    markdown, html = [f"# {_text(title)}"], [f"<h1>{escape(title)}</h1>"]
    for section in sections:
        markdown += ["", f"## {section.heading}", "", _as_markdown(section.content) or section.nothing]
        html += [
            f"<h2>{escape(section.heading)}</h2>",
            _as_html(section.content) or f"<p>{escape(section.nothing)}</p>",
        ]
    html += [drawn] if drawn else []
    return Report(title, "\n".join(markdown) + "\n", _page(title, "\n".join(html)))


def _as_markdown(content: Content) -> str:
    if isinstance(content, tuple):
        header, rows = content
        lines = [" | ".join(map(_text, row)) for row in (header, *rows)]
        lines.insert(1, " | ".join("---" for _ in header))
        return "\n".join(f"| {line} |" for line in lines) if rows else ""
    return "\n".join(f"- {_text(str(line))}" for line in content)


def _as_html(content: Content) -> str:
    if isinstance(content, tuple):
        header, rows = content
        return _table(header, rows) if rows else ""
    return f"<ul>{''.join(f'<li>{escape(str(line))}</li>' for line in content)}</ul>" if content else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + line(header, "th") + "".join(line(row, "td") for row in rows) + "</table>"


def _text(words: str) -> str:
    """Return words that Markdown leaves as they are, also in a cell."""
    for sign in "\\`*_{}[]<>|#":
        words = words.replace(sign, f"\\{sign}")
    return " ".join(words.split())


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )
