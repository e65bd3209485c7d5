"""A browser without scripts: it parses pages, fills in forms and presses buttons."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp
import attrs
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


@attrs.define
class Form:
    """A form: its fields, and its buttons and boxes by their labels."""

    method: str
    action: str
    fields: list[tuple[str, str]] = attrs.Factory(list)
    buttons: dict[str, tuple[str, str]] = attrs.Factory(dict)
    boxes: dict[str, tuple[str, str]] = attrs.Factory(dict)


class Reader(HTMLParser):
    """Collects the texts, tags, forms and links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.checked: list[str] = []
        self._inside: list[tuple[str, dict[str, str | None], int]] = []
        self._box: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "form":
            assert not any(name == "form" for name, _, _ in self._inside), "a form inside a form"
            self.forms.append(Form(found.get("method") or "get", found.get("action") or ""))
        if tag == "input":
            self._input(found)
        elif tag not in {"meta", "link", "br"}:
            self._inside.append((tag, found, len(self.texts)))

    def _input(self, found: dict[str, str | None]) -> None:
        name, value = found.get("name") or "", found.get("value") or ""
        if found.get("type") in {"checkbox", "radio"}:
            self._box = (name, value)
            if "checked" in found:
                self.checked.append(value)
        else:
            self.forms[-1].fields.append((name, value))

    def handle_endtag(self, tag: str) -> None:
        name, found, since = self._inside.pop()
        assert name == tag, f"<{name}> is closed by </{tag}>"
        text = " ".join(self.texts[since:]).strip()
        if tag == "button":
            self.forms[-1].buttons[text] = (found.get("name") or "", found.get("value") or "")
        elif tag == "a":
            self.links[text] = found.get("href") or ""
        elif tag == "label" and self._box is not None:
            self.forms[-1].boxes[text] = self._box
            self._box = None

    def handle_data(self, data: str) -> None:
        if not any(name == "style" for name, _, _ in self._inside):
            self.texts.append(data)


class Page:
    """A page, or a redirect to another host."""

    def __init__(self, response: aiohttp.ClientResponse, html: str) -> None:
        self.status = response.status
        self.url = str(response.url)
        self.headers = response.headers
        self.html = html
        reader = Reader()
        reader.feed(html)
        reader.close()
        self.forms, self.links, self.tags = reader.forms, reader.links, reader.tags
        self.checked = reader.checked
        self.text = " ".join(" ".join(reader.texts).split())
        self.location = response.headers.get("Location")

    @property
    def heading(self) -> str:
        """The text of the first heading."""
        return self.html.partition("<h1>")[2].partition("</h1>")[0]

    @property
    def returned_query(self) -> dict[str, list[str]]:
        """The query of the URL that the browser is sent to."""
        assert self.location is not None, f"not redirected: {self.text}"
        return parse_qs(urlsplit(self.location).query)


class HtmlBrowser:
    """A browser with cookies; it follows redirects within the host of the page."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.page: Page = None  # type: ignore[assignment]  # before the first page

    async def open(self, url: str, **options: Any) -> Page:
        """Open a URL."""
        return await self._load("GET", url, **options)

    async def follow(self, text: str) -> Page:
        """Follow the link with this text."""
        href = next(href for label, href in self.page.links.items() if text in label)
        return await self._load("GET", urljoin(self.page.url, href))

    async def press(self, text: str, *ticked: str, **filled: str) -> Page:
        """Fill in fields, tick boxes, and press the button with this text."""
        form, button = next(
            (form, pair)
            for form in self.page.forms
            for label, pair in form.buttons.items()
            if text in label
        )
        assert filled.keys() <= {name for name, _ in form.fields}, "no such field"
        pairs = [(name, filled.get(name, value)) for name, value in form.fields]
        pairs += [box for label, box in form.boxes.items() if any(t in label for t in ticked)]
        pairs += [button] if button[0] else []
        url = urljoin(self.page.url, form.action or self.page.url)
        if form.method == "get":
            return await self._load("GET", url.partition("?")[0], params=pairs)
        return await self._load("POST", url, data=pairs)

    async def _load(self, method: str, url: str, **options: Any) -> Page:
        while True:
            async with self.session.request(
                method, url, allow_redirects=False, **options
            ) as response:
                page = Page(response, await response.text())
            there = page.location and urljoin(page.url, page.location)
            if not there or urlsplit(there)[:2] != urlsplit(page.url)[:2]:
                self.page = page
                return page
            method, url, options = "GET", there, {}


@asynccontextmanager
async def open_browser() -> AsyncIterator[HtmlBrowser]:
    """Yield a new browser."""
    # Without `unsafe` the jar drops cookies of hosts that are IP addresses.
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield HtmlBrowser(session)


class Site:
    """Serves an aiohttp application on a free port, and opens browsers for it."""

    def __init__(self, app: web.Application) -> None:
        self.app = app
        self.origin = ""
        self._runner = web.AppRunner(app)
        self._browsers = AsyncExitStack()

    async def start(self) -> None:
        """Start the server."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def new_browser(self) -> HtmlBrowser:
        """Return a new browser."""
        return await self._browsers.enter_async_context(open_browser())

    async def post(
        self, path: str, form: Mapping[str, str] | None = None, **options: Any
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Post a form without a browser; return status, JSON and headers."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                self.origin + path, data=form, allow_redirects=False, **options
            ) as response,
        ):
            raw = await response.read()
            is_json = response.content_type == "application/json" and raw
            return response.status, await response.json() if is_json else raw, response.headers

    async def close(self) -> None:
        """Close the browsers and stop the server."""
        await self._browsers.aclose()
        await self._runner.cleanup()
