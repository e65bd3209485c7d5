"""The page at ``/``: how things are, for a browser."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from aiohttp import web

from ev_energy.simulator.pages import (
    Markup,
    button,
    facts,
    form,
    hidden,
    notice,
    page,
    read_form,
    table,
    tag,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ev_energy.simulator._request_log import SeenRequest
    from ev_energy.simulator._simulator import Simulator
    from ev_energy.simulator.charging._charging_model import SiteState
    from ev_energy.simulator.charging._episodes import Episode
    from ev_energy.simulator.clock._clock import Clock
    from ev_energy.simulator.pages import BrowserSessions, Content
    from ev_energy.simulator.world._rows import Row
    from ev_energy.simulator.world._world import World


_PATH: Final = "/"
_SHOWN: Final = 10
#: So many of the latest arrivals are looked at, however large the fleet is.
_LOOKED_AT: Final = 200
_LEAST_REFRESH: Final = 1
#: What is at a home, in the order of the page, and what that is called.
_THINGS: Final = {
    "vehicles": "Vehicles",
    "evses": "EVSEs",
    "ct_clamps": "CT clamps",
    "solar_arrays": "Solar arrays",
    "inverters": "Inverters",
    "home_batteries": "Home batteries",
    "boundary_meters": "Boundary meters",
    "hem_systems": "Energy managers",
}
#: Buttons: what they are called, and what they have the clock do.
_BUTTONS: Final = (
    ("+1 hour", "advance", "1"),
    ("+6 hours", "advance", "6"),
    ("+1 day", "advance", "24"),
    ("Stop", "speed", "0"),
    ("Real time", "speed", "1"),
    ("60 times", "speed", "60"),
    ("600 times", "speed", "600"),
)


def install(
    app: web.Application, simulator: Simulator, world: World, browser_sessions: BrowserSessions
) -> None:
    """Serve the page."""
    status = _Status(simulator, world, browser_sessions)
    app.router.add_get(_PATH, status.show)
    app.router.add_post(_PATH, status.change)


class _Status:
    def __init__(
        self, simulator: Simulator, world: World, browser_sessions: BrowserSessions
    ) -> None:
        self._simulator = simulator
        self._world = world
        self._browser_sessions = browser_sessions

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Show how things are now."""
        session = self._browser_sessions.get(request)
        response = self._page(request, self._browser_sessions.csrf_token(session))
        self._browser_sessions.set_cookie(request, response, session)
        return response

    async def change(self, request: web.Request) -> web.StreamResponse:
        """Move the clock."""
        try:
            sent = dict(await read_form(request))
        except ValueError as error:
            return page("Not understood", notice(str(error), error=True), status=400)
        if not self._browser_sessions.accepts(self._browser_sessions.get(request), sent):
            return page("No entry", notice("This form is not from here.", error=True), status=403)
        try:
            _move(self._simulator.clock, sent)
        except ValueError as error:
            return page("Not possible", notice(str(error), error=True), status=400)
        raise web.HTTPSeeOther(request.path_qs)

    def _page(self, request: web.Request, csrf_token: str) -> web.Response:
        simulator, world = self._simulator, self._world
        now = world.now
        origin = f"{request.scheme}://{request.host}"
        return page(
            f"{now:%A %d %B %Y, %H:%M:%S} UTC",
            self._clock(csrf_token),
            tag("h2", "Charging now"),
            self._charging(now),
            tag("h2", "In this world"),
            self._numbers(),
            tag("h2", "A home to begin with"),
            facts(self._home()),
            tag("h2", "Last requests"),
            _requests(simulator.requests),
            tag("h2", "Faults"),
            _faults(simulator),
            tag("h2", "Webhooks"),
            _webhooks(simulator),
            tag("h2", "To call the API"),
            _credentials(simulator, origin),
            wide=True,
            refresh=_refresh(request.query.get("refresh")),
        )

    def _clock(self, csrf_token: str) -> Markup:
        speed = self._simulator.clock.speed
        runs = {0.0: "It stands still.", 1.0: "It keeps pace with the clock on the wall."}
        said = runs.get(speed, f"It runs {speed:g} times as fast as the clock on the wall.")
        forms = [
            (
                form(
                    *hidden([(do, value)]),
                    button(name, quiet=True),
                    csrf_token=csrf_token,
                    class_="inline",
                ),
                " ",
            )
            for name, do, value in _BUTTONS
        ]
        follow = tag("a", "reload by itself", href="/?refresh=5")
        return tag("section", tag("p", said, " The page can ", follow, "."), tag("p", forms))

    def _charging(self, now: datetime) -> Markup:
        world = self._world
        found = list(islice(_charging_now(world, now), _SHOWN + 1))
        if not found:
            return tag("p", "No car is. Most plug in between 16:00 and 22:00.", class_="soft")
        rows = (
            (
                _vehicle(world.fleet.vehicle(episode.site)),
                "on the go" if episode.public else _evse(world, world.fleet.evse(episode.site)),
                _together(f"{state.power_watts / 1000:.1f} kW"),
                "unknown"
                if state.percent is None
                else _together(f"{state.percent} % of {state.target_percent} %"),
                "" if state.mode is None else state.mode.partition("_")[0].lower(),
                _together(f"{episode.start:%a %H:%M}"),
            )
            for episode, state in found[:_SHOWN]
        )
        shown = table(("Vehicle", "At", "Power", "Charged", "Mode", "Since"), rows)
        more = tag("p", "And others: these came last.", class_="soft")
        return tag("section", shown, more if len(found) > _SHOWN else None)

    def _numbers(self) -> Markup:
        tables = self._world.tables
        names = {"users": "Homes", **_THINGS}
        shown = {name: f"{len(tables[folder]):,}" for folder, name in names.items()
                 if folder in tables} | {"Seed": str(self._simulator.seed)}  # fmt: skip
        return table(list(shown), [list(shown.values())])

    def _home(self) -> Iterator[tuple[str, Content]]:
        simulator, world = self._simulator, self._world
        user = world.tables["users"].get(simulator.user_id)
        if user is None:
            yield "User", "gone"
            return
        yield "User", (tag("code", user["id"]), f" {user['full_name']}, {user['email']}")
        for folder, name in _THINGS.items():
            if folder in world.tables:
                found = [self._thing(row) for row in world.rows_of_user(user["id"], folder)]
                yield name, found or "none"
        asked = urlencode({"user_id": user["id"], "client_id": simulator.client_id})
        links = (("an EVSE", "/v2/evse_onboarding"), ("a vehicle", "/v2/vehicle_onboarding"))
        yield (
            "Connect",
            [(tag("a", name, href=f"{path}?{asked}"), " ") for name, path in links],
        )

    def _thing(self, row: Row) -> Markup:
        said = None
        if row["url"].folder in {"vehicles", "evses"}:
            said = self._doing(row)
        return tag("div", tag("code", row["id"]), " ", said)

    def _doing(self, row: Row) -> str:
        """Return what a vehicle or an EVSE is, and does."""
        world = self._world
        vehicle = row["url"].folder == "vehicles"
        name = _name(row) if vehicle else _evse(world, row)
        site = world.fleet.site_of_row(row)
        if site is None:
            return f"{name}, never heard of"
        state = world.charging.state(site, world.now)
        if vehicle and state.driving:
            doing = "driving"
        elif state.charging:
            doing = f"charging with {state.power_watts / 1000:.1f} kW"
        else:
            doing = "plugged in" if state.plugged_in else "not plugged in"
        full = f", {state.percent} %" if vehicle and state.percent is not None else ""
        return f"{name}, {doing}{full}"


