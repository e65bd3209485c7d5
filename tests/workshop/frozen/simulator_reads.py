"""Makes the requests of the record that read, and those that are refused."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

import attrs

from ev_energy.simulator.http._contract import CONTRACT, OperationFacts, Shape
from tests.workshop.frozen.simulator_replies import Replay, Step, Track

_PAGING: Final = {"page", "page_after", "page_before", "page_size", "expand"}
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def contract() -> dict[str, dict[str, Any]]:
    """Return the facts of the operations, by method and path, as plain objects."""
    return {f"{method} {path}": _plain(CONTRACT[method, path]) for method, path in CONTRACT}


def _plain(facts: OperationFacts) -> dict[str, Any]:
    body = None
    if facts.body is not None:
        body = {"properties": [*(CONTRACT.shape(facts.body.shape).properties or {})]}
    return {
        "public": facts.public,
        "query": {name: shape for name, shape in facts.query.items() if name != "expand"},
        "required": facts.required,
        "expand": facts.expand,
        "paging": facts.paging,
        "user_header": facts.user_header,
        "language_header": facts.language_header,
        "body": body,
    }


@attrs.define
class Recorder:
    """Takes steps and appends them, with their outcomes, to a track."""

    replay: Replay
    track: Track

    async def take(self, step: Step) -> Any:
        """Take a step, record it, and return the body of the reply."""
        self.track.steps.append((step, await self.replay.take(step)))
        return self.replay.body

    async def ask(self, request: str, caller: str = "app", **more: Any) -> Any:
        """Send a request, and return the body of the reply."""
        return await self.take({"as": caller, "request": request, **more})

    @property
    def user_id(self) -> str:
        """The user with the most devices."""
        return self.replay.simulator.user_id

    def acting_for(self, user_id: str | None = None) -> dict[str, str]:
        """Return what makes an application act for a user."""
        return {"caller": f"app/{user_id or self.user_id}"}

    def instant(self, **span: float) -> str:
        """Return an instant after now, as text."""
        at: datetime = self.replay.simulator.clock.now() + timedelta(**span)
        return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def rows_of(body: Any) -> list[dict[str, Any]]:
    """Return the rows of a list, whatever is around it."""
    if isinstance(body, dict):
        body = next((one for one in body.values() if isinstance(one, list)), [])
    return [row for row in body or [] if isinstance(row, dict)]


def key_of(row: dict[str, Any]) -> str | None:
    """Return what stands for a row in a path."""
    url = row.get("url")
    return url.rstrip("/").rpartition("/")[2] if isinstance(url, str) else row.get("id")


def target(path: str, query: Iterable[tuple[str, str]] = ()) -> str:
    """Return the target of a request."""
    pairs = list(query)
    return "/v2" + path + (f"?{urlencode(pairs, quote_via=quote)}" if pairs else "")


@attrs.define
class Reader:
    """Reads everything there is, each collection once in each way."""

    to: Recorder
    thorough: bool = True
    """Whether each member is expanded on its own as well, and what is below a second row read."""
    filters: bool = True
    """Whether lists are filtered, and texts read in other languages."""
    operations: dict[str, dict[str, Any]] = attrs.field(factory=contract)
    _keys: dict[str, list[str]] = attrs.field(factory=dict)
    _rows: dict[str, list[dict[str, Any]]] = attrs.field(factory=dict)

    async def read_all(self) -> None:
        """Read with every GET operation."""
        await self.learn()
        for name, facts in self.operations.items():
            method, _, template = name.partition(" ")
            if method == "GET":
                async for path in self.paths(template):
                    await self._read(template, path, facts)

    async def learn(self) -> None:
        """Get the ids of rows that operations on other paths need."""
        for collection in ("/charging_sub_sessions", "/evse_models", "/vehicle_models"):
            await self._keys_for(collection, "id")

    async def paths(self, template: str) -> AsyncIterator[str]:
        """Yield the path of an operation with the keys of a few rows filled in."""
        found = _PARAMETER.search(template)
        if found is None:
            yield template
            return
        keys = await self._keys_for(template[: found.start()], found[1])
        for key in keys[: 2 if self.thorough else 1]:
            async for path in self.paths(template[: found.start()] + key + template[found.end() :]):
                yield path

    async def _keys_for(self, before: str, name: str) -> list[str]:
        """Return keys of rows to be read, those of the user with the most devices first."""
        collection = before.rstrip("/")
        if collection in self._keys:
            return self._keys[collection]
        match name:
            case "region":
                keys = ["NORTH_AMERICA", "EUROPE"]
            case "user_id":
                keys = [self.to.user_id, "me"]
            case "cpms_provider_id":
                keys = ["CHARGEPOINT", "SWTCH"]
            case "offering_id":
                body = await self.to.ask("GET /v2/subscriptions")
                links = [str(row["offering"]) for row in rows_of(body) if row.get("offering")]
                keys = [link.rpartition("/")[2] for link in links]
            case _:
                keys = await self._listed(collection)
        self._keys[collection] = keys = [*dict.fromkeys(keys)] or ["nothing-there"]
        return keys

    async def _listed(self, collection: str) -> list[str]:
        everything, mine = [
            rows_of(await self.to.ask(f"GET {target(collection)}", **more))
            for more in ({}, self.to.acting_for())
        ]
        running = [row for row in everything if row.get("end", "") is None]  # if it ends at all
        keys = [key_of(row) for row in [*running[:1], *mine[:1], *everything[:1], *everything[-1:]]]
        return [quote(key, safe=":") for key in keys if key]

    def _needed(self, template: str) -> list[tuple[str, str]]:
        """Return the parameters that cannot be left out."""
        to = self.to
        return {
            "/dispatcher_logs": [
                ("charging_sub_session_id", self._first("/charging_sub_sessions")),
            ],
            "/evse_compatibility/check": [("evse_model_id", self._first("/evse_models"))],
            "/vehicle_compatibility/check": [("vehicle_model_id", self._first("/vehicle_models"))],
            "/evse_onboarding": self._onboarding(),
            "/vehicle_onboarding": self._onboarding(),
            "/inverter_onboarding": self._onboarding(),
            "/hem_systems/{hem_system_id}/energy_stats": [
                ("start", to.instant(days=-2)), ("end", to.instant()), ("resolution", "PT30M"),
            ],
        }.get(template, [])  # fmt: skip

    def _onboarding(self) -> list[tuple[str, str]]:
        return [("user_id", self.to.user_id), ("client_id", self.to.replay.clients["app"])]

    def _first(self, collection: str) -> str:
        return self._keys.get(collection, ["nothing-there"])[0]

    async def _read(self, template: str, path: str, facts: dict[str, Any]) -> None:
        to, base = self.to, self._needed(template)
        rows = rows_of(await to.ask(f"GET {target(path, base)}"))
        self._rows[path] = rows
        await to.ask(f"GET {target(path, base)}", "user")
        if facts.get("user_header"):
            await to.ask(f"GET {target(path, base)}", **to.acting_for())
        spoken = facts.get("language_header") or "notification" in path or "rebate" in path
        if self.filters and spoken:
            for language in ("de-DE,de;q=0.9", "fr;q=0.1, nl", "en-US"):
                await to.ask(f"GET {target(path, base)}", headers={"Accept-Language": language})
        if facts.get("public"):
            await to.ask(f"GET {target(path, base)}", "none")
        for pairs in self._expansions(facts):
            size = [("page_size", "3")] if "page_size" in facts.get("query", {}) else []
            await to.ask(f"GET {target(path, [*base, *size, *pairs])}", **to.acting_for())
        for pairs in self._filters(template, path, facts, rows) if self.filters else ():
            chosen = [pair for pair in base if pair[0] not in dict(pairs)]
            await to.ask(f"GET {target(path, [*chosen, *pairs])}")
        if facts.get("paging"):
            await self._turn_pages(path, base, facts)

    async def _turn_pages(
        self, path: str, base: list[tuple[str, str]], facts: dict[str, Any]
    ) -> None:
        size = [("page_size", "2")] if "page_size" in facts["query"] else []
        await self.to.ask(f"GET {target(path, [*base, *size])}")
        for which in ("next", "next", "previous"):
            found = re.search(f'<([^>]*)>; rel="{which}"', self.to.replay.reply.header("Link"))
            if found is None or found[1] == "about:blank":
                return
            await self.to.ask(f"GET /v2{found[1].partition('/v2')[2]}")

    def _expansions(self, facts: dict[str, Any]) -> Iterator[list[tuple[str, str]]]:
        names = facts.get("expand", [])
        if names:
            yield [("expand", name) for name in names]
        if self.thorough and len(names) > 1:
            yield from ([("expand", name)] for name in names)

    def _filters(
        self, template: str, path: str, facts: dict[str, Any], rows: list[dict[str, Any]]
    ) -> Iterator[list[tuple[str, str]]]:
        for name, shape in facts.get("query", {}).items():
            if name not in _PAGING:
                for value in self._values(template, name, shape, rows):
                    yield [(name, value), *self._also(template, name)]
        if self.thorough and template.endswith("/ocpp_logs") and self._keys["/evses"][0] in path:
            yield [("error_code", "SecurityError")]  # so rare that the search is given up

    def _also(self, template: str, name: str) -> list[tuple[str, str]]:
        """Return parameters that another one needs, or is slow without."""
        if name == "postal_code":
            return [("country_code", "GB")]
        if template.endswith("/ocpp_logs") and not name.startswith("sampled_at"):
            return [("sampled_at__gte", self.to.instant(hours=-6))]
        return []

    def _values(
        self, template: str, name: str, shape: Shape, rows: list[dict[str, Any]]
    ) -> list[str]:
        """Return values of a parameter of the query, some of which rows have."""
        base, usual = name.partition("__")[0], self._usual()
        known = [row[base] for row in rows if row.get(base) is not None]
        if shape.enum:
            return [*map(str, shape.enum[:4])]
        match shape:
            case _ if name in usual:
                return usual[name]
            case Shape(type="boolean"):
                return ["true", "false"]
            case Shape(format="date-time"):
                return [self.to.instant(hours=-7), self.to.instant(days=-1)]
            case Shape(type="integer" | "number"):
                return [*map(str, [*known[len(known) // 2 :][:1], 3])]
        linked = base.endswith("_id") and not name.endswith("__in")
        return [self._linked(template, base[:-3], rows)] if linked else _texts(name, known)

    def _usual(self) -> dict[str, list[str]]:
        """Return values of the parameters that no row tells."""
        to = self.to
        return {
            "available_for_user_id": [to.user_id],
            "client_id": [to.replay.clients["app"]],
            "contains": ["51.5,-0.12", "40.7, -74.0"],
            "coordinates": ["51.5,-0.12", "40.7, -74.0"],
            "country": ["GB", "us"],
            "end": [to.instant(days=-1)],
            "ordering": ["name", "-name", "nothing"],
            "postal_code": ["SW1A 1AA", "94103"],
            "redirect_uri": ["https://drivers.example.com/x", "https://elsewhere.example/"],
            "start": [to.instant(days=-40)],
            "user": [to.user_id, f"http://simulator.localhost/v2/users/{to.user_id}"],
            "user_id": [to.user_id],
        } | {
            name: [f"{to.instant(days=-30)},{to.instant()}"]
            for name in ("created_at__range", "resolved_at__range", "ticket_updated_at__range")
        }

    def _linked(self, template: str, name: str, rows: list[dict[str, Any]]) -> str:
        links = [row.get(name) for row in rows if isinstance(row.get(name), str)]
        if links:
            return links[0].rpartition("/")[2]
        kind = template.strip("/").partition("_")[0]
        guesses = (f"/{name}s", f"/{kind}_{name}s")
        return next((self._keys[one][0] for one in guesses if one in self._keys), "nothing")


def _texts(name: str, known: list[Any]) -> list[str]:
    """Return values of a parameter for a text, given those that rows have."""
    if name.endswith("__in"):
        return [",".join(map(str, known[:2])) or "nothing"]
    if known and isinstance(known[0], list):  # of tags
        return [str(one) for one in known[0][:1]]
    return [str(known[0]), str(known[-1])[:3]] if known else ["nothing"]


@attrs.define
class Refused:
    """Sends what every operation refuses, and what most do not look at."""

    reader: Reader

    async def send_all(self) -> None:
        """Send bad requests to every operation, and unusual ones to every path."""
        to, templates = self.reader.to, dict.fromkeys(
            name.partition(" ")[2] for name in self.reader.operations
        )  # fmt: skip
        await self.reader.learn()
        operations = self.reader.operations
        for name in sorted(operations, key=lambda name: name.startswith("DELETE")):
            facts, (method, _, template) = operations[name], name.partition(" ")
            path = await anext(self.reader.paths(template))
            await self._send(method, template, path, facts)
        for template in templates:
            path = await anext(self.reader.paths(template))
            for method in ("HEAD", "OPTIONS", "PUT"):
                await to.ask(f"{method} {target(path)}")
        for path in ("/v2", "/v2/nothing", "/v2/evses//", "/", "/nothing", "/v2/%ff", "/v3/evses"):
            for method in ("GET", "POST"):
                await to.ask(f"{method} {path}")

    async def _send(self, method: str, template: str, path: str, facts: dict[str, Any]) -> None:
        to, base = self.reader.to, self.reader._needed(template)
        plain = f"{method} {target(path, base)}"
        json_body = {"json": {}} if facts.get("body") else {}
        for caller in ("none", "bad", "narrow"):
            await to.ask(plain, caller, **json_body)
        await to.ask(plain, headers={"Accept": "text/html"}, **json_body)
        await to.ask(plain, headers={"EvEnergy-Version": "3"}, **json_body)
        await to.ask(plain, headers={"EvEnergy-User": "user" + "0" * 26}, **json_body)
        await to.ask(f"{method} {target(path.rstrip('/') + '/', base)}", "bad", **json_body)
        if "{" in template:
            head, _, tail = template.rpartition("}")
            before = (
                path[: len(path) - len(tail)].rpartition("/")[0]
                if tail
                else path.rpartition("/")[0]
            )
            key = path[len(before) + 1 :].removesuffix(tail)
            for other in (key[:4] + "0" * 26, "no%2Fid"):
                await to.ask(f"{method} {target(before + '/')}{other}{tail}", **json_body)
            del head
        for pairs in self._bad_queries(facts):
            kept = [pair for pair in base if pair[0] not in dict(pairs)]
            await to.ask(f"{method} {target(path, [*kept, *pairs])}", **json_body)
        if facts.get("required"):
            await to.ask(f"{method} {target(path)}")
        if body := facts.get("body"):
            await self._send_bodies(plain, body)

    def _bad_queries(self, facts: dict[str, Any]) -> Iterator[list[tuple[str, str]]]:
        for name in facts.get("query", {}):
            yield [(name, "\x00 nonsense")]
        names = [*facts.get("query", {})]
        if "page_size" in names:
            yield from ([("page_size", text)] for text in ("0", "101", "2.0"))
        if facts.get("expand"):
            yield [("expand", "nothing")]
        yield [("unknown", "1"), *((name, "1") for name in names[:1] * 2)]

    async def _send_bodies(self, plain: str, body: dict[str, Any]) -> None:
        to = self.reader.to
        kind = {"Content-Type": "application/json"}
        await to.ask(plain)
        await to.ask(plain, text="a=1", headers={"Content-Type": "text/plain"})
        await to.ask(plain, text="{", headers=kind)
        await to.ask(plain, text="[1]", headers=kind)
        await to.ask(plain, json={"unknown": 1})
        for name in body["properties"]:
            await to.ask(plain, json={name: {"wrong": []}})
