"""The tools: search finds operations of the API, describe explains one, and call makes it."""

# The table of operations is a part of the SDK without a promise: keep the version of it fixed.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from ev_energy import Client, models
from ev_energy._operations import AS_GIVEN, Operation, operation_table
from ev_energy.errors import EvEnergyError
from ev_energy.models._base import model_fields, secrets_of

from .results import Position, shown, shown_page

_OPERATIONS: Final = {one.call: one for one in operation_table()}


def _granting() -> Iterator[str]:
    """Yield the operations whose result is a link that grants access.

    The ``url`` of a resource is its address in the API, where a token is needed. A link for a
    browser needs none. A redirect is such a link, also if the API sends it as JSON. So is a ``url``
    that the SDK hides, and the ``url`` of a result that has no id and cannot be retrieved again.
    """
    operations = _OPERATIONS.values()
    pages = {(one.method, one.path) for one in operations if one.kind == "redirect"}
    others = [one for one in operations if (one.method, one.path) not in pages]
    retrieved = {one.model for one in others if one.method == "GET"}
    yield from (one.call for one in operations if (one.method, one.path) in pages)
    for one in others:
        model: Any = getattr(models, one.model or "", None)
        names = {field.name for field in model_fields(model)} if model else set[str]()
        is_lost = "url" in names and "id" not in names and one.model not in retrieved
        if is_lost or (model and "url" in secrets_of(model)):
            yield one.call


_GRANTING: Final = frozenset(_granting())
_FOUND: Final = 12
_PAGE_SIZE: Final = 25

Name = Annotated[str, Field(description="the name of an operation, such as evses.list")]


class Tools:
    """What a model may do. Which operations it may call is decided here, never by the model."""

    def __init__(self, client: Client, *, allow_writes: bool) -> None:
        self._client, self._allow_writes = client, allow_writes

    def search(
        self,
        words: Annotated[str, Field(description="such as 'charging sub session energy'")],
    ) -> str:
        """Find operations of the ev.energy API for electric vehicles, chargers and tariffs."""
        wanted = re.findall(r"\w+", words.lower())
        ranks: dict[str, int] = {}
        for call, operation in _OPERATIONS.items():
            name, text = call.lower(), operation.doc.lower()
            ranks[call] = sum(3 * (word in name) + (word in text) for word in wanted)
        best = sorted((call for call, rank in ranks.items() if rank), key=lambda one: -ranks[one])
        lines = [self._line(_OPERATIONS[call]) for call in best[:_FOUND]]
        return "\n".join(lines) or "nothing found: use other words, such as vehicle or tariff"

    def describe(self, operation: Name) -> str:
        """Explain one operation: its arguments, which of them are sent where, and its links."""
        found = self._find(operation)
        signature = inspect.signature(self._method(found))
        lines = [self._line(found), f"{operation}{signature}", found.doc]
        if found.expand:
            lines.append(f"expand takes a list of: {', '.join(found.expand)}")
        lines.append("Pass times as texts such as 2026-10-04T00:00:00Z.")
        return "\n\n".join(lines)

    async def call(
        self,
        operation: Name,
        arguments: Annotated[
            dict[str, Any], Field(description="ids, filters and members of the body by name")
        ] = {},  # noqa: B006  (the schema shows it, and it is not changed)
        cursor: Annotated[
            str | None, Field(description="next_cursor of the last result, to continue a list")
        ] = None,
    ) -> str:
        """Call one operation, and return JSON. A list has 25 items by default, and a cursor."""
        found = self._find(operation)
        if (reason := self._refusal(found)) is not None:
            raise ToolError(f"{operation} is {reason}")
        try:
            return await self._call(found, arguments, Position.parse(cursor) if cursor else None)
        except (EvEnergyError, ValueError, TypeError) as error:
            # Errors of the SDK show no secrets, and say what to do.
            raise ToolError(f"{type(error).__name__}: {error}") from None

    async def _call(self, found: Operation, arguments: dict[str, Any], at: Position | None) -> str:
        known = inspect.signature(self._method(found)).parameters
        if unknown := arguments.keys() - known.keys():
            takes = ", ".join(known) or "no arguments"
            raise ValueError(f"there is no argument {min(unknown)!r}: {found.call} takes {takes}")
        if missing := [name for name in found.ids if name not in arguments]:
            raise ValueError(f"the argument {missing[0]!r} is missing")
        body: Any = {k: v for k, v in arguments.items() if k not in {*found.ids, *found.query}}
        if found.json is None:
            body = None
        elif found.json == AS_GIVEN:  # one argument is the whole body
            body = next(iter(body.values()), None)
        query = {name: arguments[name] for name in found.query if name in arguments}
        if "page_size" in known:
            query.setdefault("page_size", _PAGE_SIZE)
        elif "response_type" in found.query:
            query["response_type"] = "json"  # not a redirect
        ids = {name: arguments[name] for name in found.ids}
        if found.kind != "list":
            return shown(
                await self._client.request(
                    found.method, found.path, ids=ids, query=query, json=body
                )
            )
        listing = self._client.request(
            "GET", found.path, ids=ids, query=query, paged=True, envelope_key=found.envelope_key
        )
        at = at or Position()
        if at.page is not None:
            listing = listing.resume(at.page)
        async for page in listing.pages():
            return shown_page(page.items, at, page.next_cursor)
        return shown_page([], at, None)

    def _method(self, operation: Operation) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(
            getattr(self._client, operation.family), operation.name
        )
        return method

    def _find(self, call: str) -> Operation:
        if call not in _OPERATIONS:
            raise ToolError(f"there is no operation {call!r}: search finds their names")
        return _OPERATIONS[call]

    def _line(self, operation: Operation) -> str:
        summary = " ".join(operation.doc.partition("\n\n")[0].split())
        reason = self._refusal(operation)
        return f"{operation.call}: {summary}{f' ({reason})' if reason else ''}"

    def _refusal(self, operation: Operation) -> str | None:
        """Return why *operation* may not be called; None if it may."""
        if operation.call in _GRANTING:
            return "not allowed: it returns a link that grants access"
        if operation.method != "GET" and not self._allow_writes:
            return "not allowed: this server only reads"
        return None


def create_server(client: Client, *, allow_writes: bool = False) -> MCPServer:
    """Return a server with the three tools; it only reads unless *allow_writes* is set."""
    server = MCPServer("ev-energy", instructions="search, then describe, then call.")
    tools = Tools(client, allow_writes=allow_writes)
    reads = ToolAnnotations(read_only_hint=True)
    server.add_tool(tools.search, annotations=reads, structured_output=False)
    server.add_tool(tools.describe, annotations=reads, structured_output=False)
    server.add_tool(
        tools.call,
        annotations=ToolAnnotations(read_only_hint=not allow_writes),
        structured_output=False,
    )
    return server
