"""Notebooks: ``%load_ext rnnc``, ``%%rnn``, and how things are shown."""

from __future__ import annotations

import html
import sys
from collections.abc import Iterable
from typing import Any

from . import _spec
from ._errors import SpecError


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A table; every text is escaped."""

    def row(cells: Iterable[object], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(it))}</{tag}>" for it in cells) + "</tr>"

    return f"<table>{row(head, 'th')}{''.join(row(it, 'td') for it in rows)}</table>"


def cell_html(cell: Any) -> str:
    """A cell as one block without scripts: title, comment, equations, sizes, params."""
    parts = [f"<b>{html.escape(cell.name)}</b>"]
    if cell.doc:
        parts.append(f"<p>{html.escape(cell.doc)}</p>")
    latex = cell._latex()
    if latex:
        parts.append(f"<div>$${html.escape(latex)}$$</div>" if "$" not in latex else f"<pre>{html.escape(latex)}</pre>")
    parts.append(f"<pre>{html.escape(str(cell))}</pre>")
    if cell.gates:
        parts.append(f"<p>gates: {html.escape(', '.join(cell.gates))}</p>")
    return f"<div>{''.join(parts)}</div>"


def register(ipython: Any) -> None:
    """Registers the magic ``%%rnn [NAME]``. Each cell of the text gets its own name in the notebook, the main one ``NAME`` where
    it is given. Errors are printed in place, and names keep their old values."""
    count = 0

    def rnn(line: str, source: str) -> None:
        nonlocal count
        count += 1
        try:
            spec = _spec.parse(source, name=f"<cell {count}>")
            cells = {name: spec.cell(name) for name in spec.cells}
            main = spec.cell() if line.strip() else None
        except SpecError as error:
            print(error.rendered, file=sys.stderr)
            return
        if main is not None:
            cells = {line.strip(): main}
        ipython.push(cells)

    ipython.register_magic_function(rnn, "cell", "rnn")
