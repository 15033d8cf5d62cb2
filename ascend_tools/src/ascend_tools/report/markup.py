"""Pieces of HTML; all text that goes into them is escaped here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from ascend_tools.report import style

# Nothing is loaded and nothing runs, whatever stands in the data.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # no text, or half of a character


def printable(value: object) -> str:
    """Return text with a sign in the place of what is none."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))


def text(value: object) -> str:
    """Return text as HTML shows it, whatever it holds."""
    return html.escape(printable(value))


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page of parts that are HTML."""
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title>\n<style>{style.CSS}</style>\n</head>\n<body>\n<main>",
            *(part for part in parts if part),
            "</main>\n</body>\n</html>\n",
        )
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]], best: int = -1) -> str:
    """Return a table of cells that are HTML; the first of each row names it, the row with the number `best` stands out.

    A cell may be a whole element, with a class of its own.
    """
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    lines = []
    for number, (name, *cells) in enumerate(rows):
        mark = ' class="best"' if number == best else ""
        inner = "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells)
        lines.append(f'<tr{mark}><th scope="row">{name}</th>{inner}</tr>')
    top = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    return f'<div class="wide"><table>{top}<tbody>\n{chr(10).join(lines)}\n</tbody></table></div>'


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and what they are, text both."""
    return table((), ((text(name), f'<td class="text">{text(value)}</td>') for name, value in rows))


def section(title: str, *parts: str) -> str:
    """Return a section; nothing where it has no parts."""
    inner = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{text(title)}</h2>\n{inner}\n</section>" if inner else ""


def note(words: str) -> str:
    """Return a paragraph of small text."""
    return f'<p class="note">{text(words)}</p>' if words else ""
