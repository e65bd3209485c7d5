"""Arguments of a wrong type are refused by name before anything is sent, in every operation."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

import ev_energy_sync
from ev_energy import AuthorizationCode, Client, ClientCredentials, Ref, StaticToken, errors, models
from ev_energy._operations import Operation
from ev_energy.auth import Token
from ev_energy.models import EVSE, GeoJsonPolygon, RegionGroupEntry, RoutePoint, User
from ev_energy.models._base import Model
from tests.helpers.names import assert_no_problems, assert_same_names
from tests.helpers.spec.calls import TABLE
from tests.helpers.support import SECRET, TOKEN

URL_OF_A_TICKET = "https://desk.example/tickets/42"
RING = ((-0.1, 51.0), (0.1, 51.0), (0.1, 51.2), (-0.1, 51.0))
SQUARE = GeoJsonPolygon(coordinates=(RING,))
HOME = RoutePoint(latitude=51.0, longitude=0.0, name="Home")
WHEN = datetime(2024, 1, 1, tzinfo=UTC)
LATER = datetime(2024, 1, 2, tzinfo=UTC)

#: Required arguments that are no plain text, by operation.
NEEDED: dict[str, object] = {
    "geometries": [SQUARE],
    "regions": [RegionGroupEntry(name="r", geometries=[SQUARE])],
    "origin": HOME,
    "destination": HOME,
    "arrive_with_min_percent": 10,
    "battery_size_watt_hours": 50_000,
    "start": WHEN,
    "end": LATER,
    "resolution": "PT30M",
    "start_time": WHEN,
    "end_time": LATER,
    "details": {"pin": "1"},
    "evidence_data": [models.EvidenceDataWrite(id=1, value="x")],
    "receiver_wallet": "BILL_CREDITS",
    "region": "EUROPE",
}
#: Arguments that require others.
TOGETHER: dict[str, dict[str, object]] = {
    "evse_waitlist.create": {"evse_model_id": "emod01"},
    "vehicle_waitlist.create": {"vehicle_model_id": "vmod01"},
    "evse_onboarding.get_json": {"make_id": "emak01"},
    "vehicle_onboarding.get_json": {"make_id": "vmak01"},
}
INSTEAD: dict[tuple[str, str], dict[str, object]] = {
    ("programs.list", "postal_code"): {"country_code": "GB"},
    ("users.update_payout_method", "receiver"): {"receiver_wallet": "PAYPAL"},
    **{
        (f"{kind}_waitlist.create", f"{kind}_{part}_name"): {
            f"{kind}_model_id": None,
            f"{kind}_make_name": "a",
            f"{kind}_model_name": "b",
        }
        for kind in ("evse", "vehicle")
        for part in ("make", "model")
    },
}


def parameters(operation: Operation) -> dict[str, inspect.Parameter]:
    method = getattr(getattr(Client, operation.family), operation.name)
    return {n: p for n, p in inspect.signature(method).parameters.items() if n != "self"}


def arguments(kind: Callable[[str], bool]) -> Iterator[tuple[Operation, str]]:
    """Yield each operation with its arguments whose annotation is of *kind*."""
    for operation in TABLE:
        for name, parameter in parameters(operation).items():
            if kind(str(parameter.annotation)):
                yield operation, name


def takes_text(annotation: str) -> bool:
    """Return whether an argument accepts text; arguments for ids do."""
    return bool(re.search(r"\bstr\b|\bId\[|\bKey\[", annotation)) and "Sequence" not in annotation


def takes_list(annotation: str) -> bool:
    return "Sequence[" in annotation or "tuple[" in annotation


def takes_free_text(annotation: str) -> bool:
    return takes_text(annotation) and not re.search(r"\bId\[|\bKey\[|Enum|Literal", annotation)


async def call(client: Any, operation: Operation, name: str, value: object) -> None:
    """Call *operation* with *value* as *name*, and with its other required arguments."""
    given: dict[str, Any] = dict(TOGETHER.get(operation.call, {}))
    for other, parameter in parameters(operation).items():
        if parameter.default is parameter.empty:
            given[other] = NEEDED.get(other, "text01")
    given |= INSTEAD.get((operation.call, name), {})
    given[name] = value
    ids = [given.pop(one) for one in operation.ids]
    answer = getattr(getattr(client, operation.family), operation.name)(*ids, **given)
    if hasattr(answer, "page"):
        answer = answer.page()
    await answer


async def nothing(_: web.Request) -> web.Response:
    return web.json_response({}, status=500)


def named(found: Iterator[tuple[Operation, str]]) -> Any:
    return pytest.mark.parametrize(
        ("operation", "name"), [pytest.param(o, n, id=f"{o.call}-{n}") for o, n in found]
    )


BYTES = [b"a@example.com", bytearray(b"a"), memoryview(b"a")]


@named(arguments(takes_text))
async def test_bytes_are_refused_for_a_text(serve, operation: Operation, name: str) -> None:
    server = await serve(nothing)
    async with server.client(retries=0) as client:
        for value in BYTES:
            with pytest.raises(TypeError, match=rf"\b{name}\b"):
                await call(client, operation, name, value)
    assert server.requests == []


@named(arguments(takes_list))
async def test_text_bytes_and_sets_are_refused_for_a_list(
    serve, operation: Operation, name: str
) -> None:
    server = await serve(nothing)
    async with server.client(retries=0) as client:
        for value in ("user", *BYTES, {"user"}, {"user": 1}, iter(["user"]), 5):
            with pytest.raises(TypeError, match=rf"\b{name} must be a list"):
                await call(client, operation, name, value)
    assert server.requests == []


@named(iter([(o, n) for o, n in arguments(takes_free_text) if n in o.query]))
async def test_list_is_refused_for_a_single_text_in_a_query(
    serve, operation: Operation, name: str
) -> None:
    server = await serve(nothing)
    async with server.client(retries=0) as client:
        with pytest.raises(TypeError, match=rf"\b{name}\b"):
            await call(client, operation, name, ["a", "b"])
    assert server.requests == []


FREE = [
    (operation, name)
    for operation, name in arguments(takes_free_text)
    if name.endswith("_id") and name not in operation.ids
]


def test_free_text_arguments_named_like_ids_are_listed() -> None:
    assert_same_names(
        {name for _, name in FREE},
        {"client_id", "external_ticket_id", "smartcar_user_id"},
        missing="no argument of this name is free text any more; take it out of this list",
        unexpected="annotate the argument with Id[Model]; if it is free text, add it to this list",
    )


@named(iter(FREE))
async def test_free_text_is_sent_unchanged_even_if_its_name_ends_in_id(
    serve, operation: Operation, name: str
) -> None:
    server = await serve(nothing)
    async with server.client(retries=0) as client:
        with pytest.raises(errors.EvEnergyError):
            await call(client, operation, name, URL_OF_A_TICKET)
    [seen] = server.requests
    assert dict(seen.query).get(name) == URL_OF_A_TICKET or f'"{URL_OF_A_TICKET}"' in str(seen.body)


IDS = list(arguments(lambda annotation: bool(re.search(r"\bId\[", annotation))))
KEYS = list(arguments(lambda annotation: "Key[" in annotation))


def model_of(operation: Operation, name: str) -> type[Model]:
    """Return the model whose id the argument *name* takes."""
    annotation = str(parameters(operation)[name].annotation)
    found = re.search(r"\b(?:Id|Key)\[(\w+)", annotation)
    assert found, annotation
    return getattr(models, found[1])


def resource(model: type[Model], id_: str) -> Model:
    return model.from_dict({"id": id_, "url": f"https://x/v2/things/{id_}/"})


@named(iter([(o, n) for o, n in IDS if n in o.query]))
async def test_id_in_a_query_is_accepted_in_every_form(
    serve, operation: Operation, name: str
) -> None:
    server = await serve(nothing)
    forms = [
        "some01",
        resource(model_of(operation, name), "some01"),
        "https://x/v2/things/some01/",
    ]
    async with server.client(retries=0) as client:
        for form in forms:
            with pytest.raises(errors.EvEnergyError):
                await call(client, operation, name, form)
    sent = [dict(seen.query)[name] for seen in server.requests]
    if (operation.call, name) == ("support_tickets.list", "user"):  # the API expects a URL
        given = "https://x/v2/things/some01/"
        assert sent == [f"{server.url}/users/some01", given, given]
    else:
        assert sent == ["some01"] * 3


@named(iter([(o, n) for o, n in IDS if n in (o.json or ())]))
async def test_id_in_a_body_is_sent_as_id_or_url_and_never_as_a_model(
    serve, operation: Operation, name: str
) -> None:
    server = await serve(nothing)
    model = resource(model_of(operation, name), "some01")
    async with server.client(retries=0) as client:
        value = [model] if name == "region_groups" else model
        with pytest.raises(errors.EvEnergyError):
            await call(client, operation, name, value)
    [seen] = server.requests
    sent = json.loads(seen.body)[name]
    assert (sent[0] if name == "region_groups" else sent).strip("/").endswith("some01")


URL_OF = {User: "https://x/v2/users/some01", EVSE: "https://x/v2/evses/some01"}


def others(model: type[Model]) -> dict[str, object]:
    """Return what is certainly no id of *model*, in every form, with the end of the message."""
    other = EVSE if model is User else User
    shown, url = ("an EVSE" if other is EVSE else "a User"), URL_OF[other]
    return {
        f", not {shown}": resource(other, "some01"),
        f", not a Ref to {shown}": Ref(url, other),
        f" is the URL of {shown}, not of a": url,
    }


async def test_id_of_another_kind_is_refused_in_every_operation() -> None:
    accepted: list[str] = []
    async with Client(TOKEN, base_url="http://127.0.0.1:9/v2", retries=0) as client:
        for operation, name in [*IDS, *KEYS]:
            for message, other in others(model_of(operation, name)).items():
                value = [other] if name == "region_groups" else other
                try:
                    await call(client, operation, name, value)
                except (TypeError, ValueError) as error:
                    if not str(error).startswith(name) or message not in str(error):
                        accepted.append(f"{operation.call}({name}=...): {error}")
                except errors.NotSentError:
                    accepted.append(f"{operation.call}({name}={other!r})")
    assert_no_problems(accepted, "These arguments take the id of any resource.")


async def test_datetime_is_refused_for_the_id_of_a_resource() -> None:
    accepted: list[str] = []
    async with Client(TOKEN, base_url="http://127.0.0.1:9/v2", retries=0) as client:
        for operation, name in IDS:
            value: Any = [WHEN] if name == "region_groups" else WHEN
            try:
                await call(client, operation, name, value)
            except TypeError as error:
                if not str(error).endswith("its URL or a Ref to it, not a datetime"):
                    accepted.append(f"{operation.call}({name}=...): {error}")
            except errors.NotSentError:
                accepted.append(f"{operation.call}({name}=...)")
    assert_no_problems(accepted, "These arguments take a datetime for an id.")


@named(iter([(o, n) for o, n in IDS if n not in o.ids]))
async def test_path_is_refused_for_an_id(serve, operation: Operation, name: str) -> None:
    server = await serve(nothing)
    async with server.client(retries=0) as client:
        value: Any = ["../users"] if name == "region_groups" else "../users"
        with pytest.raises(ValueError, match=rf"\b{name}=.* is not an id"):
            await call(client, operation, name, value)
    assert server.requests == []


CLIENT: dict[str, Callable[[Any], object]] = {
    "auth": Client,
    "token": StaticToken,
    "base_url": lambda value: Client(TOKEN, base_url=value),
    "api_version": lambda value: Client(TOKEN, api_version=value),
    "language": lambda value: Client(TOKEN, language=value),
    "headers: X-A": lambda value: Client(TOKEN, headers={"X-A": value}),
    "a name in headers": lambda value: Client(TOKEN, headers={bytes(value): "x"}),  # type: ignore[dict-item]  # wrong
    "user": lambda value: Client(TOKEN).acting_for(value),
    "client_id": lambda value: ClientCredentials(client_id=value, client_secret=SECRET),
    "client_secret": lambda value: ClientCredentials(client_id="a", client_secret=value),
    "scopes": lambda value: ClientCredentials(client_id="a", client_secret="b", scopes=value),
    "an item of scopes": lambda value: ClientCredentials(
        client_id="a", client_secret="b", scopes=[value]
    ),
    "token_url": lambda value: ClientCredentials(client_id="a", client_secret="b", token_url=value),
    "redirect_uri": lambda value: AuthorizationCode(client_id="a", redirect_uri=value),
    "account": lambda value: AuthorizationCode(
        client_id="a", redirect_uri="https://x/"
    ).for_account(value),
    "access_token": lambda value: Token(access_token=value),
}


@pytest.mark.parametrize(("name", "make"), CLIENT.items(), ids=CLIENT.keys())
def test_bytes_are_refused_in_the_settings_of_a_client(
    name: str, make: Callable[[Any], object]
) -> None:
    for value in BYTES:
        with pytest.raises(TypeError, match=rf"^{name} must be "):
            make(value)


@pytest.mark.parametrize("position", [b"\x01\x02", "ab", {1.0, 2.0}])
async def test_position_is_a_list_of_two_numbers(serve, position: Any) -> None:
    server = await serve(nothing)
    ring = (position, *RING[1:3], position)
    async with server.client() as client:
        with pytest.raises(ValueError, match=r"coordinates\[0\]\[0\] must be two numbers"):
            await client.regions.create(name="r", geometries=[GeoJsonPolygon(coordinates=(ring,))])
    assert server.requests == []


async def test_bytes_inside_a_value_are_refused_by_name(serve) -> None:
    server = await serve(nothing)
    async with server.client() as client:
        for location in (
            models.LocationWrite(
                address_1="a",
                city=bytearray(b"London"),
                postal_code="p",
                country_code="GB",
            ),  # type: ignore[arg-type]  # wrong
            models.LocationWrite(tariff=b"tari01"),  # type: ignore[arg-type]  # wrong
        ):
            with pytest.raises(TypeError, match=r"^(city|tariff) "):
                await client.users.create(default_location=location)
        with pytest.raises(TypeError, match="details must be a JSON object"):
            await client.programs.user_verification("p", details={"pin": b"1"})
    assert server.requests == []


def test_blocking_client_refuses_the_same(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/v2"
    with ev_energy_sync.Client(TOKEN, base_url=url) as client:
        with pytest.raises(TypeError, match="email is bytes, which cannot be sent"):
            client.users.create(email=b"a@example.com")  # type: ignore[arg-type]  # wrong
        with pytest.raises(TypeError, match="status__in must be a list"):
            client.support_tickets.list(status__in="OPEN").collect()
        with pytest.raises(TypeError, match="expand must be a list"):
            client.users.list(expand="user")  # type: ignore[arg-type]  # wrong
