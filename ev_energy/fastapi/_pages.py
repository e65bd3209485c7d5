"""Replies to a browser that was not redirected: a small page, or problem JSON for other programs.

Pages have no script, load nothing and cannot be framed. Their texts are escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ev_energy.fastapi._problems import Problem

_STYLE: Final = """
:root { color-scheme: light dark; }
body { margin: 0; background: Canvas; color: CanvasText; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 34rem; margin: 12vh auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
a { display: inline-block; padding: .6rem 1rem .6rem 0; }
a:focus-visible { outline: 3px solid; outline-offset: 2px; }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{detail}</p>
{links}
</main>
</body>
</html>
"""
#: The headers of all replies of these routers. Their URLs and cookies are secrets of one user: no
#: cache may keep them, and no other page may see them in ``Referer``.
PRIVATE: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE_HEADERS: Final[Mapping[str, str]] = {
    **PRIVATE,
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
}


def notice(status: HTTPStatus, slug: str, title: str, detail: str) -> Problem:
    """Return a problem of these routers, in words for the user of a browser."""
    problem_type = f"urn:ev-energy:problem:{slug}"
    return Problem(status=status, type=problem_type, title=title, detail=detail)


#: The problem of ev.energy that takes longer than a user should wait.
TIMED_OUT: Final = notice(
    HTTPStatus.GATEWAY_TIMEOUT,
    "timeout",
    "ev.energy does not answer",
    "ev.energy took too long to answer. Please try again in a moment.",
)


def reply_with(
    request: Request, problem: Problem, links: Mapping[str, str] | None = None
) -> Response:
    """Return *problem* as a page if the request prefers HTML, else as JSON (RFC 9457).

    *links* are the URLs with which a person can go on, by their texts; relative ones are relative
    to the request.
    """
    if prefers_html(request.headers.get("accept", "")):
        paragraphs = "\n".join(
            f'<p><a href="{escape(url)}">{escape(text)}</a></p>'
            for text, url in (links or {}).items()
        )
        page = _PAGE.format(
            title=escape(problem.title),
            style=_STYLE,
            detail=escape(problem.detail),
            links=paragraphs,
        )
        headers = {**_PAGE_HEADERS, **problem.headers}
        response = Response(page, problem.status, headers, media_type="text/html; charset=utf-8")
    else:
        response = problem.response()
        response.headers.update(PRIVATE)
    response.headers["Vary"] = "Accept"
    return response


def redirect_to(url: str) -> RedirectResponse:
    """Return a redirect that the browser follows with GET."""
    return RedirectResponse(url, status_code=HTTPStatus.SEE_OTHER, headers=PRIVATE)


def prefers_html(accept: str) -> bool:
    """Whether a client with this ``Accept`` header shows pages to a person (RFC 9110 §12.5.1).

    Browsers name ``text/html`` when they open a page; other programs rarely do, and a wildcard does
    not count.
    """
    qualities = dict(_parse_accept(accept))
    html = max(qualities.get("text/html", 0.0), qualities.get("application/xhtml+xml", 0.0))
    types = ("application/json", "application/problem+json")
    return html > 0 and html >= max(qualities.get(name, 0.0) for name in types)


def _parse_accept(accept: str) -> Iterator[tuple[str, float]]:
    for item in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        yield media_type, quality
