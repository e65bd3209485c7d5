"""The state file: the changes that requests made, for the next run.

Everything else follows from the seed.
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
from typing import TYPE_CHECKING, Any, Final, Literal, NotRequired, TypedDict, cast

import attrs
import msgspec

from ev_energy._version import __version__
from ev_energy.simulator.charging._charging_site import ChangeKind
from ev_energy.simulator.clock._instants import read_instant
from ev_energy.simulator.http._serialization import ExpandTree, Serializer
from ev_energy.simulator.resources.charging_sessions._unreliable_data import (
    UNRELIABLE_DATA,
    verify_unreliable_data,
)
from ev_energy.simulator.world._fleet import CONNECTED_GROUP
from ev_energy.simulator.world._rows import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ev_energy.simulator.clock._clock import Clock
    from ev_energy.simulator.http._rate_limit import RateLimiter
    from ev_energy.simulator.oauth import AuthorizationServer
    from ev_energy.simulator.webhooks import Webhooks
    from ev_energy.simulator.world._world import World


#: Far more than any simulator writes; reading a larger file could exhaust the memory.
_MAX_BYTES: Final = 2**30
#: Increase it when the meaning of a file changes.
FORMAT: Final = 2
_LOGGER: Final = logging.getLogger("ev_energy.simulator")
_TITLE: Final = "state of the ev.energy simulator"


@attrs.frozen
class SimulatorState:
    """The parts of a simulator that its state consists of."""

    seed: int
    vehicles: int
    world: World
    auth_server: AuthorizationServer
    webhooks: Webhooks
    rate_limiter: RateLimiter

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "version": __version__,
            "seed": self.seed,
            "vehicles": self.vehicles,
            "clock": self.world.clock.dump(),
            "world": self.world.dump(),
            "oauth": self.auth_server.dump(),
            "webhooks": self.webhooks.dump(),
            "rate_limiter": self.rate_limiter.dump(),
        }

    def load(self, state: Mapping[str, Any], source: str) -> None:
        """Restore a state; `ValueError` names ``source`` if it is damaged."""
        try:
            self.world.clock.load(state["clock"])
            self.world.load(state["world"])
            self.auth_server.load(state["oauth"])
            self.webhooks.load(state["webhooks"])
            self.rate_limiter.load(state["rate_limiter"])
            self._verify()
        except Exception as error:
            raise ValueError(f"{source}: damaged: {type(error).__name__}: {error}") from error

    def _verify(self) -> None:
        """Use everything that was loaded once, so that damage raises now and not in a request."""
        verify_world(self.world)
        write_state(self.dump()).encode()


def read_state(path: Path) -> dict[str, Any] | None:
    """Return the state of a file, None if it does not exist; `ValueError` if it is invalid."""
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise ValueError(f"{path}: not a state file: it has {size:,} bytes")
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        state: Any = json.loads(data, parse_constant=_refuse_constant)
        json.dumps(state, ensure_ascii=False).encode()  # fails for lone surrogates
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{path}: damaged, or not a state file: {error}") from None
    if not isinstance(state, dict) or cast("dict[str, Any]", state).get("what") != _TITLE:
        raise ValueError(f"{path}: not a state file of this simulator")
    saved = cast("dict[str, Any]", state)
    written = saved.get("format")
    if not isinstance(written, int) or isinstance(written, bool) or written < 1:
        raise ValueError(f"{path}: damaged: its format is {written!r}")
    if written != FORMAT:
        age = "a newer" if written > FORMAT else "an older"
        raise ValueError(
            f"{path}: written by {age} version: its format is {written}, this one reads {FORMAT}"
        )
    for name in ("seed", "vehicles"):
        if not isinstance(saved.get(name), int) or isinstance(saved[name], bool):
            raise ValueError(  # noqa: TRY004 - the file is at fault, not a caller
                f"{path}: damaged: {name} is {saved.get(name)!r}"
            )
    return saved


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def write_state(state: Mapping[str, Any]) -> str:
    """Return a state as the text that `read_state` reads."""
    return json.dumps({"what": _TITLE, "format": FORMAT, **state}, allow_nan=False)


def choose(state: Mapping[str, Any] | None, name: str, requested: int | None, default: int) -> int:
    """Return the value of the state, else the requested value, else the default."""
    if state is None:
        return default if requested is None else requested
    stored: int = state[name]
    if requested not in {None, stored}:
        raise ValueError(
            f"{name}: the state file was made with {stored}, so it cannot be {requested}"
        )
    return stored


class StateFile:
    """A file that is replaced atomically by newer and newer states."""

    def __init__(self, path: Path, dump: Callable[[], dict[str, Any]], *, interval: float) -> None:
        self.path = path
        self._dump = dump
        self._interval = interval
        self._dump_count = 0
        self._written_number = 0
        self._lock = threading.Lock()
        self._last_state: str | None = None
        self._is_marked = False
        self._running: tuple[asyncio.Task[None], asyncio.Event, Callable[[], None]] | None = None

    def mark_changed(self) -> None:
        """Save at the next check, even without a visible change. Thread-safe."""
        self._is_marked = True

    def save(self) -> None:
        """Write the current state now."""
        self._write(*self._next())

    def start(self, clock: Clock) -> None:
        """Start to check for changes every few seconds, in the running event loop."""
        self._changed()  # the initial state is not a change
        stop = asyncio.Event()
        self._running = asyncio.create_task(self._run(stop)), stop, clock.on_jump(self.mark_changed)

    async def close(self) -> None:
        """Stop the checks and save the state."""
        running, self._running = self._running, None
        if running is not None:
            task, stop, unsubscribe = running
            unsubscribe()
            stop.set()
            await task
        self.save()

    async def _run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._interval)
            if not stop.is_set() and self._changed():
                try:
                    await asyncio.to_thread(self._write, *self._next())
                except OSError as error:
                    # The disk may have room later. The save at the end raises instead.
                    self._is_marked = True
                    _LOGGER.warning("The state was not saved: %s", error)

    def _changed(self) -> bool:
        """Return whether anything but the time has changed."""
        is_marked, self._is_marked = self._is_marked, False
        state = self._dump()
        text = json.dumps({**state, "clock": state["clock"]["speed"]})
        changed, self._last_state = is_marked or text != self._last_state, text
        return changed

    def _next(self) -> tuple[int, bytes]:
        self._dump_count += 1
        return self._dump_count, write_state(self._dump()).encode()

    def _write(self, number: int, data: bytes) -> None:
        with self._lock:
            if number > self._written_number:  # a newer state may have been written first
                _replace(self.path, data)
                self._written_number = number


def _replace(path: Path, data: bytes) -> None:
    # A temporary file has mode 0600 from the start, since the state contains tokens.
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
    """Flush the folder, so that the new name survives a crash of the machine."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # folders cannot be opened on Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _PublishedEvents(TypedDict, total=False):
    until: str
    events: list[str]
    put_off: list[tuple[str, str, Literal["created", "ended"], str]]


