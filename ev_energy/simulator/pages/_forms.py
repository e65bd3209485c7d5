"""Forms and what they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from ev_energy.simulator.pages._browser_sessions import CSRF_FIELD
from ev_energy.simulator.pages._markup import tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from ev_energy.simulator.pages._markup import Content, Markup


def form(
    *content: Content, csrf_token: str, action: str | None = None, class_: str = "form"
) -> Markup:
    """Return a form that posts to *action*, or to the URL of its page.

    *csrf_token* is that of the browser's session: see `BrowserSessions.csrf_token`.
    """
    return tag("form", tag("input", type="hidden", name=CSRF_FIELD, value=csrf_token), *content,
               method="post", action=action, class_=class_)  # fmt: skip


def hidden(pairs: Iterable[tuple[str, str]]) -> list[Markup]:
    """Return fields that nobody sees."""
    return [tag("input", type="hidden", name=name, value=value) for name, value in pairs]


def field(
    label: str,
    name: str,
    *,
    value: str = "",
    kind: str = "text",
    note: str | None = None,
    error: str | None = None,
    autocomplete: str | None = None,
    required: bool = True,
) -> Markup:
    """Return a text field below its label, with what is wrong with it."""
    said = f"{name}-said" if error or note else None
    return tag(
        "div",
        tag("label", label, for_=name),
        tag("input", id=name, name=name, type=kind, value=value, required=required,
            autocomplete=autocomplete, aria_describedby=said, aria_invalid=error and "true"),
        tag("p", error, id=said, class_="error") if error else None,
        tag("p", note, id=said, class_="note") if note and not error else None,
        class_="field",
    )  # fmt: skip


def button(
    text: Content, *, name: str | None = None, value: str | None = None, quiet: bool = False
) -> Markup:
    """Return a button that sends the form it is in; a quiet one is not what most people want."""
    # A way out must work with the fields left empty.
    return tag("button", text, name=name, value=value, class_="quiet" if quiet else None,
               formnovalidate=quiet)  # fmt: skip


async def read_form(request: web.Request) -> list[tuple[str, str]]:
    """Return the fields of a form that was sent; `ValueError` if it is none."""
    # aiohttp's own reader takes whatever encoding a request names, and fails in as many ways.
    if request.content_type != "application/x-www-form-urlencoded":
        raise ValueError("The body must be application/x-www-form-urlencoded")
    text = (await request.read()).decode()
    return parse_qsl(text, keep_blank_values=True, max_num_fields=1000)
