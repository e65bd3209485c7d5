"""What the simulator answers to a fixed series of requests: replayed from a record.

The requests go over a socket to a `Simulator` whose clock stands still and whose secrets follow
from its seed, so every byte of the replies is known. ``simulator_replies.json`` holds the requests
and a digest of each reply; `reply_digests` says what of a reply is recorded.

``python -m tests.workshop.frozen.simulator_replies TRACK`` prints the replies of a track in full.
Compare its output with that of another checkout to see what has changed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import functools
import hashlib
import hmac
import json
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

import attrs
from aiohttp import web

from ev_energy.simulator import Clock, Simulator
from tests.workshop.frozen.raw_http import Connection, RawReply, request_bytes
from tests.workshop.frozen.reply_digests import (
    Recorded,
    described,
    digest,
    json_digests,
    seal_in,
    without_texts,
)

FILE: Final = Path(__file__).with_name("simulator_replies.json")
#: Where requests seem to go. The port would differ from run to run.
HOST: Final = "simulator.localhost"
#: How many seconds a fault may keep a reply back before it counts as not coming.
_PATIENCE: Final = 0.4
_ENOUGH_BYTES: Final = 2**17
#: With more deliveries than these, only a digest of them is recorded.
_MOST_ROWS: Final = 60
#: What the receiver of webhooks answers where not 200, by path; the last one from then on.
_RECEIVER: Final = {"/bad": [500], "/moved": [302], "/flaky": [503, 200]}

Step = dict[str, Any]


class Replay:
    """A simulator, and the requests of one track sent to it."""

    def __init__(self, world: dict[str, Any]) -> None:
        self.world = world
        """``seed``, ``vehicles``, ``start`` and ``rate_limit``."""
        self.tokens: dict[str, str] = {}
        self.clients: dict[str, str] = {}
        self.body: Any = None
        """The body of the latest reply, without texts for people."""
        self.reply: RawReply | None = None
        self._origins: list[str] = []
        self._ticks = 0.0
        self._cookies: dict[str, str] = {}
        self._seal = ""
        self._remaining: dict[tuple[str, str], int] = {}
        self._received: list[tuple[str, dict[str, str], bytes]] = []

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._receiver = web.AppRunner(app, access_log=None)
        await self._receiver.setup()
        await web.TCPSite(self._receiver, "127.0.0.1", 0).start()
        self._receiver_origin = f"http://127.0.0.1:{self._receiver.addresses[0][1]}"
        start = datetime.fromisoformat(self.world["start"])
        await self._serve(
            Simulator(
                seed=self.world["seed"],
                vehicles=self.world["vehicles"],
                clock=Clock(start, speed=0, monotonic=lambda: self._ticks),
                rate_limit=self.world["rate_limit"],
                state=Path(self._folder.name, "state.json"),
                fixed_secrets=True,
                webhook_timestamps="world",
            )
        )
        await self._register()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()
        await self.simulator.__aexit__(None, None, None)
        await self._receiver.cleanup()
        self._folder.cleanup()

    async def _serve(self, simulator: Simulator) -> None:
        self.simulator = await simulator.__aenter__()
        port = urlsplit(simulator.base_url).port
        assert port is not None
        self._origins.append(f"http://127.0.0.1:{port}")
        self._connection = Connection(port)

    async def _register(self) -> None:
        """Make applications and tokens, and remember them by the names that steps use."""
        simulator = self.simulator
        narrow, _ = simulator.add_application(scopes=["evse:read"], organisation=None)
        partner, _ = simulator.add_application(
            redirect_uris=["https://partner.example/back"],
            name="Partner",
            onboarding_redirect_url="https://partner.example/done",
            organisation="Partner plc",
        )
        public, _ = simulator.add_application(
            redirect_uris=["https://app.example/a", "https://app.example/b"], public=True
        )
        self.clients = {
            "app": simulator.client_id, "narrow": narrow, "partner": partner, "public": public,
        }  # fmt: skip
        self.tokens["bad"] = "no-token-at-all"
        await self._renew()

    async def _renew(self) -> None:
        """Get new tokens: those from before a jump of the clock may have expired."""
        simulator = self.simulator
        form = {"grant_type": "client_credentials", "client_id": simulator.client_id}
        body = urlencode(form | {"client_secret": simulator.client_secret}).encode()
        headers = {"Host": HOST, "Content-Type": "application/x-www-form-urlencoded"}
        data = request_bytes("POST", "/o/token/", headers, body)
        reply = await self._connection.exchange("POST", data)
        self.tokens["app"] = json.loads(reply.body)["access_token"]
        self.sign_in("user", None)
        narrow = simulator.sign_in(client_id=self.clients["narrow"])
        self.tokens["narrow"] = narrow.access_token

    def sign_in(self, name: str, user_id: str | None) -> None:
        """Remember a new token of a user by a name."""
        self.tokens[name] = self.simulator.sign_in(user_id).access_token

    async def take(self, step: Step) -> Recorded:
        """Take one step, and return what is recorded of its outcome."""
        match step:
            case {"request": _, "fault": _}:
                return await self._strike(step)
            case {"request": _}:
                return await self._ask(step)
            case {"advance": span}:
                self.simulator.clock.advance(**span)
                await self._renew()
            case {"tick": seconds}:  # seconds of real time
                self._ticks += seconds
                await self._renew()
            case {"sign_in": name, "user": user_id}:
                self.sign_in(name, user_id)
            case {"do": name}:
                return await self._do(name)
            case _:
                raise ValueError(f"not a step: {step}")
        return {}

    async def _do(self, name: str) -> Recorded:
        match name:
            case "reload":
                return await self._reload()
            case "state":
                self.body = self._state()
                return {"json": json_digests(self.body, depth=3)}
            case "deliveries":
                await self.simulator.webhooks.settled()
                self.body = self._delivered()
                return {"deliveries": self.body}
            case "reset":
                self.simulator.reset()
                await self._register()
            case "expire_tokens":
                self.simulator.expire_tokens()
            case _:
                raise ValueError(f"nothing to do by this name: {name}")
        return {}

    async def _ask(self, step: Step) -> Recorded:
        method, data = self._bytes(step)
        return self._note(step, await self._connection.exchange(method, data))

    def _bytes(self, step: Step) -> tuple[str, bytes]:
        method, _, target = step["request"].partition(" ")
        headers = {"Host": HOST}
        caller, _, user_id = step.get("as", "none").partition("/")
        if caller != "none":
            headers["Authorization"] = f"Bearer {self.tokens[caller]}"
        if user_id:
            headers["EvEnergy-User"] = user_id
        if "browser" in step and self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={v}" for name, v in self._cookies.items())
        body = ""
        if "json" in step:
            body, headers["Content-Type"] = json.dumps(step["json"]), "application/json"
        elif "form" in step:
            pairs = [(name, self._filled(text)) for name, text in step["form"]]
            body, headers["Content-Type"] = urlencode(pairs), "application/x-www-form-urlencoded"
        elif "text" in step:
            body = step["text"]
        headers |= step.get("headers", {})
        return method, request_bytes(method, target, headers, self._filled(body).encode())

    def _filled(self, text: str) -> str:
        return text.replace("$seal", self._seal).replace("$receiver", self._receiver_origin)

    def _note(self, step: Step, reply: RawReply) -> Recorded:
        target = step["request"].partition(" ")[2]
        self.reply = reply
        seal = seal_in(reply.body.decode("latin-1")) if b'name="seal"' in reply.body else None
        self._seal = seal or self._seal
        for name, text in reply.headers:
            if name.lower() == "set-cookie":
                key, _, value = text.partition(";")[0].partition("=")
                self._cookies[key] = value
        recorded, self.body = described(
            attrs.evolve(reply, body=self._without_ports(reply.body)),
            target,
            self.simulator.clock.now(),
        )
        self._count(step.get("as", "none").partition("/")[0], recorded["headers"])
        return recorded

    def _count(self, caller: str, headers: dict[str, str]) -> None:
        """Record how many requests were taken from the limit since the caller's one before."""
        if "X-RateLimit-Remaining" not in headers or self.world["rate_limit"] < 1000:
            return
        key, left = (caller, headers["X-RateLimit-Limit"]), int(headers["X-RateLimit-Remaining"])
        before = self._remaining.get(key, int(headers["X-RateLimit-Limit"]))
        self._remaining[key] = left
        headers["X-RateLimit-Remaining"] = f"{left - before:+} since the last request"

    def _without_ports(self, body: bytes) -> bytes:
        text = body
        for origin in self._origins:
            text = text.replace(origin.encode(), b"http://the-simulator")
        return text.replace(self._receiver_origin.encode(), b"http://the-receiver")

    async def _strike(self, step: Step) -> Recorded:
        """Have a fault strike one request, and then send another one on the same connection."""
        details = dict(step["fault"])
        fault = self.simulator.faults.add(details.pop("kind"), **details)
        await self._connection.close()
        recorded: Recorded = {"replies": []}
        try:
            method, data = self._bytes(step)
            await self._connection.send(data)
            while True:
                async with asyncio.timeout(10):
                    reply = await self._first_reply(method, step)
                recorded["replies"].append(self._note(step, reply))
                if reply.status >= 200:
                    break
            if not reply.ending:
                recorded["then"] = await self._rest()
        except TimeoutError:
            recorded["ending"] = "no reply"
        except ConnectionError:
            recorded["ending"] = "reset"
        except EOFError:
            recorded["ending"] = "closed"
        await self._connection.close()
        recorded["struck"] = fault.struck
        self.simulator.faults.clear()
        return recorded

    async def _first_reply(self, method: str, step: Step) -> RawReply:
        wait = step.get("wait", "long")
        return await self._connection.read(
            method,
            head_patience=_PATIENCE if wait == "briefly" else None,
            patience=None if wait == "long" else _PATIENCE,
            at_most=_ENOUGH_BYTES if step["fault"] == {"kind": step["fault"]["kind"]} else 2**22,
        )

    async def _rest(self) -> list[int | str]:
        """Return the statuses of the replies to one more request, and how they end."""
        if self._connection.streams is None:
            return ["closed as announced"]
        found: list[int | str] = []
        last = {"Host": HOST, "Connection": "close"}
        try:
            await self._connection.send(request_bytes("GET", "/v2/nothing", last))
            while self._connection.streams is not None:
                async with asyncio.timeout(10):
                    found.append((await self._connection.read("GET")).status)
        except (ConnectionError, EOFError):
            found.append("closed")
        return found

    async def _reload(self) -> Recorded:
        """Save the state, and go on with another simulator that was made from it."""
        before = self._state()
        self.simulator.save()
        start = datetime.fromisoformat(self.world["start"])
        try:
            other = Simulator(
                clock=Clock(start, speed=0, monotonic=lambda: self._ticks),
                rate_limit=self.world["rate_limit"],
                state=Path(self._folder.name, "state.json"),
                fixed_secrets=True,
                webhook_timestamps="world",
            )
        except ValueError:
            return {"reloaded": "refused"}
        await self._connection.close()
        await self.simulator.__aexit__(None, None, None)
        await self._serve(other)
        return {"reloaded": "the same" if self._state() == before else "another state"}

    def _state(self) -> Any:
        text = self._without_ports(self.simulator.state().encode())
        return without_texts(json.loads(text), "/__sim/state")

    def _delivered(self) -> list[list[str]]:
        """Return what the receiver was sent since the last time, sorted by endpoint."""
        secrets = {one.secret: one.id for one in self.simulator.webhooks.endpoints}
        secrets |= {
            old.secret: f"{one.id} before"
            for one in self.simulator.webhooks.endpoints
            for old in one.retired
        }
        received, self._received = self._received, []
        rows: list[list[str]] = []
        for path, headers, body in received:
            name, at = headers["svix-id"], headers["svix-timestamp"]
            signed = b".".join((name.encode(), at.encode(), body))
            by = [
                next((id_ for s, id_ in secrets.items() if _sign(s, signed) == one), "unknown")
                for one in headers["svix-signature"].split()
            ]
            text = self._without_ports(body)
            kind = headers["svix-event-type"]
            rows.append(
                [path, name, at, kind, ", ".join(by), hashlib.sha256(text).hexdigest()[:10]]
            )
        rows.sort(key=lambda row: row[0])
        return rows if len(rows) <= _MOST_ROWS else [[str(len(rows)), digest(rows)]]

    async def _receive(self, request: web.Request) -> web.Response:
        self._received.append(
            (
                request.path,
                {name.lower(): text for name, text in request.headers.items()},
                await request.read(),
            )
        )
        statuses = _RECEIVER.get(request.path, [200])
        done = sum(path == request.path for path, _, _ in self._received)
        return web.Response(status=statuses[min(done, len(statuses)) - 1])


