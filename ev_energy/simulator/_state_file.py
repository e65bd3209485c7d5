"""The state file: what requests did, kept for the next run.

Only what changed is in it; all else follows from the seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict, cast

import attrs
import msgspec

from ev_energy._version import __version__
from ev_energy.simulator.charging._charging_site import ChangeKind
from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.http._serialization import ExpandTree, Serializer
from ev_energy.simulator.world._fleet import CONNECTED_GROUP
from ev_energy.simulator.world._rows import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ev_energy.simulator.clock._clock import Clock
    from ev_energy.simulator.http._rate_limit import RateLimiter
    from ev_energy.simulator.oauth import AuthorizationServer
    from ev_energy.simulator.webhooks import Webhooks
    from ev_energy.simulator.world._world import World


#: Far more than any simulator writes; a larger file is none, and would fill the memory.
_MOST_BYTES: Final = 2**30
#: Raised when older files cannot be read any more, or mean something else.
FORMAT: Final = 1
_LOGGER: Final = logging.getLogger("ev_energy.simulator")
_WHAT: Final = "state of the ev.energy simulator"


@attrs.frozen
class Kept:
    """All that a state tells of."""

    seed: int
    vehicles: int
    world: World
    auth_server: AuthorizationServer
    webhooks: Webhooks
    rate_limiter: RateLimiter

    def dump(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "version": __version__,
            "seed": self.seed,
            "vehicles": self.vehicles,
            "clock": self.world.clock.dump(),
            "world": self.world.dump(),
            "oauth": self.auth_server.dump(),
            "webhooks": self.webhooks.dump(),
            "budget": self.rate_limiter.dump(),
        }

    def load(self, state: Mapping[str, Any], where: str) -> None:
        """Make everything as it was; `ValueError` names where the state is from."""
        try:
            self.world.clock.load(state["clock"])
            self.world.load(state["world"])
            self.auth_server.load(state["oauth"])
            self.webhooks.load(state["webhooks"])
            self.rate_limiter.load(state["budget"])
            self._try_out()
        except Exception as error:
            raise ValueError(f"{where}: damaged: {type(error).__name__}: {error}") from error

    def _try_out(self) -> None:
        """Use all that was loaded once, so that damage shows now and not in a later request."""
        try_out(self.world)
        write_state(self.dump()).encode()


def read_state(path: Path) -> dict[str, Any] | None:
    """Return what a state file holds, None if there is none; `ValueError` says what is wrong."""
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise ValueError(f"{path}: no state file: it has {size:,} bytes")
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        state: Any = json.loads(data, parse_constant=_refuse_constant)
        json.dumps(state, ensure_ascii=False).encode()  # which halves of surrogate pairs are not
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{path}: damaged, or no state file: {error}") from None
    if not isinstance(state, dict) or cast("dict[str, Any]", state).get("what") != _WHAT:
        raise ValueError(f"{path}: not a state file of this simulator")
    found = cast("dict[str, Any]", state)
    written = found.get("format")
    if not isinstance(written, int) or isinstance(written, bool) or written < 1:
        raise ValueError(f"{path}: damaged: its format is {written!r}")
    if written != FORMAT:
        age = "a newer" if written > FORMAT else "an older"
        raise ValueError(
            f"{path}: written by {age} version: its format is {written}, this one reads {FORMAT}"
        )
    for name in ("seed", "vehicles"):
        if not isinstance(found.get(name), int) or isinstance(found[name], bool):
            raise ValueError(  # noqa: TRY004 - the file is at fault, not a caller
                f"{path}: damaged: {name} is {found.get(name)!r}"
            )
    return found


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def write_state(state: Mapping[str, Any]) -> str:
    """Return a state as `read_state` reads it."""
    return json.dumps({"what": _WHAT, "format": FORMAT, **state}, allow_nan=False)


def chosen(state: Mapping[str, Any] | None, name: str, given: int | None, usual: int) -> int:
    """Return what holds: what a state was made with, what was given, or what is usual."""
    if state is None:
        return usual if given is None else given
    kept: int = state[name]
    if given not in {None, kept}:
        raise ValueError(f"{name}: the state file was made with {kept}, so {given} will not do")
    return kept


class Keeper:
    """Keeps a file up to date: states in the order they were taken, each whole or not at all."""

    def __init__(self, path: Path, take: Callable[[], dict[str, Any]], *, every: float) -> None:
        self.path = path
        self._take = take
        self._every = every
        self._taken = 0
        self._written = 0
        self._lock = threading.Lock()
        self._seen: str | None = None
        self._touched = False
        self._running: tuple[asyncio.Task[None], asyncio.Event, Callable[[], None]] | None = None

    def touch(self) -> None:
        """Have the next look find a change, whatever it sees. Any thread may say so."""
        self._touched = True

    def save(self) -> None:
        """Write the present state now."""
        self._write(*self._next())

    def start(self, clock: Clock) -> None:
        """Begin to look for changes every few seconds, in the running event loop."""
        self._changed()  # what there is to begin with is no change
        ended = asyncio.Event()
        self._running = asyncio.create_task(self._run(ended)), ended, clock.on_jump(self.touch)

    async def close(self) -> None:
        """Look no more, and save once again."""
        running, self._running = self._running, None
        if running is not None:
            task, ended, remove = running
            remove()
            ended.set()
            await task
        self.save()

    async def _run(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), self._every)
            if not ended.is_set() and self._changed():
                try:
                    await asyncio.to_thread(self._write, *self._next())
                except OSError as error:
                    # There may be room again later; the save at the end is not as patient.
                    self._touched = True
                    _LOGGER.warning("The state was not saved: %s", error)

    def _changed(self) -> bool:
        """Return whether there is more to tell than that time went by."""
        touched, self._touched = self._touched, False
        state = self._take()
        now = json.dumps({**state, "clock": state["clock"]["speed"]})
        changed, self._seen = touched or now != self._seen, now
        return changed

    def _next(self) -> tuple[int, bytes]:
        self._taken += 1
        return self._taken, write_state(self._take()).encode()

    def _write(self, number: int, data: bytes) -> None:
        with self._lock:
            if number > self._written:  # else a newer one was quicker
                _replace(self.path, data)
                self._written = number


def _replace(path: Path, data: bytes) -> None:
    # A temporary file has mode 0600 from its first byte on: there are tokens in it.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Have the new name survive a crash of the machine, where folders can be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Announced(TypedDict, total=False):
    until: str
    events: list[str]


class _Guest(TypedDict):
    user: str
    began: str
    tariff: str | None
    country: str
    vehicles: NotRequired[str]
    car: NotRequired[dict[str, int | bool]]
    evses: NotRequired[str]
    point: NotRequired[dict[str, int | bool]]


class _AuthorizationRequest(TypedDict):
    user_id: str
    about: dict[str, str]
    expires_at: str
    used: bool


#: The types of what requests set and no table holds, by kind; of others, all are objects.
_KINDS: Final[dict[str, Any]] = {
    "accounts": dict[str, list[str]],
    "announced": _Announced,
    "authorization_requests": dict[str, _AuthorizationRequest],
    "counters": dict[str, int],
    "deeds": dict[str, list[tuple[str, ChangeKind, bool | int | str | None]]],
    "guests": dict[str, list[_Guest]],
    "mail": dict[str, list[dict[str, str]]],
    "organisations": dict[str, str | None],
    "solar_capacities": dict[str, list[tuple[int, int]]],
}


def try_out(world: World) -> None:
    """Use what requests did to a world, as later requests will; raise what comes of damage."""
    for kind, kept in world.extra_state.items():
        msgspec.convert(kept, _KINDS.get(kind, dict[str, dict[str, Any]]), strict=True)
    read_instant(world.extra_state.get("announced", {}).get("until", "2026-10-05T12:00:00Z"))
    for request in world.extra_state.get("authorization_requests", {}).values():
        read_instant(request["expires_at"])
    _try_charging(world)
    serializer = Serializer(world, "", Viewer())
    for table in world.tables.values():
        for row in table.modified_rows():
            shown = serializer.row(table.view_for(row, Viewer()), ExpandTree())
            json.dumps(shown, allow_nan=False)
            table.owner_id(row)


def _try_charging(world: World) -> None:
    now, fleet = world.now, world.fleet
    sites = [*fleet.changed_sites()]
    guests = world.extra_state.get("guests", {}).get("bays", [])
    sites += [fleet.site(CONNECTED_GROUP, rank) for rank in range(len(guests))]
    for site in sites:
        for change in fleet.changes(site):
            _check_change(change.kind, change.value)
        world.charging.state(site, now)
        for _ in world.charging.episodes(site, now=now):
            break


def _check_change(what: ChangeKind, value: object) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if (what in {"limit", "battery"} and not whole) or (
        what == "smart" and not isinstance(value, bool)
    ):
        raise ValueError(f"{what} was set to {value!r}")
