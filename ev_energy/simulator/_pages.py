"""The pages a driver would see in a browser; here they only say what they stand for."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping


def page_url(root: str, step: str, about: Mapping[str, str]) -> str:
    """Return the URL of a page, on the host that serves the API at ``root``."""
    return f"{root.removesuffix('/v2')}/onboarding/{step}/?{urlencode(about)}"


async def onboarding_page(request: web.Request) -> web.Response:
    """Answer a page that lists what it was opened with."""
    facts = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>"
        for name, text in request.query.items()
    )
    title = html.escape(f"Simulated page: {request.match_info['step']}")
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<h1>{title}</h1><p>A driver would connect a charge point here.</p><dl>{facts}</dl></html>"
    )
    return web.Response(text=text, content_type="text/html")