def _sign(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


@attrs.define
class Track:
    """A world, and steps in it with what is recorded of their outcomes."""

    name: str
    world: dict[str, Any]
    steps: list[tuple[Step, Recorded]] = attrs.field(factory=list)


class _Shared:
    """Values that many outcomes have, each stored once."""

    def __init__(self, values: list[Any] | None = None) -> None:
        self.values = values or []
        self._numbers = {json.dumps(value): n for n, value in enumerate(self.values)}

    def number(self, value: Any) -> int:
        number = self._numbers.setdefault(json.dumps(value), len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


_SHARED: Final = ("headers", "problem", "page", "members")
#: Headers that hardly any two replies have in common.
_OF_ONE_REPLY: Final = ("Link", "Location")


def write(tracks: list[Track]) -> None:
    """Write the record, one step a line."""
    shared = {name: _Shared() for name in _SHARED}
    parts: list[str] = []
    for track in tracks:
        lines = [
            json.dumps([_short(step), _brief(_packed(found, shared))], separators=(",", ":"))
            for step, found in track.steps
        ]
        head = f'{{"name": {json.dumps(track.name)}, "world": {json.dumps(track.world)}, "steps": ['
        parts.append(head + "\n" + ",\n".join(lines) + "\n]}")
    tables = [
        f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, table.values)) + "\n]"
        for name, table in shared.items()
    ]
    tables.append('"tracks": [\n' + ",\n".join(parts) + "\n]")
    FILE.write_text("{" + ",\n".join(tables) + "}\n", encoding="utf-8")