def _move(clock: Clock, sent: dict[str, str]) -> None:
    if "advance" in sent:
        clock.advance(hours=float(sent["advance"]))
    else:
        clock.run(float(sent.get("speed", "")))


def _refresh(text: str | None) -> int | None:
    """Return the seconds between reloads that were asked for; nonsense counts as nothing."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 6):  # noqa: PLR2004
        return None
    return max(_LEAST_REFRESH, int(text))


def _charging_now(world: World, now: datetime) -> Iterator[tuple[Episode, SiteState]]:
    """Return whose cars charge, of those that plugged in last, the latest first."""
    arrived = world.charging.fleet_episodes(now=now, newest_first=True)
    for episode in islice(arrived, _LOOKED_AT):
        if episode.end_us is None:
            state = world.charging.state(episode.site, now)
            if state.charging:
                yield episode, state


def _name(row: Row) -> str:
    return str(row["description"] or "A vehicle")


def _vehicle(row: Row | None) -> Content:
    if row is None:
        return "somebody's"
    return [_name(row), tag("div", tag("code", row["id"], class_="soft"))]


def _together(text: str) -> str:
    """Return a text that is not broken into lines."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _evse(world: World, row: Row | None) -> str:
    if row is None:
        return "a socket"
    model = world.follow(row["model"]) or {}
    make = world.follow(model.get("make")) or {}
    return " ".join(filter(None, [make.get("name"), model.get("name"), row["cpid"]]))


def _requests(seen: list[SeenRequest]) -> Markup:
    if not seen:
        return tag("p", "None yet.", class_="soft")
    rows = (
        (
            one.status or "none",
            tag("code", f"{one.method} {one.target}"),
            f"{one.seconds * 1000:.0f} ms",
            one.who,
            one.fault or "",
        )
        for one in seen[: -_SHOWN - 1 : -1]
    )
    return table(("Status", "Request", "Took", "From", "Fault"), rows)


def _faults(simulator: Simulator) -> Markup:
    faults = list(simulator.faults)
    if not faults:
        about = tag("code", "POST /__sim/faults")
        return tag("p", "Nothing is to go wrong. ", about, " changes that.", class_="soft")
    rows = (
        (
            tag("code", fault.id),
            fault.kind,
            tag("code", str(fault.where)),
            fault.struck,
            "no end" if fault.remaining is None else fault.remaining,
        )
        for fault in faults
    )
    return table(("Fault", "Kind", "Operations", "Struck", "To come"), rows)


def _webhooks(simulator: Simulator) -> Markup:
    endpoints = simulator.webhooks.endpoints
    if not endpoints:
        about = tag("code", "POST /__sim/webhooks/endpoints")
        return tag("p", "Nobody is told of charging. ", about, " changes that.", class_="soft")
    deliveries = simulator.webhooks.deliveries
    rows: list[tuple[Content, ...]] = []
    for endpoint in endpoints:
        made = [one for one in deliveries if one.endpoint_id == endpoint.id]
        last = f"{made[-1].outcome} {made[-1].at:%a %H:%M:%S}" if made else "none"
        events = "all" if endpoint.events is None else ", ".join(endpoint.events)
        rows.append((tag("code", endpoint.url), events, len(made), last))
    return table(("Endpoint", "Events", "Attempts", "The last"), rows)


def _credentials(simulator: Simulator, origin: str) -> Markup:
    return tag(
        "section",
        facts(
            [
                ("Base URL", tag("code", f"{origin}/v2")),
                ("Token URL", tag("code", f"{origin}/o/token/")),
                ("Client id", tag("code", simulator.client_id)),
                ("Client secret", tag("code", simulator.client_secret)),
                ("Control", tag("a", f"{origin}/__sim/", href="/__sim/")),
            ]
        ),
        tag("div", tag("pre", tag("code", simulator.curl(origin))), class_="scroll"),
    )
