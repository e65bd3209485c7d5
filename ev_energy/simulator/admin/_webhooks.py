"""Webhooks, from outside: endpoints, what was delivered, and what is to be spoilt on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.admin._endpoint import Door, refused
from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.http._problems import invalid, not_found

if TYPE_CHECKING:
    from ev_energy.simulator.admin._endpoint import Ask
    from ev_energy.simulator.webhooks import Delivery, Endpoint


_NEXT: Final = {
    "duplicate": "how many of the next messages are to be delivered twice",
    "reorder": "how many of the next messages are to be held, then sent in reverse",
    "drop": "how many of the next messages are never to be sent",
    "corrupt_signature": "how many of the next messages are first to be signed with a wrong key",
    "stale_timestamp": "how many of the next messages are first to be dated ten minutes back",
}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": None if endpoint.events is None else list(endpoint.events),
        "secret": endpoint.secret,
        "application": endpoint.application,
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "message_id": delivery.message_id,
        "event_type": delivery.event_type,
        "endpoint_id": delivery.endpoint_id,
        "attempt": delivery.attempt,
        "at": write_instant(delivery.at),
        "status": delivery.status,
        "error": delivery.error,
        "outcome": str(delivery.outcome),
    }


def _endpoints(ask: Ask) -> Any:
    return [_endpoint(endpoint) for endpoint in ask.simulator.webhooks.endpoints]


def _add(ask: Ask) -> Any:
    client_id = ask.get("application", str)
    if client_id is not None and client_id not in ask.auth_server.applications:
        raise invalid({"application": [f"There is no {client_id}"]})
    secret = ask.get("secret", str)
    try:
        endpoint = ask.simulator.webhooks.add(
            ask.need("url", str),
            events=ask.get("events", list[str]),
            secret=secret,
            application=client_id,
        )
    except ValueError as error:
        raise refused(error, "url", "secret") from None
    return _endpoint(endpoint)


def _remove(ask: Ask) -> None:
    try:
        ask.simulator.webhooks.remove(ask.params["endpoint_id"])
    except KeyError:
        raise not_found("No such endpoint") from None


def _rotate(ask: Ask) -> Any:
    try:
        return _endpoint(ask.simulator.webhooks.rotate_secret(ask.params["endpoint_id"]))
    except KeyError:
        raise not_found("No such endpoint") from None


def _deliveries(ask: Ask) -> Any:
    return [_delivery(delivery) for delivery in ask.simulator.webhooks.deliveries]


def _replay(ask: Ask) -> None:
    message_id, endpoint_id = ask.need("message_id", str), ask.get("endpoint_id", str)
    try:
        ask.simulator.webhooks.replay(message_id, endpoint_id)
    except KeyError as error:
        name = "message_id" if error.args[0] == message_id else "endpoint_id"
        raise invalid({name: [f"There is no {error.args[0]}"]}) from None


def _spoil(ask: Ask) -> None:
    webhooks = ask.simulator.webhooks
    orders = {name: ask.get(name, int) for name in _NEXT if name in ask.body}
    delay = ask.get("delay_seconds", float)
    if wrong := [name for name, times in orders.items() if times is None or times < 0]:
        raise invalid({name: ["A whole number from 0 up."] for name in wrong})
    if delay is not None:
        try:
            webhooks.delay(timedelta(seconds=delay))
        except (ValueError, OverflowError) as error:
            raise invalid({"delay_seconds": [str(error)]}) from None
    for name, times in orders.items():
        getattr(webhooks, name)(times)


WEBHOOKS: Final = (
    Door(
        method="GET",
        path="/webhooks/endpoints",
        about="The endpoints of webhooks, with their secrets.",
        answer=_endpoints,
    ),
    Door(
        method="POST",
        path="/webhooks/endpoints",
        about="Register an endpoint; it gets what happens from now on.",
        answer=_add,
        made=True,
        takes={
            "url": "where events are posted to",
            "events": "a list of types of event; all if left out",
            "secret": "whsec_ and 24 bytes as base64; made up if left out",
            "application": "the client id whose portal shows it; everybody's if left out",
        },
    ),
    Door(
        method="DELETE",
        path="/webhooks/endpoints/{endpoint_id}",
        about="Forget an endpoint, and what was to be sent to it.",
        answer=_remove,
    ),
    Door(
        method="POST",
        path="/webhooks/endpoints/{endpoint_id}/rotate_secret",
        about="Give an endpoint a new secret; the old one signs as well for another day.",
        answer=_rotate,
    ),
    Door(
        method="GET",
        path="/webhooks/deliveries",
        about="The attempts made lately, the newest last.",
        answer=_deliveries,
    ),
    Door(
        method="POST",
        path="/webhooks/replay",
        about="Send a message once more.",
        answer=_replay,
        takes={
            "message_id": "which one",
            "endpoint_id": "where to; everywhere it belongs if left out",
        },
    ),
    Door(
        method="POST",
        path="/webhooks/mischief",
        about="Spoil what is sent from now on. 0 takes an order back.",
        answer=_spoil,
        takes={**_NEXT, "delay_seconds": "how much later than they happened all are to be sent"},
    ),
)
