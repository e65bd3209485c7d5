"""Forms: their elements, and reading what a browser sends."""

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


def hidden_fields(pairs: Iterable[tuple[str, str]]) -> list[Markup]:
    """Return hidden fields with these names and values."""
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
    """Return a text field below its label; an *error* takes the place of the *note*."""
    message_id = f"{name}-said" if error or note else None
    return tag(
        "div",
        tag("label", label, for_=name),
        tag("input", id=name, name=name, type=kind, value=value, required=required,
            autocomplete=autocomplete, aria_describedby=message_id, aria_invalid=error and "true"),
        tag("p", error, id=message_id, class_="error") if error else None,
        tag("p", note, id=message_id, class_="note") if note and not error else None,
        class_="field",
    )  # fmt: skip


def button(
    text: Content, *, name: str | None = None, value: str | None = None, quiet: bool = False
) -> Markup:
    """Return a button that sends its form; a *quiet* one looks secondary and skips validation."""
    # "Cancel" must work while required fields are empty.
    return tag("button", text, name=name, value=value, class_="quiet" if quiet else None,
               formnovalidate=quiet)  # fmt: skip


async def read_form(request: web.Request) -> list[tuple[str, str]]:
    """Return the fields of a form that was sent; `ValueError` if the body is not a form."""
    # aiohttp's own reader decodes with any charset that a request names, and so raises many errors.
    if request.content_type != "application/x-www-form-urlencoded":
        raise ValueError("The body must be application/x-www-form-urlencoded")
    text = (await request.read()).decode()
    return parse_qsl(text, keep_blank_values=True, max_num_fields=1000)