class _ConnectedSite(TypedDict):
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


#: The types of `World.extra_state` by kind; values of other kinds are objects.
_KINDS: Final[dict[str, Any]] = {
    "accounts": dict[str, list[str]],
    "published_events": _PublishedEvents,
    "authorization_requests": dict[str, _AuthorizationRequest],
    "counters": dict[str, int],
    "changes": dict[str, list[tuple[str, ChangeKind, bool | int | str | None]]],
    "connected_sites": dict[str, list[_ConnectedSite]],
    "mail": dict[str, list[dict[str, str]]],
    "organisations": dict[str, str | None],
    "solar_capacities": dict[str, list[tuple[str, int]]],
    UNRELIABLE_DATA: dict[str, int | dict[str, float | bool | str | None]],
}


def verify_world(world: World) -> None:
    """Use the changes of a world as later requests will; raise if they are damaged."""
    for kind, stored in world.extra_state.items():
        msgspec.convert(stored, _KINDS.get(kind, dict[str, dict[str, Any]]), strict=True)
    read_instant(world.extra_state.get("published_events", {}).get("until", "2026-10-05T12:00:00Z"))
    for send_at, shown_at, *_ in world.extra_state.get("published_events", {}).get("put_off", []):
        read_instant(send_at)
        read_instant(shown_at)
    verify_unreliable_data(world)
    for request in world.extra_state.get("authorization_requests", {}).values():
        read_instant(request["expires_at"])
    _verify_charging(world)
    serializer = Serializer(world, "", Viewer())
    for table in world.tables.values():
        for row in table.modified_rows():
            serialized = serializer.row(table.view_for(row, Viewer()), ExpandTree())
            json.dumps(serialized, allow_nan=False)
            table.owner_id(row)


def _verify_charging(world: World) -> None:
    now, fleet = world.now, world.fleet
    sites = [*fleet.changed_sites()]
    connected_sites = world.extra_state.get("connected_sites", {}).get("sites", [])
    sites += [fleet.site(CONNECTED_GROUP, rank) for rank in range(len(connected_sites))]
    for site in sites:
        for change in fleet.changes(site):
            _check_change(change.kind, change.value)
        world.charging.state(site, now)
        for _ in world.charging.episodes(site, now=now):
            break


def _check_change(kind: ChangeKind, value: object) -> None:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if (kind in {"limit", "battery"} and not is_integer) or (
        kind == "smart" and not isinstance(value, bool)
    ):
        raise ValueError(f"{kind} was set to {value!r}")