def names() -> list[str]:
    """Return the names of the recorded tracks."""
    return [track["name"] for track in json.loads(FILE.read_text(encoding="utf-8"))["tracks"]]


@functools.cache
def recorded() -> list[Track]:
    """Return the tracks of the record."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    return [
        Track(
            track["name"],
            track["world"],
            [(_long(step), _unpacked(_in_full(found), data)) for step, found in track["steps"]],
        )
        for track in data["tracks"]
    ]


def _short(step: Step) -> Step | str:
    if step.keys() <= {"as", "request"} and "request" in step:
        return f"{step.get('as', 'none')} {step['request']}"
    return step


def _long(step: Step | str) -> Step:
    if isinstance(step, dict):
        return step
    caller, _, request = step.partition(" ")
    return {"as": caller, "request": request}


def _brief(packed: Recorded) -> Recorded | list[Any]:
    """Return the usual outcomes as lists, which are shorter."""
    status, headers = packed.get("status"), packed.get("headers")
    match packed:
        case {"problem": problem} if len(packed) == 3:
            return [status, headers, problem]
        case {"json": json_} if len(packed) == 3:
            return [status, headers, *json_]
        case {"json": json_, "Link": link} if len(packed) == 4:
            return [status, headers, *json_, link]
    return packed


def _in_full(brief: Recorded | list[Any]) -> Recorded:
    match brief:
        case [status, headers, problem]:
            return {"status": status, "headers": headers, "problem": problem}
        case [status, headers, whole, members, digests, *link]:
            full = {"status": status, "headers": headers, "json": [whole, members, digests]}
            return full | ({"Link": link[0]} if link else {})
        case dict():
            return brief
    raise ValueError(f"not an outcome: {brief}")


def _packed(found: Recorded, shared: dict[str, _Shared]) -> Recorded:
    packed = dict(found)
    if "headers" in found:
        own = {n: text for n, text in found["headers"].items() if n in _OF_ONE_REPLY}
        packed["headers"] = shared["headers"].number(
            {n: text for n, text in found["headers"].items() if n not in own}
        )
        packed |= own
    for name in {"page", "problem"} & found.keys():
        packed[name] = shared[name].number(found[name])
    if "json" in found:
        members = found["json"]["members"]
        number = shared["members"].number([*members])
        packed["json"] = [found["json"]["all"], number, "".join(members.values())]
    if "replies" in found:
        packed["replies"] = [_packed(one, shared) for one in found["replies"]]
    return packed


def _unpacked(packed: Recorded, tables: dict[str, list[Any]]) -> Recorded:
    found = {name: value for name, value in packed.items() if name not in _OF_ONE_REPLY}
    if "headers" in packed:
        own = {name: packed[name] for name in _OF_ONE_REPLY if name in packed}
        found["headers"] = tables["headers"][packed["headers"]] | own
    for name in {"page", "problem"} & packed.keys():
        found[name] = tables[name][packed[name]]
    if "json" in packed:
        whole, number, digests = packed["json"]
        names = tables["members"][number]
        parts = (digests[4 * n : 4 * n + 4] for n in range(len(names)))
        found["json"] = {"all": whole, "members": dict(zip(names, parts, strict=True))}
    if "replies" in packed:
        found["replies"] = [_unpacked(one, tables) for one in packed["replies"]]
    return found


def differences(before: Recorded, now: Recorded) -> Iterator[str]:
    """Yield what differs between two outcomes of a step, in words."""
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if name == "json" and old and new:
            yield from _json_differences(old["members"], new["members"])
        elif name == "headers" and old is not None and new is not None:
            for header in sorted(old.keys() | new.keys()):
                if old.get(header) != new.get(header):
                    yield f"header {header}: {old.get(header)!r} → {new.get(header)!r}"
        elif name == "replies" and old and new and len(old) == len(new):
            for one, other in zip(old, new, strict=True):
                yield from differences(one, other)
        elif isinstance(old, list) and isinstance(new, list):
            gone, come = ([x for x in a if x not in b] for a, b in ((old, new), (new, old)))
            yield f"{name}: without {gone}, with {come}" if gone or come else f"order of {name}"
        else:
            yield f"{name}: {old!r} → {new!r}"


def _json_differences(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    if gone := [name for name in old if name not in new]:
        yield f"members gone: {', '.join(gone)}"
    if come := [name for name in new if name not in old]:
        yield f"members new: {', '.join(come)}"
    if changed := [name for name in old if name in new and old[name] != new[name]]:
        yield f"members changed: {', '.join(changed)}"
    if not gone and not come and not changed:
        yield "order of the members, or the structure around them"


async def replayed(track: Track) -> list[str]:
    """Take the steps of a track again; return a line for each whose outcome has changed."""
    changed: list[str] = []
    async with Replay(track.world) as replay:
        for number, (step, before) in enumerate(track.steps):
            found = [*differences(before, await replay.take(step))]
            if found:
                changed.append(f"{track.name} #{number} {_label(step)}\n    {'; '.join(found)}")
    return changed


def _label(step: Step) -> str:
    rest = {name: value for name, value in step.items() if name not in {"as", "request"}}
    asked = f"{step['request']} (as {step.get('as', 'none')})" if "request" in step else ""
    return " ".join(filter(None, [asked, json.dumps(rest)[:300] if rest else ""]))


async def _show(track: Track) -> None:
    async with Replay(track.world) as replay:
        for number, (step, _) in enumerate(track.steps):
            found = await replay.take(step)
            print(f"#{number} {_label(step)}")
            print(json.dumps({**found, "json": replay.body}, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("track", choices=names())
    chosen = parser.parse_args().track
    asyncio.run(_show(next(track for track in recorded() if track.name == chosen)))


if __name__ == "__main__":
    main()
