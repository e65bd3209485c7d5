"""The layout of all pages, and the blocks of their content."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiohttp import hdrs, web

from ev_energy.simulator.pages._markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ev_energy.simulator.pages._markup import Content


_BOLT: Final = '<path d="M13 2 4.5 13.5H11L9.5 22 19 10h-6.5z" fill="{fill}"/>'
_LOGO: Final = Markup(
    f'<svg viewBox="0 0 24 24" aria-hidden="true">{_BOLT.format(fill="currentColor")}</svg>'
)
_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
    f"{_BOLT.format(fill='#0a7d55')}</svg>"
)


@cache
def _style() -> tuple[Markup, str]:
    """Return the stylesheet, and the Content-Security-Policy that allows it and nothing else."""
    text = files("ev_energy.simulator.pages").joinpath("style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    # No form-action: browsers also apply it to the redirect that answers a form, and such a
    # redirect may lead to an application on any host.
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return Markup(f"<style>{text}</style>"), policy


def page(
    title: str,
    *content: Content,
    status: int = HTTPStatus.OK,
    wide: bool = False,
    refresh: int | None = None,
) -> web.Response:
    """Return a page; with *refresh*, the browser reloads it after that many seconds."""
    style, policy = _style()
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="refresh", content=refresh) if refresh else None,
        tag("title", title),
        tag("link", rel="icon", href=f"data:image/svg+xml,{quote(_ICON)}"),
        style,
    )
    body = tag(
        "body",
        tag("header", _LOGO, tag("strong", "ev.energy"), tag("span", "simulator", class_="badge")),
        tag("main", tag("h1", title), *content, class_="wide" if wide else None),
        tag("footer", "This is a simulation: no account, car or charger is real."),
    )
    return web.Response(
        text=f"<!doctype html>{tag('html', head, body, lang='en')}",
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            hdrs.CACHE_CONTROL: "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def notice(*content: Content, error: bool = False) -> Markup:
    """Return a highlighted paragraph; screen readers announce an *error* at once."""
    return tag("p", *content, class_="notice error" if error else "notice",
               role="alert" if error else None)  # fmt: skip


def definition_list(pairs: Iterable[tuple[str, Content]]) -> Markup:
    """Return a list of names with their values."""
    return tag("dl", *((tag("dt", name), tag("dd", value)) for name, value in pairs))


def bullet_list(items: Iterable[Content]) -> Markup:
    """Return a bulleted list."""
    return tag("ul", *(tag("li", item) for item in items), class_="listed")


def link_list(items: Iterable[tuple[str, str, str | None]]) -> Markup:
    """Return a list of links to choose from: URL, name and note of each."""
    return tag(
        "ul",
        *(
            tag("li", tag("a", tag("span", name), tag("small", note) if note else None, href=href))
            for href, name, note in items
        ),
        class_="picks",
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[Content]]) -> Markup:
    """Return a table that scrolls sideways on narrow screens."""
    return tag(
        "div",
        tag(
            "table",
            tag("thead", tag("tr", *(tag("th", text, scope="col") for text in headings))),
            tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows)),
        ),
        class_="scroll",
    )
