"""Mistakes of new users, and the messages that they get before a request is spent.

Each row is a mistake with the whole message, word for word. A message says what is wrong, with
which value, and what to do; it never repeats a secret. Rows without `twins` apply to both clients.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import functools
import gc
import importlib
import inspect
import pickle
import traceback
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp
import attrs
import pytest
from aiohttp import web
from yarl import URL

import ev_energy
import ev_energy_sync
from ev_energy import AuthorizationCode, ClientCredentials, MemoryBudget, Ref, Response, RetryPolicy
from ev_energy._misuse import _CLASSES, UnlikeHttpClient
from ev_energy.auth import FileStore, Token
from ev_energy.errors import ClientClosedError, EvEnergyError, NotFoundError, TokenStoreError
from ev_energy.fastapi import EvEnergy, onboarding_router, sign_in_router, webhook_router
from ev_energy.models import EVSEStatusLog, LocationWrite, User, Vehicle, VehicleTrim
from ev_energy.webhooks import Webhook
from tests.helpers.support import SECRET, TOKEN

#: Nothing listens there, so that a request would fail with another error than the expected one.
NOWHERE: Final = "http://127.0.0.1:9/v2"

Twin = Literal["async", "blocking"]
BOTH: Final[tuple[Twin, ...]] = ("async", "blocking")
SDKS: Final[Mapping[Twin, Any]] = {"async": ev_energy, "blocking": ev_energy_sync}


@attrs.frozen
class Mistake:
    """What a user writes, given a client or its package, and the error that tells them."""

    name: str
    make: Callable[[Any], object]
    error: type[Exception]
    message: str
    twins: tuple[Twin, ...] = BOTH


def rows(mistakes: list[Mistake]) -> Any:
    """Parametrize a test with *mistakes*, each for its clients."""
    return pytest.mark.parametrize(
        ("mistake", "twin"),
        [
            pytest.param(mistake, twin, id=f"{mistake.name}-{twin}")
            for mistake in mistakes
            for twin in mistake.twins
        ],
    )


def setting(name: str, value: object, error: type[Exception], message: str) -> Mistake:
    """Return the mistake of the setting *name* with a wrong *value*."""
    kept = {"auth": TOKEN} if name != "auth" else {}
    return Mistake(
        f"{name}={value if isinstance(value, str | int | None) else type(value).__name__}",
        lambda sdk: sdk.Client(**kept, **{name: value}),
        error,
        message,
        ("async",) if name == "session" else BOTH,
    )


WANTS_AUTH: Final = "auth must be credentials or an access token, not "
PASS_AUTH: Final = (
    ": pass ClientCredentials(client_id=..., client_secret=...), AuthorizationCode(...) or a str"
)
WANTS_BUDGET: Final = (
    "budget must be a MemoryBudget(), an ev_energy.redis.RedisBudget(url) or None, not "
)
SERVERS: Final = "'live', 'mock', 'staging' or an absolute URL"

SETTINGS: Final = [
    setting(
        "auth", ClientCredentials, TypeError, f"{WANTS_AUTH}the class ClientCredentials{PASS_AUTH}"
    ),
    setting("auth", ("my-app", SECRET), TypeError, f"{WANTS_AUTH}a tuple{PASS_AUTH}"),
    setting("auth", {"client_secret": SECRET}, TypeError, f"{WANTS_AUTH}a dict{PASS_AUTH}"),
    setting(
        "auth",
        Token(access_token=TOKEN),
        TypeError,
        f"{WANTS_AUTH}a Token: pass its access_token",
    ),
    setting("auth", 5, TypeError, f"{WANTS_AUTH}an int{PASS_AUTH}"),
    setting(
        "auth",
        f"Bearer {TOKEN}",
        ValueError,
        "token must be the bare access token: ASCII text without spaces",
    ),
    setting(
        "auth",
        AuthorizationCode(client_id="my-app", redirect_uri="https://app.example/callback"),
        ValueError,
        "AuthorizationCode needs an account: pass auth.for_account('your name for the user')",
    ),
    setting("retries", "3", TypeError, "retries must be a whole number or a RetryPolicy, not '3'"),
    setting(
        "retries", True, TypeError, "retries must be a whole number or a RetryPolicy, not True"
    ),
    setting(
        "retries", None, TypeError, "retries must be a whole number or a RetryPolicy, not None"
    ),
    setting(
        "retries",
        RetryPolicy,
        TypeError,
        "retries must be a whole number or a RetryPolicy, not the class RetryPolicy",
    ),
    setting("retries", -1, ValueError, "retries must be 0 or more, not -1"),
    setting("timeout", "10", TypeError, "timeout must be a number of seconds, not a str"),
    setting("timeout", None, TypeError, "timeout must be a number of seconds, not None"),
    setting(
        "timeout",
        aiohttp.ClientTimeout(total=10),
        TypeError,
        "timeout must be a number of seconds, not a ClientTimeout",
    ),
    setting("timeout", 0, ValueError, "timeout must be more than 0 seconds, not 0"),
    setting("timeout", -1, ValueError, "timeout must be more than 0 seconds, not -1"),
    setting(
        "deadline",
        timedelta(minutes=2),
        TypeError,
        "deadline must be a number of seconds, not a timedelta",
    ),
    setting("deadline", None, TypeError, "deadline must be a number of seconds, not None"),
    setting("budget", MemoryBudget, TypeError, f"{WANTS_BUDGET}the class MemoryBudget"),
    setting("budget", 1000, TypeError, f"{WANTS_BUDGET}an int"),
    setting(
        "session", object(), TypeError, "session must be an aiohttp.ClientSession, not an object"
    ),
    setting(
        "session",
        aiohttp.ClientSession,
        TypeError,
        "session must be an aiohttp.ClientSession, not the class ClientSession",
    ),
    setting(
        "headers", [("X-Trace", "1")], TypeError, "headers must map names to values, not a list"
    ),
    setting("headers", {"X-Trace": 1}, TypeError, "headers: X-Trace must be a str, not an int"),
    setting(
        "headers",
        {"Authorization": f"Bearer {TOKEN}"},
        ValueError,
        "headers must not set Authorization: use auth= or acting_for()",
    ),
    setting("language", 5, TypeError, "language must be a str, not an int"),
    setting("max_pages", "3", TypeError, "max_pages must be a whole number, not '3'"),
    setting("max_pages", 0, ValueError, "max_pages must be 1 or more, not 0"),
    setting("max_body", 1.5, TypeError, "max_body must be a whole number, not 1.5"),
    setting("max_items", None, TypeError, "max_items must be a whole number, not None"),
    setting("priority", "low", ValueError, "priority must be 'interactive' or 'batch', not 'low'"),
    setting("base_url", None, TypeError, "base_url must be a str, not None"),
    setting(
        "base_url",
        "stagging",
        ValueError,
        f"base_url must be {SERVERS}, not 'stagging'; did you mean 'staging'?",
    ),
    setting(
        "base_url",
        "api.ev.energy/v2",
        ValueError,
        f"base_url must be {SERVERS}, not 'api.ev.energy/v2'",
    ),
    setting(
        "base_url",
        "https://api.ev.energy/",
        ValueError,
        "base_url https://api.ev.energy/ is not the root of the API on api.ev.energy: pass "
        "https://api.ev.energy/v2",
    ),
    setting(
        "base_url",
        "https://developers.ev.energy",
        ValueError,
        "base_url https://developers.ev.energy is not the root of the API on developers.ev.energy: "
        "pass https://developers.ev.energy/_mock/ev.energy-api-v2",
    ),
    setting(
        "base_url",
        "https://www.ev.energy/v1",
        ValueError,
        "base_url https://www.ev.energy/v1 is not the root of the API on www.ev.energy: pass "
        "https://api.ev.energy/v2",
    ),
    setting(
        "base_url",
        "http://gateway.example/v2",
        ValueError,
        "base_url http://gateway.example/v2 would send the token unencrypted: use https, or pass "
        "allow_insecure=True",
    ),
]


@rows(SETTINGS)
def test_wrong_setting_is_refused(mistake: Mistake, twin: Twin) -> None:
    with pytest.raises(mistake.error) as raised:
        mistake.make(SDKS[twin])
    assert str(raised.value) == mistake.message


async def not_awaited(client: Any) -> None:
    """Forget the inner ``await``."""
    evse = client.evses.get("evse01")
    try:
        await client.evses.get(evse)
    finally:
        evse.close()


async def async_with(manager: Any) -> None:
    async with manager:
        pass


def plain_with(manager: Any) -> None:
    with manager:
        pass


USER: Final = User.from_dict({"id": "user01", "url": "https://api.ev.energy/v2/users/user01"})
ENTRY: Final = EVSEStatusLog.from_dict(
    {
        "url": "https://api.ev.energy/v2/evses/evse01/status_logs/2026-01-01T00:00:00Z",
        "evse": "https://api.ev.energy/v2/evses/evse01",
    }
)
LINK: Final = Ref("https://api.ev.energy/v2/vehicles/vhcl01", Vehicle)
WANTS_EVSE: Final = "evse_id must be an EVSE, its id, its URL or a Ref to it, not "

IDS: Final = [
    Mistake("model", lambda c: c.evses.get(USER), TypeError, f"{WANTS_EVSE}a User"),
    Mistake("ref", lambda c: c.evses.get(LINK), TypeError, f"{WANTS_EVSE}a Ref to a Vehicle"),
    Mistake(
        "entry",
        lambda c: c.evses.get(ENTRY),
        TypeError,
        f"{WANTS_EVSE}an EVSEStatusLog: pass its .evse",
    ),
    Mistake("none", lambda c: c.evses.get(None), TypeError, f"{WANTS_EVSE}None"),
    Mistake("number", lambda c: c.evses.get(7), TypeError, f"{WANTS_EVSE}an int"),
    Mistake("dict", lambda c: c.evses.get({"id": "evse01"}), TypeError, f"{WANTS_EVSE}a dict"),
    Mistake("listing", lambda c: c.evses.get(c.evses.list()), TypeError, f"{WANTS_EVSE}a Pager"),
    Mistake(
        "coroutine", not_awaited, TypeError, f"{WANTS_EVSE}a coroutine: await it first", ("async",)
    ),
    Mistake(
        "url",
        lambda c: c.evses.get(f"{c.base_url}/users/user01"),
        ValueError,
        f"evse_id='{NOWHERE}/users/user01' is the URL of a User, not of an EVSE",
    ),
    Mistake(
        "url-of-an-entry",
        lambda c: c.evses.get(f"{c.base_url}/evses/evse01/status_logs/2026-01-01T00:00:00Z"),
        ValueError,
        f"evse_id='{NOWHERE}/evses/evse01/status_logs/2026-01-01T00:00:00Z' is the URL of an "
        "EVSEStatusLog, not of an EVSE",
    ),
    Mistake(
        "url-of-a-list",
        lambda c: c.evses.get(f"{c.base_url}/evses/"),
        ValueError,
        f"evse_id='{NOWHERE}/evses/' is the URL of a list, not of an EVSE",
    ),
    Mistake(
        "path",
        lambda c: c.evses.get("evses/evse01"),
        ValueError,
        "evse_id='evses/evse01' is not an id: pass the bare id (such as the .id of a model), a "
        "Ref, a model, or the resource's whole URL",
    ),
    Mistake(
        "entry-of-another-log",
        lambda c: c.evses.command_log("evse01", ENTRY),
        TypeError,
        "logged_at must be an EVSECommandLog, its timestamp, its URL or a Ref to it, not an "
        "EVSEStatusLog",
    ),
    Mistake(
        "query",
        lambda c: c.charging_sub_sessions.list(vehicle_id=USER),
        TypeError,
        "vehicle_id must be a Vehicle, its id, its URL or a Ref to it, not a User",
    ),
    Mistake(
        "body",
        lambda c: c.vehicles.create(model=LINK),
        TypeError,
        "model must be a VehicleModel, its id, its URL or a Ref to it, not a Ref to a Vehicle",
    ),
    Mistake(
        "member-of-a-body",
        lambda c: c.users.update("user01", default_location=LocationWrite(tariff=USER)),
        TypeError,
        "tariff must be a Tariff, its id, its URL or a Ref to it, not a User",
    ),
    Mistake(
        "acting_for",
        lambda c: c.acting_for(LINK),
        TypeError,
        "user must be a User, its id, its URL or a Ref to it, not a Ref to a Vehicle",
    ),
    Mistake(
        "acting_for-url",
        lambda c: c.acting_for(LINK.url),
        ValueError,
        "user='https://api.ev.energy/v2/vehicles/vhcl01' is the URL of a Vehicle, not of a User",
    ),
]

# Deeper than the JSON encoder of any Python version goes: that of 3.13 goes deeper than others.
DEEP: Final[dict[str, Any]] = functools.reduce(lambda inner, _: {"a": inner}, range(100_000), {})

CALLS: Final = [
    Mistake(
        "with_options-retries",
        lambda client: client.with_options(retries="3"),
        TypeError,
        "retries must be a whole number or a RetryPolicy, not '3'",
    ),
    Mistake(
        "with_options-timeout",
        lambda client: client.with_options(timeout=None),
        TypeError,
        "timeout must be a number of seconds, not None",
    ),
    Mistake(
        "with_auth",
        lambda client: client.with_auth(("my-app", SECRET)),
        TypeError,
        f"{WANTS_AUTH}a tuple{PASS_AUTH}",
    ),
    Mistake(
        "unset-in-a-filter",
        lambda client: client.support_tickets.list(status__in=["Open", ev_energy.UNSET]),
        TypeError,
        "an item of status__in is UNSET, which cannot be sent in a query",
    ),
    Mistake(
        "unset-in-a-list",
        lambda client: client.vehicles.update_connectors("vhcl01", adaptors=[ev_energy.UNSET]),
        TypeError,
        "an item of adaptors is UNSET, which cannot be sent as JSON",
    ),
    Mistake(
        "half-of-a-pair-in-a-filter",
        lambda client: client.users.list(email="\ud83d"),
        ValueError,
        "email contains '\\ud83d', half of a surrogate pair, which cannot be sent",
    ),
    Mistake(
        "half-of-a-pair-in-a-body",
        lambda client: client.users.create(email="a\udd0b"),
        ValueError,
        "email contains '\\udd0b', half of a surrogate pair, which cannot be sent",
    ),
    Mistake(
        "deep-details",
        lambda client: client.programs.user_verification("prog01", details=DEEP),
        ValueError,
        "details nests too deeply, or contains itself",
    ),
]

NOT_OPENED: Final = "a listing is not opened or closed: iterate over it"
NO_INDEX: Final = "a listing has no index: use first(), or collect(limit=...)"
ASYNC_LISTING: Final = (
    "a listing is asynchronous: use `async for`, or `await listing.collect()` for a list"
)
NO_COPY: Final = (
    "a client has connections and cannot be copied or pickled: share it among threads and tasks, "
    "and make one in each process"
)

NO_PICKLE: Final = (
    "a listing cannot be copied or pickled: make it again elsewhere, and resume it there at the "
    "cursor of a page"
)
NO_LIST: Final = "a page is not a list: use its .items"
PAGE: Final[Any] = ev_energy.Page(
    items=[USER], url=URL(NOWHERE), response=Response(200, "OK", {}, b"")
)

LISTINGS: Final = [
    Mistake(
        "for", lambda c: {evse.id for evse in c.evses.list()}, TypeError, ASYNC_LISTING, ("async",)
    ),
    Mistake("list", lambda c: list(c.evses.list()), TypeError, ASYNC_LISTING, ("async",)),
    Mistake(
        "await",
        lambda c: c.evses.list(),
        TypeError,
        "a listing is not awaited: use `async for`, `await listing.collect()` for a list, or "
        "`await listing.page()` for one page",
        ("async",),
    ),
    Mistake(
        "len",
        lambda c: len(c.evses.list()),
        TypeError,
        "a listing has no length, since the API does not count items: count those of collect()",
    ),
    Mistake("index", lambda c: c.evses.list()[0], TypeError, NO_INDEX),
    Mistake("slice", lambda c: c.evses.status_logs("evse01")[:10], TypeError, NO_INDEX),
    Mistake(
        "bool",
        lambda c: c.evses.list() or [],
        TypeError,
        "only a request tells whether a listing has items: compare first() with None",
    ),
    Mistake("async-with", lambda c: async_with(c.evses.list()), TypeError, NOT_OPENED),
    Mistake("with", lambda c: plain_with(c.evses.list()), TypeError, NOT_OPENED),
    Mistake("pickle-listing", lambda c: pickle.dumps(c.evses.list()), TypeError, NO_PICKLE),
    Mistake("copy-listing", lambda c: copy.copy(c.evses.list()), TypeError, NO_PICKLE),
    Mistake("page-index", lambda _: PAGE[0], TypeError, NO_LIST),
    Mistake("page-for", lambda _: [*PAGE], TypeError, NO_LIST),
    Mistake("page-in", lambda _: USER in PAGE, TypeError, NO_LIST),
    Mistake(
        "data",
        lambda c: c.evses.list().data,
        AttributeError,
        "'Pager' object has no attribute 'data'; use 'collect'",
    ),
    Mistake(
        "limit",
        lambda c: c.evses.list().collect(limit="10"),
        TypeError,
        "limit must be a whole number, not '10'",
    ),
    Mistake(
        "page_size",
        lambda c: c.evses.list(page_size=500),
        ValueError,
        "page_size must be 1 to 100, not 500",
    ),
    Mistake(
        "page_size-text",
        lambda c: c.evses.list(page_size="50"),
        TypeError,
        "page_size must be a whole number, not '50'",
    ),
    Mistake(
        "expand-text",
        lambda c: c.evses.list(expand="model"),
        TypeError,
        "expand must be a list: expand=['model']",
    ),
    Mistake(
        "expand-typo",
        lambda c: c.evses.list(expand=["modle"]),
        ValueError,
        "expand: 'modle' is not one of user, model, model.make, latest_status_log, ct_clamp; did "
        "you mean 'model'?",
    ),
    Mistake(
        "choice",
        lambda c: c.evses.ocpp_logs("evse01", direction="SEND"),
        ValueError,
        "direction must be one of 'SENT', 'RECEIVED', not 'SEND'; did you mean 'SENT'?",
    ),
]

ADVICE: Final = "pass a datetime with a time zone, such as datetime(2026, 1, 31, tzinfo=UTC)"

NOT_DATETIME: Final = "sampled_at__gte must be a datetime, not"


def since(value: Any) -> Callable[[Any], object]:
    return lambda client: client.evses.status_logs("evse01", sampled_at__gte=value)


TIMES: Final = [
    Mistake(
        "day",
        since("2026-01-31"),
        ValueError,
        f"sampled_at__gte='2026-01-31' is not a time with a time zone: {ADVICE}",
    ),
    Mistake(
        "no-zone",
        since("2026-01-31T12:00:00"),
        ValueError,
        f"sampled_at__gte='2026-01-31T12:00:00' is not a time with a time zone: {ADVICE}",
    ),
    Mistake(
        "word",
        since("yesterday"),
        ValueError,
        f"sampled_at__gte='yesterday' is not a time with a time zone: {ADVICE}",
    ),
    Mistake(
        "date",
        since(date(2026, 1, 31)),
        TypeError,
        f"{NOT_DATETIME} a date: {ADVICE}",
    ),
    Mistake(
        "timestamp",
        since(1_767_225_600),
        TypeError,
        f"{NOT_DATETIME} an int: {ADVICE}",
    ),
    Mistake(
        "naive",
        since(datetime(2026, 1, 31)),
        ValueError,
        "sampled_at__gte is a naive datetime: set its time zone, for example with "
        ".replace(tzinfo=datetime.UTC)",
    ),
    Mistake(
        "key-without-zone",
        lambda c: c.vehicles.status_log("vhcl01", "2026-01-01T10:00:00"),
        ValueError,
        f"sampled_at='2026-01-01T10:00:00' is not a time with a time zone: {ADVICE}",
    ),
    Mistake(
        "key-of-a-day",
        lambda c: c.evses.command_log("evse01", "2026-01-01"),
        ValueError,
        f"logged_at='2026-01-01' is not a time with a time zone: {ADVICE}",
    ),
    Mistake(
        "body",
        lambda c: c.notifications.update("notf01", read_at="2026-01-31"),
        ValueError,
        f"read_at='2026-01-31' is not a time with a time zone: {ADVICE}",
    ),
]

NAMES: Final = [
    Mistake(
        "family",
        lambda c: c.vehicle,
        AttributeError,
        "'Client' object has no attribute 'vehicle'; did you mean 'vehicles'?",
    ),
    *(
        Mistake(
            word,
            lambda c, word=word: getattr(c, word),
            AttributeError,
            f"'Client' object has no attribute {word!r}; use {family!r}",
        )
        for word, family in {
            "chargers": "evses",
            "charge_points": "evses",
            "charging_stations": "evses",
            "cars": "vehicles",
            "sessions": "charging_sessions",
            "batteries": "home_batteries",
            "drivers": "users",
        }.items()
    ),
    Mistake(
        "no-family",
        lambda c: c.zebras,
        AttributeError,
        "'Client' object has no attribute 'zebras'",
    ),
    Mistake(
        "verb",
        lambda c: c.get("/evses"),
        AttributeError,
        "'Client' object has no attribute 'get'; use 'request'",
    ),
    Mistake(
        "aclose",
        lambda c: c.aclose(),
        AttributeError,
        "'Client' object has no attribute 'aclose'; use 'close'",
    ),
    Mistake(
        "retrieve",
        lambda c: c.evses.retrieve("evse01"),
        AttributeError,
        "'Evses' object has no attribute 'retrieve'; use 'get'",
    ),
    Mistake(
        "method",
        lambda c: c.evses.status_log_list,
        AttributeError,
        "'Evses' object has no attribute 'status_log_list'; did you mean 'status_logs'?",
    ),
    Mistake(
        "call",
        lambda c: c.evses(),
        TypeError,
        "'Evses' object cannot be called: call one of its methods, such as list()",
    ),
    Mistake(
        "index",
        lambda c: c.vehicles["vhcl01"],
        TypeError,
        "'Vehicles' object has no index: call one of its methods, such as get()",
    ),
    Mistake(
        "index-of-a-family-without-get",
        lambda c: c.vehicle_compatibility["TESLA"],
        TypeError,
        "'VehicleCompatibility' object has no index: call one of its methods, such as check()",
    ),
    Mistake(
        "iterate",
        lambda c: list(c.vehicles),
        TypeError,
        "'Vehicles' object cannot be iterated: call one of its methods, such as list()",
    ),
    Mistake(
        "async-iterate",
        lambda c: aiter(c.vehicles),
        TypeError,
        "'Vehicles' object cannot be iterated: call one of its methods, such as list()",
    ),
]

CLIENTS: Final = [
    Mistake("copy", copy.copy, TypeError, NO_COPY),
    Mistake("deepcopy", copy.deepcopy, TypeError, NO_COPY),
    Mistake("pickle", pickle.dumps, TypeError, NO_COPY),
    Mistake("pickle-view", lambda c: pickle.dumps(c.acting_for("user01")), TypeError, NO_COPY),
    Mistake("pickle-family", lambda c: pickle.dumps(c.evses), TypeError, NO_COPY),
    Mistake("deepcopy-family", lambda c: copy.deepcopy(c.evses), TypeError, NO_COPY),
    Mistake(
        "with",
        plain_with,
        TypeError,
        "open this client with `async with`, or use ev_energy_sync.Client, whose calls block",
        ("async",),
    ),
    Mistake(
        "async-with",
        async_with,
        TypeError,
        "open this client with `with`, or use ev_energy.Client, whose calls are awaited",
        ("blocking",),
    ),
    Mistake(
        "reserve",
        lambda c: async_with(c.reserve("300")),
        TypeError,
        "count must be a whole number, not '300'",
        ("async",),
    ),
    Mistake(
        "reserve",
        lambda c: plain_with(c.reserve("300")),
        TypeError,
        "count must be a whole number, not '300'",
        ("blocking",),
    ),
    Mistake(
        "preload",
        lambda c: c.preload("evse"),
        ValueError,
        "there is no family 'evse': pass names of the client's attributes, such as 'evses'",
    ),
    Mistake(
        "fetch",
        lambda c: c.fetch("evse01"),
        TypeError,
        "ref must be a Ref, such as a field of a model, not a str; to get a resource by its id or "
        "URL, call the method get() of its family",
    ),
]


@rows([*IDS, *CALLS, *LISTINGS, *TIMES, *NAMES, *CLIENTS])
async def test_mistake_is_refused_before_a_request(mistake: Mistake, twin: Twin) -> None:
    client = SDKS[twin].Client(TOKEN, base_url=NOWHERE)
    try:
        with pytest.raises(mistake.error) as raised:
            result = mistake.make(client)
            if inspect.isawaitable(result):
                await result
        assert not isinstance(raised.value, EvEnergyError)
        assert str(raised.value) == mistake.message
    finally:
        closed = client.close()
        if closed is not None:
            await closed


async def test_closed_session_is_refused() -> None:
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(
        ValueError, match=r"^session is closed: pass an open aiohttp.ClientSession$"
    ):
        ev_energy.Client(TOKEN, session=session)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.ev.energy/v2/",
        "https://developers.ev.energy/_mock/another-project",
        "https://api-eu.ev.energy/v2",
        "https://notev.energy/v1",
        "https://gateway.example/",
        "https://gateway.example/ev-energy",
        "http://127.0.0.1:8000",
    ],
)
def test_base_url_of_a_gateway_may_have_any_path(base_url: str) -> None:
    assert str(ev_energy.Client(base_url=base_url).base_url) == base_url.rstrip("/")


@pytest.mark.parametrize("twin", BOTH)
@pytest.mark.parametrize(
    ("path", "body", "shown"),
    [
        ("", b"404: Not Found", "not a problem document: '404: Not Found'; "),
        ("/v1", b"", ""),
        ("/v2", b'{"title": "Not Found"}', None),
    ],
)
async def test_reply_of_a_wrong_base_url_says_what_to_check(
    path: str, body: bytes, shown: str | None, twin: Twin, serve: Any
) -> None:
    async def not_found(_: web.Request) -> web.Response:
        return web.Response(status=404, body=body)

    server = await serve(not_found)
    client = SDKS[twin].Client(TOKEN, base_url=f"{server.origin}{path}")
    with pytest.raises(NotFoundError) as raised:
        if twin == "async":
            await client.evses.get("evse01")
        else:
            await asyncio.to_thread(client.evses.get, "evse01")
    hint = (
        f" — {shown}is base_url the root of the API on {server.origin}, as in "
        "https://api.ev.energy/v2?"
    )
    closed = client.close()
    if closed is not None:
        await closed
    expected = f"GET {path}/evses/evse01: 404 Not Found{'' if shown is None else hint}"
    assert str(raised.value) == expected


def test_blocking_listing_does_not_look_asynchronous() -> None:
    with ev_energy_sync.Client(TOKEN, base_url=NOWHERE) as client:
        listing = client.evses.list()
        assert not isinstance(listing, AsyncIterable | Awaitable)
        assert isinstance(listing, Iterable)


APP: Final = AuthorizationCode(client_id="my-app", redirect_uri="https://app.example/callback")
STARTED: Final = APP.start_authorization(NOWHERE)
WANTS_REQUEST: Final = (
    "request must be the AuthorizationRequest that start_authorization() returned, not "
)

SIGN_INS: Final = [
    Mistake("none", lambda c: c.sign_in(None, "/?code=1"), TypeError, f"{WANTS_REQUEST}None"),
    Mistake(
        "url", lambda c: c.sign_in(STARTED.url, "/?code=1"), TypeError, f"{WANTS_REQUEST}a str"
    ),
    Mistake(
        "dict",
        lambda c: c.sign_in(STARTED.to_dict(), "/?code=1"),
        TypeError,
        f"{WANTS_REQUEST}a dict: restore a saved one with AuthorizationRequest.from_dict()",
    ),
    Mistake(
        "no-callback",
        lambda c: c.sign_in(STARTED, None),
        TypeError,
        "callback must be a URL as text, not None",
    ),
]


@rows(SIGN_INS)
async def test_mistake_in_signing_in_is_refused(mistake: Mistake, twin: Twin) -> None:
    client = SDKS[twin].Client(APP.for_account("ada"), base_url=NOWHERE)
    try:
        with pytest.raises(mistake.error) as raised:
            await mistake.make(client)  # type: ignore[misc]  # of the blocking client, it raises
        assert str(raised.value) == mistake.message
    finally:
        closed = client.close()
        if closed is not None:
            await closed


KEY: Final = base64.b64encode(bytes(24)).decode()
WEBHOOK: Final = Webhook(f"whsec_{KEY}")
PARSED: Final[Any] = {"type": "charging_sub_session.ended"}
BODY: Final = "body must be the body of the request, not "
FROM_DICT: Final = (
    ": for one that was parsed already, use UnknownEvent.from_dict() or the from_dict() of its "
    "event"
)


def wrong(
    name: str, make: Callable[[Any], object], error: type[Exception], message: str
) -> Mistake:
    return Mistake(name, make, error, message)


ENTRY_POINTS: Final = [
    wrong(
        "read-dict", lambda sdk: sdk.webhooks.read(PARSED), TypeError, f"{BODY}a dict{FROM_DICT}"
    ),
    wrong("read-none", lambda sdk: sdk.webhooks.read(None), TypeError, f"{BODY}None{FROM_DICT}"),
    wrong(
        "secret",
        lambda sdk: sdk.webhooks.Webhook(None),
        TypeError,
        "secrets: expected a str or bytes, got NoneType",
    ),
    wrong(
        "secret-of-an-api",
        lambda sdk: sdk.webhooks.Webhook(SECRET),
        ValueError,
        "secrets: a signing secret is whsec_ and Base64, as the webhook portal shows it",
    ),
    wrong(
        "tolerance",
        lambda sdk: sdk.webhooks.Webhook(f"whsec_{KEY}", tolerance=300),
        TypeError,
        "tolerance must be a timedelta, not an int: timedelta(seconds=300)",
    ),
    wrong(
        "lease",
        lambda sdk: sdk.webhooks.Inbox(lease=30),
        TypeError,
        "lease must be a timedelta, not an int: timedelta(seconds=30)",
    ),
    wrong(
        "inbox",
        lambda sdk: sdk.webhooks.Inbox(5),
        TypeError,
        "store must be an inbox store, such as ev_energy.redis.RedisInboxStore(url), not an int",
    ),
    wrong(
        "receiver",
        lambda sdk: sdk.webhooks.WebhookReceiver("whsec_", None, None),
        TypeError,
        "expected ev_energy.webhooks.Webhook, got str",
    ),
    wrong(
        "file", lambda _: FileStore(None), TypeError, "path must be a str or a Path, not NoneType"
    ),  # type: ignore[arg-type]
    wrong(
        "store",
        lambda _: ClientCredentials(client_id="a", client_secret=SECRET, store="tokens.json"),  # type: ignore[arg-type]
        TypeError,
        "store must be a token store, such as ev_energy.auth.FileStore(path), not a str",
    ),
    wrong(
        "no-secret",
        lambda _: ClientCredentials(client_id="a"),
        ValueError,
        "client_secret is missing: pass client_secret=... with the secret of the application, or "
        "with a function that returns it",
    ),
]


@rows(ENTRY_POINTS)
def test_wrong_argument_of_a_constructor_is_refused(mistake: Mistake, twin: Twin) -> None:
    with pytest.raises(mistake.error) as raised:
        mistake.make(SDKS[twin])
    assert str(raised.value) == mistake.message


EV: Final = EvEnergy(ClientCredentials(client_id="a", client_secret=SECRET), sign_in=APP)
WANTS_SIGN_INS: Final = (
    "store must be a store of sign-ins, such as ev_energy.redis.RedisSignInStore(url), not "
)
FASTAPI: Final[list[tuple[Callable[..., object], dict[str, Any], str]]] = [
    (EvEnergy, {"auth": ClientCredentials}, f"{WANTS_AUTH}the class ClientCredentials{PASS_AUTH}"),
    (EvEnergy, {"retries": "3"}, "retries must be a whole number or a RetryPolicy, not '3'"),
    (EvEnergy, {"account": "ada"}, "account must be a function, not a str"),
    (EvEnergy, {"sign_in": None, "account": 5}, "account must be a function, not an int"),
    (sign_in_router, {"ev": APP}, "ev must be an EvEnergy, not an AuthorizationCode"),
    (sign_in_router, {"ev": EvEnergy}, "ev must be an EvEnergy, not the class EvEnergy"),
    (
        sign_in_router,
        {"ev": EV, "timeout": 20},
        "timeout must be a timedelta, not an int: timedelta(seconds=20)",
    ),
    (sign_in_router, {"ev": EV, "store": "redis://localhost"}, f"{WANTS_SIGN_INS}a str"),
    (onboarding_router, {"ev": None}, "ev must be an EvEnergy, not None"),
    (onboarding_router, {"ev": EV, "wait": "10"}, "wait must be a timedelta, not a str"),
    (onboarding_router, {"ev": EV, "store": FileStore}, f"{WANTS_SIGN_INS}the class FileStore"),
    (
        onboarding_router,
        {"ev": EV, "max_requests": "3"},
        "max_requests must be a whole number, not '3'",
    ),
    (webhook_router, {"receiver": f"whsec_{KEY}"}, "receiver must be a WebhookReceiver, not a str"),
    (
        webhook_router,
        {"receiver": WEBHOOK, "queue": 5},
        "queue must be an EventQueue or a coroutine function, not an int",
    ),
    (
        webhook_router,
        {"receiver": WEBHOOK, "queue": print, "timeout": 12},
        "timeout must be a timedelta, not an int: timedelta(seconds=12)",
    ),
]


@pytest.mark.parametrize(
    ("make", "arguments", "message"), FASTAPI, ids=lambda value: getattr(value, "__name__", "")
)
def test_wrong_argument_of_the_fastapi_kit_is_refused(
    make: Callable[..., object], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as raised:
        make(**arguments)
    assert str(raised.value) == message


async def test_token_store_names_the_folder_that_is_missing(tmp_path: Path) -> None:
    token = Token(access_token=TOKEN)
    path = tmp_path / "missing" / "too" / "tokens.json"
    with pytest.raises(TokenStoreError) as raised:
        await FileStore(path).save("key", token)
    assert str(raised.value) == (
        f"cannot lock {path}: the folder {path.parent} does not exist: create it"
    )
    with pytest.raises(TokenStoreError) as raised:
        await FileStore(tmp_path).save("key", token)
    assert str(raised.value) == f"{tmp_path} is a folder: pass the path of a file"
    (tmp_path / "file").touch()
    with pytest.raises(TokenStoreError) as raised:
        await FileStore(tmp_path / "file" / "tokens.json").save("key", token)
    assert str(raised.value) == (
        f"cannot lock {tmp_path}/file/tokens.json: {tmp_path}/file is a file, and no folder"
    )


@pytest.mark.parametrize("twin", BOTH)
async def test_closed_client_says_where_to_call_it(twin: Twin) -> None:
    client = SDKS[twin].Client(TOKEN, base_url=NOWHERE)
    closed = client.close()
    if closed is not None:
        await closed
    with pytest.raises(ClientClosedError) as raised:
        evse = client.evses.get("evse01")
        if inspect.isawaitable(evse):
            await evse
    assert str(raised.value) == (
        "this client is closed: create a new one, or call it inside its `with` or `async with` "
        "block"
    )


TRIM_URL: Final = "https://api.ev.energy/v2/vehicle_trims/trim01"
NOT_EXPANDED: Final = (
    "'Ref' object has no attribute 'name', but its VehicleTrim has, which the reply does not "
    "contain: pass expand=[...] and read .value.name, or get it with client.fetch(ref)"
)


@pytest.mark.parametrize(
    ("trim", "name", "message"),
    [
        (
            TRIM_URL,
            "name",
            NOT_EXPANDED,
        ),
        (
            {"id": "trim01", "url": TRIM_URL},
            "name",
            "'Ref' object has no attribute 'name', but its VehicleTrim has: read .value.name",
        ),
        (TRIM_URL, "color", "'Ref' object has no attribute 'color'"),
        (TRIM_URL, "_private", "'Ref' object has no attribute '_private'"),
    ],
)
def test_field_behind_a_link_is_not_read_from_the_link(trim: Any, name: str, message: str) -> None:
    vehicle = Vehicle.from_dict({"id": "vhcl01", "trim": trim})
    assert vehicle.trim is not None
    with pytest.raises(AttributeError) as raised:
        getattr(vehicle.trim, name)
    assert str(raised.value) == message


def test_link_can_be_copied_pickled_and_asked_for_attributes() -> None:
    link = Ref(TRIM_URL, VehicleTrim)
    for copied in (copy.copy(link), copy.deepcopy(link), pickle.loads(pickle.dumps(link))):
        assert copied == link
    assert not hasattr(link, "name")
    assert getattr(link, "name", None) is None
    assert not hasattr(Ref.__new__(Ref), "name")  # while it is unpickled


def test_mistaken_name_is_suggested_once_in_a_traceback() -> None:
    try:
        ev_energy.Client().vehicle  # type: ignore[attr-defined]  # noqa: B018
    except AttributeError as error:
        shown = "".join(traceback.format_exception(error))
    assert shown.count("did you mean") + shown.count("Did you mean") == 1


@pytest.mark.parametrize("package", [ev_energy, ev_energy_sync])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("AsyncClient", "; use 'ev_energy.Client'"),
        ("SyncClient", "; use 'ev_energy_sync.Client'"),
        ("Vehicle", "; use 'ev_energy.models.Vehicle'"),
        ("NotFoundError", "; use 'ev_energy.errors.NotFoundError'"),
        ("FileStore", "; use 'ev_energy.auth.FileStore'"),
        ("WebhookReceiver", "; use '{package}.webhooks.WebhookReceiver'"),
        ("Cleint", "; did you mean 'Client'?"),
        ("Zebra", ""),
        ("zebra", ""),
    ],
)
def test_class_of_another_module_is_suggested(package: Any, name: str, hint: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(package, name)
    said = hint.format(package=package.__name__)
    assert str(raised.value) == f"module {package.__name__!r} has no attribute {name!r}{said}"
    shown = "".join(traceback.format_exception(raised.value)).lower()
    assert shown.splitlines()[-1].count("did you mean") == said.count("did you mean")


PASS_CREDENTIALS: Final = (
    "pass auth=ClientCredentials(client_id=..., client_secret=...), or use Client.from_env(), "
    "which reads both from the environment"
)


@pytest.mark.parametrize("twin", BOTH)
@pytest.mark.parametrize("make", ["Client", "from_env"])
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("client_id", PASS_CREDENTIALS),
        ("client_secret", PASS_CREDENTIALS),
        ("token", "pass the access token as auth"),
        ("access_token", "pass the access token as auth"),
        ("api_key", "pass the access token as auth"),
    ],
)
def test_credentials_as_arguments_of_a_client_are_explained(
    name: str, advice: str, make: str, twin: Twin
) -> None:
    cls = SDKS[twin].Client
    with pytest.raises(TypeError) as raised:
        if make == "Client":
            cls(TOKEN, **{name: SECRET})
        else:
            cls.from_env({"EV_ENERGY_TOKEN": TOKEN}, **{name: SECRET})
    assert str(raised.value) == f"Client has no argument {name!r}: {advice}"
    assert_hidden(raised.value)


@pytest.mark.parametrize("twin", BOTH)
def test_other_unknown_arguments_of_a_client_are_named(twin: Twin) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'retires'") as raised:
        SDKS[twin].Client(TOKEN, retires=3)
    assert_hidden(raised.value)


def assert_hidden(error: BaseException) -> None:
    """Check that no frame of the package shows a secret among its local variables."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack[1:]
    assert frames
    for frame in frames:
        assert TOKEN not in str(frame.locals)
        assert SECRET not in str(frame.locals)


def test_classes_that_are_suggested_exist() -> None:
    for path in _CLASSES.values():
        module, _, name = path.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), name), type), path


def test_words_for_families_name_families() -> None:
    for sdk in SDKS.values():
        for word, name in UnlikeHttpClient._other_names.items():
            assert hasattr(sdk.Client, name), word
            assert not hasattr(sdk.Client, word), word


def test_names_of_other_sdks_are_suggested_where_the_name_exists() -> None:
    client = ev_energy.Client()
    with pytest.raises(AttributeError, match=r"^'Root' object has no attribute 'all'$"):
        client.root.all  # type: ignore[attr-defined]  # noqa: B018


def test_page_has_items_instead_of_data() -> None:
    page = ev_energy.Page(items=[], url=URL(NOWHERE), response=Response(200, "OK", {}, b""))
    with pytest.raises(AttributeError, match="no attribute 'data'; use 'items'$"):
        page.data  # type: ignore[attr-defined]  # noqa: B018


def test_client_that_was_not_made_is_collected_without_an_error() -> None:
    for sdk in SDKS.values():
        with pytest.raises(TypeError):
            sdk.Client(TOKEN, max_body="1")
    gc.collect()  # an error in a destructor fails the test
