"""A tour of the SDK: how the cars of one home charged last night, and the code that finds out.

The demo runs against the embedded simulator. If EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET, or
EV_ENERGY_TOKEN, are set, it reads from the live API (or EV_ENERGY_BASE_URL) and changes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from ev_energy import Client, ClientCredentials, Page, Ref
from ev_energy._redaction.scrub import printable
from ev_energy.cli import _snippets
from ev_energy.cli._chart import ASCII, BLOCKS, Bars, axis
from ev_energy.cli._exit import ExitCode, report_error
from ev_energy.cli._home import Home, Night, amount, choose_home, minor_unit, night_of
from ev_energy.cli._table import table
from ev_energy.cli._terminal import (
    BOLD,
    CYAN,
    GREEN,
    YELLOW,
    Painter,
    encodable,
    is_terminal,
    painter,
    write,
)
from ev_energy.errors import BadRequestError, EvEnergyError, ForbiddenError, NotFoundError
from ev_energy.models import EVSE, ChargingSubSession, User, Vehicle

if TYPE_CHECKING:
    from collections.abc import Callable

    from ev_energy.simulator import Simulator

#: Enough for a home whose two cars charged last night at prices that change by the half-hour.
_VEHICLES: Final = 200
_SIMULATOR: Final = f"python -m ev_energy simulator --vehicles {_VEHICLES}"
_NEXT_STEPS: Final = """\
  python -m ev_energy simulator    starts a simulator to develop with
  python -m ev_energy operations   lists every operation of the API
  python -m ev_energy call         calls one of them; needs ev-energy[cli]
  examples/README.md               describes programs to begin with"""
_LIVE: Final = """

  With EV_ENERGY_CLIENT_ID and EV_ENERGY_CLIENT_SECRET set, the demo shows a
  home of your own, and only reads."""
_NAME_WIDTH: Final = 31
_CAR_HEIGHT: Final = 2
_PRICE_HEIGHT: Final = 4
#: The cars of a home that are shown.
_MAX_CARS: Final = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options: the environment selects the server."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and return its exit status."""
    del arguments
    live = any(os.environ.get(f"EV_ENERGY_{name}") for name in ("CLIENT_ID", "TOKEN"))
    try:
        if live:
            asyncio.run(_show_api())
        else:
            _show_simulator()
    except (EvEnergyError, ValueError) as error:
        hint = "without EV_ENERGY_* in the environment, the demo uses the simulator" if live else ""
        report_error(f"{type(error).__name__}: {error}", hint)
        return ExitCode.FAILED
    return ExitCode.OK


async def _show_api() -> None:
    async with Client.from_env() as client:
        write(f"Source: {client.base_url}, with your credentials. The demo only reads.")
        tour = _Tour(client)
        await tour.show()
        tour.show_rate_limit()
        tour.show_next_steps(_NEXT_STEPS)


def _show_simulator() -> None:
    from ev_energy.simulator import Clock, Simulator

    # It runs in a thread of its own, so that links work while the demo waits for a key. The clock
    # is stopped, so that each run shows the same.
    with Simulator.in_thread(vehicles=_VEHICLES, clock=Clock(speed=0)) as simulator:
        asyncio.run(_show_simulated(simulator))
        if _is_interactive():
            simulator.clock.run()
            try:
                input("\nPress Enter to stop the demo. ")
            except (EOFError, KeyboardInterrupt):
                print()


async def _show_simulated(simulator: Simulator) -> None:
    auth = ClientCredentials(client_id=simulator.client_id, client_secret=simulator.client_secret)
    async with Client(auth, base_url=simulator.base_url) as client:
        write(f"Source: the embedded simulator, {client.base_url}. All data is made up.")
        write(f"Its clock stands at {simulator.clock.now():%a %d %b %Y, %H:%M} UTC.")
        tour = _Tour(client)
        user = await tour.show()
        if user is not None:
            await tour.show_link(user, simulator)
        tour.show_rate_limit()
        tour.show_next_steps(_NEXT_STEPS + _LIVE)


def _is_interactive() -> bool:
    return is_terminal() and sys.stdin is not None and sys.stdin.isatty()


