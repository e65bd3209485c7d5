"""Models, pages and errors as HTML tables, which notebooks show.

All texts are escaped, since servers and users choose them; sizes are bounded, and secrets masked.
The tables have no colours, so they fit light and dark themes.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from ev_energy._redaction.brief import MAX_ITEMS, MAX_TEXT, counted
from ev_energy._redaction.scrub import printable
from ev_energy.models._base import Model, shown_fields
from ev_energy.models._refs import Ref

if TYPE_CHECKING:
    from ev_energy._error_base import EvEnergyError
    from ev_energy._messages import Page

#: Rows and columns of a table of items.
_MAX_ROWS: Final = 20
_MAX_COLUMNS: Final = 12
#: Levels of expanded links and other models that a table of a model contains.
_MAX_DEPTH: Final = 2
#: Fields of a model that one cell shows.
_MAX_FIELDS: Final = 3
#: Characters of a message or detail of an error.
_MAX_MESSAGE: Final = 2000
_LEFT: Final = ' style="text-align: left"'


def model_table(model: Model) -> str:
    """Return a table of the fields of *model* that are not None."""
    return _model(model, _MAX_DEPTH)


def page_table(page: Page[Any]) -> str:
    """Return a table of the first items of *page*, one row each."""
    position = "the last page" if page.next_url is None else "more pages follow"
    return f"<p>{_escape(f'Page of {counted(page.items)}; {position}')}</p>{_items(page.items)}"


def error_table(error: EvEnergyError) -> str:
    """Return a table of the message of *error* and of what is known about the call."""
    rows = [("message", str(error))]
    for name in ("status", "type", "detail", "request", "outcome", "request_id"):
        value: Any = getattr(error, name, None)
        if value:  # neither None nor an empty text
            rows.append((name, value.label if name == "request" else value))
    return _table(
        type(error).__name__, ((name, _escape(value, _MAX_MESSAGE)) for name, value in rows)
    )


def _model(model: Model, depth: int) -> str:
    rows = ((name, _cell(value, depth)) for name, value in _fields(model))
    return _table(type(model).__name__, rows)


def _fields(model: Model) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in shown_fields(model) if value is not None]


def _table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a table with two columns: names, and cells as HTML."""
    lines = "".join(
        f"<tr><th{_LEFT}>{_escape(name)}</th><td{_LEFT}>{cell}</td></tr>" for name, cell in rows
    )
    return f"<table><caption{_LEFT}>{_escape(title)}</caption>{lines}</table>"


def _cell(value: Any, depth: int) -> str:
    """Return the HTML of *value*, with up to *depth* levels of tables inside of it."""
    inner = value.resource if value.__class__ is Ref else value
    if depth and isinstance(inner, Model):
        return _details(_text(value), _model(inner, depth - 1))
    if depth and _has_models(value):
        return _details(_text(value), _items(value))
    return _escape(_text(value))


def _has_models(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(one, Model) for one in _sequence(value))


def _sequence(value: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", value)


def _details(summary: str, content: str) -> str:
    return f"<details><summary>{_escape(summary)}</summary>{content}</details>"


def _items(items: Sequence[Any]) -> str:
    """Return a table of *items*, one row each, and the numbers of what is left out."""
    rows = [_row(item) for item in items[:_MAX_ROWS]]
    names = [*dict.fromkeys(name for row in rows for name in row)]
    columns = names[:_MAX_COLUMNS]
    head = "".join(f"<th{_LEFT}>{_escape(name)}</th>" for name in columns)
    cells = ([f"<td{_LEFT}>{row.get(name, '')}</td>" for name in columns] for row in rows)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    omitted = {"items": len(items) - len(rows), "columns": len(names) - len(columns)}
    note = " and ".join(f"{count} more {what}" for what, count in omitted.items() if count)
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{f'<p>… {note}</p>' if note else ''}"
    )


def _row(item: Any) -> dict[str, str]:
    """Return the cells of *item* as HTML, by the names of their columns."""
    if isinstance(item, Model):
        cells = {name: _escape(_text(value)) for name, value in _fields(item)}
        if "id" in cells:
            cells.pop("url", None)  # it repeats the id
        return cells
    return {"": _escape(_text(item))}


def _text(value: Any, depth: int = 2) -> str:
    """Return *value* in one line."""
    if value.__class__ is Ref:
        return str(value.id or value.url)
    if isinstance(value, Model):
        return _model_text(value, depth)
    if isinstance(value, list | tuple):
        items = _sequence(value)
        if len(items) > MAX_ITEMS or not depth or _has_models(items):
            return counted(items)
        return ", ".join(_text(one, depth - 1) for one in items)
    return printable(value, MAX_TEXT)


def _model_text(model: Model, depth: int) -> str:
    name, fields = type(model).__name__, _fields(model)
    if not depth:
        return f"{name} with {len(fields)} fields"
    shown = [f"{name}={_text(value, depth - 1)}" for name, value in fields[:_MAX_FIELDS]]
    shown += ["…"] * (len(fields) > _MAX_FIELDS)
    return f"{name}({', '.join(shown)})"


def _escape(text: object, limit: int = MAX_TEXT) -> str:
    return html.escape(printable(text, limit))
