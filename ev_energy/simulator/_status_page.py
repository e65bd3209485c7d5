"""The status page at ``/``: the clock, charging vehicles, requests, faults and webhooks."""

from __future__ import annotations

from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from aiohttp import web

from ev_energy.simulator.pages import (
    Markup,
    button,
    definition_list,
    form,
    hidden_fields,
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
_MAX_ROWS: Final = 10
#: The latest arrivals that are examined, however large the fleet is.
_EXAMINED_ARRIVALS: Final = 200
#: Bounds of the seconds between reloads.
_MIN_REFRESH: Final = 1
_MAX_REFRESH_DIGITS: Final = 5
#: The collections of a home, in the order of the page, with their labels.
_COLLECTIONS: Final = {
    "vehicles": "Vehicles",
    "evses": "EVSEs",
    "ct_clamps": "CT clamps",
    "solar_arrays": "Solar arrays",
    "inverters": "Inverters",
    "home_batteries": "Home batteries",
    "boundary_meters": "Boundary meters",
    "hem_systems": "Energy managers",
}
#: The buttons: label, form field and value.
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
    status_page = _StatusPage(simulator, world, browser_sessions)
    app.router.add_get(_PATH, status_page.show)
    app.router.add_post(_PATH, status_page.change)


_INVALID_FORM: Final = "The form has no valid token. Reload the page and try again."


class _StatusPage:
    def __init__(
        self, simulator: Simulator, world: World, browser_sessions: BrowserSessions
    ) -> None:
        self._simulator = simulator
        self._world = world
        self._browser_sessions = browser_sessions

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Return the page as of now."""
        session = self._browser_sessions.get(request)
        response = self._page(request, self._browser_sessions.csrf_token(session))
        self._browser_sessions.set_cookie(request, response, session)
        return response

    async def change(self, request: web.Request) -> web.StreamResponse:
        """Advance the clock or set its speed, as a button says."""
        try:
            fields = dict(await read_form(request))
        except ValueError as error:
            return _error_page("Bad request", str(error), HTTPStatus.BAD_REQUEST)
        if not self._browser_sessions.accepts(self._browser_sessions.get(request), fields):
            return _error_page("Forbidden", _INVALID_FORM, HTTPStatus.FORBIDDEN)
        try:
            _set_clock(self._simulator.clock, fields)
        except ValueError as error:
            return _error_page("Not possible", str(error), HTTPStatus.BAD_REQUEST)
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
            tag("h2", "Simulated data"),
            self._counts(),
            tag("h2", "First user"),
            definition_list(self._home()),
            tag("h2", "Last requests"),
            _requests(simulator.requests),
            tag("h2", "Faults"),
            _faults(simulator),
            tag("h2", "Webhooks"),
            _webhooks(simulator),
            tag("h2", "Calling the API"),
            _credentials(simulator, origin),
            wide=True,
            refresh=_refresh(request.query.get("refresh")),
        )

    def _clock(self, csrf_token: str) -> Markup:
        speed = self._simulator.clock.speed
        descriptions = {0.0: "The clock is stopped.", 1.0: "The clock runs in real time."}
        faster = f"The clock runs {speed:g} times as fast as real time."
        forms = [
            (
                form(
                    *hidden_fields([(do, value)]),
                    button(name, quiet=True),
                    csrf_token=csrf_token,
                    class_="inline",
                ),
                " ",
            )
            for name, do, value in _BUTTONS
        ]
        reload_link = tag("a", "reload automatically", href="/?refresh=5")
        return tag(
            "section",
            tag("p", descriptions.get(speed, faster), " This page can ", reload_link, "."),
            tag("p", forms),
        )

    def _charging(self, now: datetime) -> Markup:
        world = self._world
        found = list(islice(_charging_now(world, now), _MAX_ROWS + 1))
        if not found:
            return tag(
                "p", "No vehicle is charging. Most plug in between 16:00 and 22:00.", class_="soft"
            )
        rows = (
            (
                _vehicle(world.fleet.vehicle(episode.site)),
                "a public charger"
                if episode.public
                else _evse(world, world.fleet.evse(episode.site)),
                _no_break(f"{state.power_watts / 1000:.1f} kW"),
                "unknown"
                if state.percent is None
                else _no_break(f"{state.percent} % of {state.target_percent} %"),
                "" if state.mode is None else state.mode.partition("_")[0].lower(),
                _no_break(f"{episode.start:%a %H:%M}"),
            )
            for episode, state in found[:_MAX_ROWS]
        )
        shown = table(("Vehicle", "At", "Power", "Charged", "Mode", "Since"), rows)
        more = tag("p", "Only the latest arrivals are shown.", class_="soft")
        return tag("section", shown, more if len(found) > _MAX_ROWS else None)

    def _counts(self) -> Markup:
        tables = self._world.tables
        names = {"users": "Homes", **_COLLECTIONS}
        shown = {name: f"{len(tables[folder]):,}" for folder, name in names.items()
                 if folder in tables} | {"Seed": str(self._simulator.seed)}  # fmt: skip
        return table(list(shown), [list(shown.values())])

    def _home(self) -> Iterator[tuple[str, Content]]:
        simulator, world = self._simulator, self._world
        user = world.tables["users"].get(simulator.user_id)
        if user is None:
            yield "User", "deleted"
            return
        yield "User", (tag("code", user["id"]), f" {user['full_name']}, {user['email']}")
        for folder, name in _COLLECTIONS.items():
            if folder in world.tables:
                found = [self._device(row) for row in world.rows_of_user(user["id"], folder)]
                yield name, found or "none"
        query = urlencode({"user_id": user["id"], "client_id": simulator.client_id})
        links = (("an EVSE", "/v2/evse_onboarding"), ("a vehicle", "/v2/vehicle_onboarding"))
        yield (
            "Connect",
            [(tag("a", name, href=f"{path}?{query}"), " ") for name, path in links],
        )

    def _device(self, row: Row) -> Markup:
        has_state = row["url"].folder in {"vehicles", "evses"}
        return tag("div", tag("code", row["id"]), " ", self._activity(row) if has_state else None)

    def _activity(self, row: Row) -> str:
        """Return the name and the present activity of a vehicle or an EVSE."""
        world = self._world
        is_vehicle = row["url"].folder == "vehicles"
        name = _name(row) if is_vehicle else _evse(world, row)
        site = world.fleet.site_of_row(row)
        if site is None:
            return f"{name}, no charging data"
        state = world.charging.state(site, world.now)
        if is_vehicle and state.driving:
            activity = "driving"
        elif state.charging:
            activity = f"charging with {state.power_watts / 1000:.1f} kW"
        else:
            activity = "plugged in" if state.plugged_in else "not plugged in"
        percent = f", {state.percent} %" if is_vehicle and state.percent is not None else ""
        return f"{name}, {activity}{percent}"


def _error_page(title: str, message: str, status: HTTPStatus) -> web.Response:
    return page(title, notice(message, error=True), status=status)


def _set_clock(clock: Clock, fields: dict[str, str]) -> None:
    if "advance" in fields:
        clock.advance(hours=float(fields["advance"]))
    else:
        clock.run(float(fields.get("speed", "")))


def _refresh(text: str | None) -> int | None:
    """Return the seconds between reloads, or None if *text* is not a number of seconds."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= _MAX_REFRESH_DIGITS):
        return None
    return max(_MIN_REFRESH, int(text))


def _charging_now(world: World, now: datetime) -> Iterator[tuple[Episode, SiteState]]:
    """Yield the charging episodes of now among the latest arrivals, the latest first."""
    arrived = world.charging.fleet_episodes(now=now, newest_first=True)
    for episode in islice(arrived, _EXAMINED_ARRIVALS):
        if episode.end_us is None:
            state = world.charging.state(episode.site, now)
            if state.charging:
                yield episode, state


def _name(row: Row) -> str:
    return str(row["description"] or "Vehicle")


def _vehicle(row: Row | None) -> Content:
    if row is None:
        return "unknown vehicle"
    return [_name(row), tag("div", tag("code", row["id"], class_="soft"))]


def _no_break(text: str) -> str:
    """Return a text with no-break spaces, which stays on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _evse(world: World, row: Row | None) -> str:
    if row is None:
        return "household socket"
    model = world.follow(row["model"]) or {}
    make = world.follow(model.get("make")) or {}
    return " ".join(filter(None, [make.get("name"), model.get("name"), row["cpid"]]))


def _requests(requests: list[SeenRequest]) -> Markup:
    if not requests:
        return tag("p", "None yet.", class_="soft")
    rows = (
        (
            request.status or "none",
            tag("code", f"{request.method} {request.target}"),
            f"{request.seconds * 1000:.0f} ms",
            request.sender,
            request.fault or "",
        )
        for request in requests[: -_MAX_ROWS - 1 : -1]
    )
    return table(("Status", "Request", "Took", "From", "Fault"), rows)


def _faults(simulator: Simulator) -> Markup:
    faults = list(simulator.faults)
    if not faults:
        path = tag("code", "POST /__sim/faults")
        return tag("p", "No faults are set. Add one with ", path, ".", class_="soft")
    rows = (
        (
            tag("code", fault.id),
            fault.kind,
            tag("code", str(fault.matcher)),
            fault.struck,
            "unlimited" if fault.remaining is None else fault.remaining,
        )
        for fault in faults
    )
    return table(("Fault", "Kind", "Operations", "Applied", "Remaining"), rows)


def _webhooks(simulator: Simulator) -> Markup:
    endpoints = simulator.webhooks.endpoints
    if not endpoints:
        path = tag("code", "POST /__sim/webhooks/endpoints")
        return tag("p", "No endpoints are set. Add one with ", path, ".", class_="soft")
    all_deliveries = simulator.webhooks.deliveries
    rows: list[tuple[Content, ...]] = []
    for endpoint in endpoints:
        deliveries = [one for one in all_deliveries if one.endpoint_id == endpoint.id]
        last = f"{deliveries[-1].outcome} {deliveries[-1].at:%a %H:%M:%S}" if deliveries else "none"
        events = "all" if endpoint.events is None else ", ".join(endpoint.events)
        rows.append((tag("code", endpoint.url), events, len(deliveries), last))
    return table(("Endpoint", "Events", "Attempts", "Last attempt"), rows)


def _credentials(simulator: Simulator, origin: str) -> Markup:
    return tag(
        "section",
        definition_list(
            [
                ("Base URL", tag("code", f"{origin}/v2")),
                ("Token URL", tag("code", f"{origin}/o/token/")),
                ("Client id", tag("code", simulator.client_id)),
                ("Client secret", tag("code", simulator.client_secret)),
                ("Admin API", tag("a", f"{origin}/__sim/", href="/__sim/")),
            ]
        ),
        tag("div", tag("pre", tag("code", simulator.curl(origin))), class_="scroll"),
    )