class _Tour:
    """Reads from an API, and prints what it finds and the code that reads it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._paint = painter()

    async def show(self) -> Ref[User] | None:
        """Show one home, and return its user; None if there is nothing to show."""
        first = await self._first_page()
        user = first.items[0].user if first.items else None
        home: Home | None = None
        with self._section("A home"):
            home = await self._find_home(_time_of(first) - timedelta(hours=24))
        user = home.user if home else user
        if user is None:
            write("  These credentials have access to no home.")
            return None
        charger: Ref[EVSE] | EVSE | None = home.charger if home else None
        with self._refusals():
            chargers = await self._show_devices(user)
            charger = charger or next(iter(chargers), None)
        if home is not None:
            with self._section("Last night"):
                await self._show_night(home)
        if charger is not None:
            with self._section("A log"):
                await self._show_log(charger)
        return user

    async def _first_page(self) -> Page[Vehicle] | Page[EVSE]:
        """Return a page with a car or a charger, if there is one."""
        try:
            page = await self._client.vehicles.list(page_size=1).page()
        except ForbiddenError:
            return await self._client.evses.list(page_size=1).page()
        return page if page.items else await self._client.evses.list(page_size=1).page()

    async def _find_home(self, since: datetime) -> Home | None:
        sessions = await _snippets.list_sessions(self._client, since)
        count = len(sessions)
        noun = "charging session" if count == 1 else "charging sessions"
        write(f"  {count} {noun} ended in the last 24 hours.")
        self._show_code(_snippets.list_sessions)
        home = choose_home(sessions)
        if home is None:
            write("  No car charged at home.")
        else:
            write("  The home where the most cars charged, at the lowest price, is that of")
            write(f"  {printable(home.user.id)}.")
        return home

    async def _show_devices(self, user: Ref[User]) -> Sequence[EVSE]:
        cars, chargers = await _snippets.list_devices(self._client, user)
        self._show_code(_snippets.list_devices)
        rows = [("car", _name(car), _state(car)) for car in cars]
        rows += [("charger", _charger_name(charger), charger.cpid) for charger in chargers]
        write(table(("", "name", "state, or own id"), rows))
        return chargers

    async def _show_night(self, home: Home) -> None:
        write("  Energy, cost and carbon of each car, and what smart charging saved.")
        self._show_code(_snippets.add_up)
        cars = home.cars[:_MAX_CARS]
        rows = [_totals(_name(car.vehicle), car.sessions) for car in cars]
        if len({session.currency for session in home.sessions}) == 1:
            rows.append(_totals("all cars", home.sessions))
        write(table(("", "  kWh", "     cost", "    saved", "kg CO2"), rows))
        if any(each.cost is not None and each.cost < 0 for each in home.sessions):
            write("\n  A cost below zero was earned: the price was negative for a while.")
        readings = [
            [await _snippets.read_usage(self._client, session) for session in car.sessions]
            for car in cars
        ]
        night = night_of(
            [interval for intervals, *_ in each for interval in intervals] for each in readings
        )
        if night is not None:
            self._show_code(_snippets.read_usage)
            for line in _chart(home, night, self._paint):
                write(line)

    async def _show_log(self, charger: Ref[EVSE] | EVSE) -> None:
        page, cursor, older = await _snippets.read_log(self._client, charger)
        write(f"  The status log of {printable(charger.id)}, newest first.")
        self._show_code(_snippets.read_log)
        entries = [*page.items, *(older.items if older else ())]
        rates = [entry.charge_rate_watts or 0 for entry in entries]
        pages = "1 page" if older is None else "2 pages"
        top = max(rates, default=0) / 1000
        write(f"  {len(entries)} entries on {pages}, with up to {top:.1f} kW.")
        if cursor is not None:
            write(f"  To resume later, or in another process, use the cursor {cursor[:16]}...")
        if page.items:
            entry = await _snippets.read_entry(self._client, charger, page)
            self._show_code(_snippets.read_entry)
            write(f"  The newest entry, fetched by its timestamp {printable(entry.sampled_at)}:")
            write(
                f"  plugged in: {_yes_or_no(entry.is_plugged_in)}, "
                f"charging: {_yes_or_no(entry.is_charging)}."
            )

    async def show_link(self, user: Ref[User], simulator: Simulator) -> None:
        """Show a link on which the user of the home connects a charger."""
        from ev_energy.cli.simulator import PORT

        with self._section("An onboarding link"):
            write("  On this page, a driver chooses a make and connects a charger.")
            link = await _snippets.get_link(self._client, user, simulator.client_id)
            self._show_code(_snippets.get_link)
            if _is_interactive():
                write("  It works now, until you stop the demo:")
                write(f"  {link}")
            else:
                write("  A link works while its simulator runs. For one that lasts, start")
                write(f"    {_SIMULATOR}")
                write("  and open")
                write(f"    {URL(str(link)).with_port(PORT)}")

    def show_next_steps(self, steps: str) -> None:
        """Show what to do next."""
        with self._section("What next"):
            write(steps)

    def show_rate_limit(self) -> None:
        """Show the remaining requests of the hour."""
        limit = self._client.rate_limit
        if limit is not None:
            write(f"\n{limit.remaining} of {limit.limit} requests per hour remain.")

    def _show_code(self, function: Callable[..., Any]) -> None:
        code = _snippets.source(function)
        if code is not None:
            lines = (f"    {self._paint(CYAN, line)}" for line in code.splitlines())
            write("\n".join(["", *lines, ""]))

    @contextmanager
    def _section(self, title: str) -> Generator[None]:
        write(f"\n{self._paint(BOLD, title)}")
        with self._refusals():
            yield

    @contextmanager
    def _refusals(self) -> Generator[None]:
        """Print that the API refused a request, as when a scope is missing, and go on."""
        try:
            yield
        except (BadRequestError, ForbiddenError, NotFoundError) as error:
            write(f"  Not shown: {printable(error, 2000)}")


def _time_of(page: Page[Any]) -> datetime:
    """Return the time of the server. A simulator has another one than this machine."""
    try:
        date = parsedate_to_datetime(page.response.header("date"))
    except (TypeError, ValueError):
        return datetime.now(UTC)
    return date.replace(tzinfo=UTC)  # HTTP has no other time zone (RFC 9110, 5.6.7)


def _name(car: Vehicle) -> str:
    return printable(car.description or car.id, _NAME_WIDTH)


def _charger_name(charger: EVSE) -> str:
    if charger.model is None or not charger.model.is_expanded:
        return printable(charger.id, _NAME_WIDTH)
    model = charger.model.value
    make = f"{model.make.value.name} " if model.make and model.make.is_expanded else ""
    return printable(f"{make}{model.name or model.id}", _NAME_WIDTH)


def _state(car: Vehicle) -> str:
    log = car.latest_status_log
    if log is None or not log.is_expanded:
        return "-"
    percent, state = log.value.state_of_charge_percentage, log.value.state
    words = [] if percent is None else [f"{percent} %"]
    if state is not None:
        words.append(state.lower().replace("_", " "))
    return ", ".join(words) or "-"


def _yes_or_no(value: bool | None) -> str:
    return "unknown" if value is None else "yes" if value else "no"


def _totals(name: str, sessions: Sequence[ChargingSubSession]) -> Sequence[str]:
    kwh, cost, saved, kg_co2 = _snippets.add_up(sessions)
    currency = sessions[0].currency

    def known(text: str, *values: object) -> str:
        return "-" if None in values else text

    return (
        name,
        f"{kwh:5.1f}",
        known(f"{amount(cost, currency):>9}", *(each.cost for each in sessions)),
        known(f"{amount(saved, currency):>9}", *(each.savings_cost for each in sessions)),
        known(f"{kg_co2:6.1f}", *(each.total_co2_grams for each in sessions)),
    )


def _chart(home: Home, night: Night, paint: Painter) -> Iterator[str]:
    """Yield the lines of a chart of the power of each car against the price."""
    parts = BLOCKS if is_terminal() and encodable(BLOCKS) else ASCII
    times = [time.astimezone(home.zone) for time in night.times]
    end = night.end.astimezone(home.zone)
    yield f"  From {times[0]:%a %d %b %H:%M} to {end:%a %d %b %H:%M}, {home.zone}:"
    top = max(watts for power in night.power for watts in power) / 1000
    for car, power in zip(home.cars, night.power, strict=False):
        yield f"\n  kW into the {_name(car.vehicle)}"
        bars = Bars([watts / 1000 or None for watts in power], 0, top, _CAR_HEIGHT)
        yield from bars.lines(parts, lambda _value: CYAN, paint)
    known = [price for price in night.prices if price is not None]
    if known:
        yield f"\n  price of a kWh in {minor_unit(home.currency)}"
        low, high = min(known), max(known)
        bars = Bars(night.prices, low, high, _PRICE_HEIGHT, digits=2)
        cheap = (low + high) / 2
        yield from bars.lines(parts, lambda price: GREEN if price <= cheap else YELLOW, paint)
    yield axis([f"{time:%H}" if time.minute == 0 else "" for time in times])
