"""Pieces of the HTML page: everything that comes from files is escaped here.

The page holds its style, plots and pictures in itself, has no scripts, and forbids the browser
to load anything.
"""

import base64
import html
import re
from collections.abc import Sequence

import numpy as np

from kextract.reports.confusion import Confusion
from kextract.reports.style import GRID, INK
from kextract.reports.table import Table
from kextract.text import one_line

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
MOST_CLASSES = 25
"""A confusion matrix of more classes is shown as a list of what is confused most."""
_MOST_CONFUSED = 20
_STRONGEST = 0.55
"""Opacity of a cell that all images of a class are in; text on it stays readable."""

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1a1a1a; --soft: #5a5f66;
  --rule: #d4d4d4; --card: #f5f6f8; --hue: 0, 114, 178; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181c; --ink: #e8e8e8; --soft: #a4abb3;
  --rule: #3a4048; --card: #1e2329; --hue: 86, 180, 233; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 70rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .75rem; padding-top: 1rem;
  border-top: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p { max-width: 46rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; } figure { margin: 1rem 0; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .35rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: left; border-bottom: 1px solid var(--rule);
  overflow-wrap: normal; vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
tbody th { min-width: 10rem; }
thead th { color: var(--soft); font-weight: 600; font-size: .9rem; }
.confusion td { text-align: right; padding: .25rem .45rem; border: 0; font-size: .85rem; }
.confusion th { border: 0; min-width: 0; padding: .25rem .45rem;
  font-weight: 500; font-size: .85rem; }
pre { background: var(--card); padding: .8rem 1rem; border-radius: .4rem; overflow-x: auto;
  white-space: pre-wrap; font: 14px/1.5 ui-monospace, monospace; }
details { margin: .75rem 0; } summary { cursor: pointer; }
svg { display: block; max-width: 100%; height: auto; }
img { max-width: 100%; image-rendering: pixelated; }
:focus-visible { outline: 2px solid rgb(var(--hue)); outline-offset: 2px; }
@media print { body { max-width: none; } details > * { display: block; } }
"""


def escaped(text: str) -> str:
    """Make any text fit for a page: one line, no control characters, no markup."""
    return html.escape(one_line(text))


def document(title: str, body: Sequence[str]) -> str:
    """Put a page together of its parts, which are HTML already."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escaped(title)}</title>",
            '<link rel="icon" href="data:,">',
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            *body,
            "</body>",
            "</html>",
            "",
        ]
    )


def table(content: Table) -> str:
    """Give a table whose first column names its rows."""
    numeric = [content.is_numeric(index) for index in range(len(content.columns))]
    head = "".join(
        f'<th scope="col"{_number(is_number)}>{escaped(name)}</th>'
        for name, is_number in zip(content.columns, numeric, strict=True)
    )
    rows = []
    for row in content.rows:
        first, *others = row
        cells = "".join(
            f"<td{_number(is_number)}>{escaped(cell.text)}</td>"
            for cell, is_number in zip(others, numeric[1:], strict=True)
        )
        rows.append(f'<tr><th scope="row">{escaped(first.text)}</th>{cells}</tr>')
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def confusion(found: Confusion) -> str:
    """Give a confusion matrix: rows are true classes, a darker cell has more of its row."""
    if len(found.class_names) > MOST_CLASSES:
        return _most_confused(found)
    shares = found.counts / np.maximum(found.counts.sum(axis=1, keepdims=True), 1)
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in found.class_names)
    rows = []
    for name, counts, row in zip(found.class_names, found.counts, shares, strict=True):
        cells = "".join(
            f'<td style="background: rgba(var(--hue), {_STRONGEST * share:.2f})">{count}</td>'
            for count, share in zip(counts, row, strict=True)
        )
        rows.append(f'<tr><th scope="row">{escaped(name)}</th>{cells}</tr>')
    return (
        '<div class="wide"><table class="confusion"><thead><tr><th></th>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def plot(svg: bytes, name: str, description: str) -> str:
    """Take an SVG of `render(..., for_page=True)` into the page, in the page's colours and font.

    `name` keeps its identifiers apart from those of other plots.
    """
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"(?<=px) 'DejaVu Sans'[^;\"]*", " system-ui, sans-serif", text)
    for colour, role in ((INK, "ink"), (GRID, "rule"), ("#ffffff", "paper")):
        text = text.replace(colour, f"var(--{role})")
    label = f'<svg role="img" aria-label="{escaped(description)}" '
    return f"<figure>{text.replace('<svg ', label, 1)}</figure>"


def picture(image: bytes, kind: str, caption: str) -> str:
    """Take a picture ("png" or "webp") into the page."""
    data = base64.b64encode(image).decode()
    return (
        f'<figure><img src="data:image/{kind};base64,{data}" alt="{escaped(caption)}">'
        f"<figcaption>{escaped(caption)}</figcaption></figure>"
    )


def folded(title: str, content: str) -> str:
    """Hide content until its title is clicked."""
    return f"<details><summary>{escaped(title)}</summary>{content}</details>"


def preformatted(text: str) -> str:
    """Show text of several lines as it is."""
    lines = (one_line(line) for line in text.split("\n"))
    return f"<pre>{html.escape(chr(10).join(lines))}</pre>"


def _number(is_number: bool) -> str:
    return ' class="number"' if is_number else ""


def _most_confused(found: Confusion) -> str:
    wrong = found.counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(wrong, axis=None, kind="stable")[::-1][:_MOST_CONFUSED]
    rows = []
    for true, taken in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[true, taken]:
            names = (escaped(found.class_names[index]) for index in (true, taken))
            cells = "".join(f"<td>{name}</td>" for name in names)
            rows.append(f'<tr>{cells}<td class="number">{wrong[true, taken]}</td></tr>')
    return (
        '<div class="wide"><table><thead><tr><th scope="col">class</th>'
        '<th scope="col">taken for</th><th scope="col" class="number">images</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
