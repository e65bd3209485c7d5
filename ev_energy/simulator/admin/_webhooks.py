"""Admin endpoints of webhooks: endpoints, deliveries and faults of deliveries."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.admin._endpoint import AdminEndpoint, bad_request
from ev_energy.simulator.clock._instants import write_instant
from ev_energy.simulator.http._problems import invalid, not_found

if TYPE_CHECKING:
    from ev_energy.simulator.admin._endpoint import AdminRequest
    from ev_energy.simulator.webhooks import Delivery, Endpoint


_COUNTED_FAULTS: Final = {
    "duplicate": "the number of next messages to deliver twice",
    "reorder": "the number of next messages to hold and then send in reverse order",
    "drop": "the number of next messages to drop",
    "corrupt_signature": "the number of next messages first sent with a wrong signature",
    "stale_timestamp": "the number of next messages first sent with a timestamp ten minutes old",
}


_PROBABILITIES: Final = {
    "drop": "the probability that a message is never sent; 0 if left out",
    "duplicate": "the probability that it is sent twice",
    "reorder": "the probability that it is sent after the next one",
    "delay": "the probability that it is late",
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


def _endpoints(request: AdminRequest) -> Any:
    return [_endpoint(endpoint) for endpoint in request.simulator.webhooks.endpoints]


def _add(request: AdminRequest) -> Any:
    client_id = request.get("application", str)
    if client_id is not None and client_id not in request.auth_server.applications:
        raise invalid({"application": [f"{client_id} does not exist."]})
    secret = request.get("secret", str)
    try:
        endpoint = request.simulator.webhooks.add(
            request.require("url", str),
            events=request.get("events", list[str]),
            secret=secret,
            application=client_id,
        )
    except ValueError as error:
        raise bad_request(error, "url", "secret") from None
    return _endpoint(endpoint)


def _remove(request: AdminRequest) -> None:
    try:
        request.simulator.webhooks.remove(request.params["endpoint_id"])
    except KeyError:
        raise not_found("No such endpoint exists.") from None


def _rotate(request: AdminRequest) -> Any:
    try:
        return _endpoint(request.simulator.webhooks.rotate_secret(request.params["endpoint_id"]))
    except KeyError:
        raise not_found("No such endpoint exists.") from None


def _deliveries(request: AdminRequest) -> Any:
    return [_delivery(delivery) for delivery in request.simulator.webhooks.deliveries]


def _replay(request: AdminRequest) -> None:
    message_id, endpoint_id = request.require("message_id", str), request.get("endpoint_id", str)
    try:
        request.simulator.webhooks.replay(message_id, endpoint_id)
    except KeyError as error:
        name = "message_id" if error.args[0] == message_id else "endpoint_id"
        raise invalid({name: [f"{error.args[0]} does not exist."]}) from None


def _add_delivery_faults(request: AdminRequest) -> None:
    webhooks = request.simulator.webhooks
    counts = {name: request.get(name, int) for name in _COUNTED_FAULTS if name in request.body}
    delay = request.get("delay_seconds", float)
    if wrong := [name for name, times in counts.items() if times is None or times < 0]:
        raise invalid({name: ["Must be a whole number, 0 or more."] for name in wrong})
    if delay is not None:
        try:
            webhooks.delay(timedelta(seconds=delay))
        except (ValueError, OverflowError) as error:
            raise invalid({"delay_seconds": [str(error)]}) from None
    for name, times in counts.items():
        getattr(webhooks, name)(times)


def _shown_misdelivery(request: AdminRequest) -> Any:
    misdelivery = request.simulator.webhooks.misdelivery
    shown: dict[str, Any] = {name: getattr(misdelivery, name) for name in _PROBABILITIES}
    return shown | {"max_delay_seconds": misdelivery.max_delay.total_seconds()}


def _misdeliver(request: AdminRequest) -> None:
    options: dict[str, Any] = {
        name: request.get(name, float) for name in _PROBABILITIES if name in request.body
    }
    if wrong := [name for name, probability in options.items() if probability is None]:
        raise invalid({name: ["Must be a probability from 0 to 1."] for name in wrong})
    max_delay = request.get("max_delay_seconds", float)
    try:
        if max_delay is not None:
            options["max_delay"] = timedelta(seconds=max_delay)
        request.simulator.webhooks.misdeliver(**options)
    except (ValueError, OverflowError) as error:
        name, _, reason = str(error).partition(": ")
        if name in _PROBABILITIES:
            raise invalid({name: [reason]}) from None
        raise invalid({"max_delay_seconds": [reason or str(error)]}) from None


WEBHOOKS: Final = (
    AdminEndpoint(
        method="GET",
        path="/webhooks/endpoints",
        about="The endpoints of webhooks, with their secrets.",
        handler=_endpoints,
    ),
    AdminEndpoint(
        method="POST",
        path="/webhooks/endpoints",
        about="Register an endpoint; it receives later events.",
        handler=_add,
        creates=True,
        body={
            "url": "the URL that events are posted to",
            "events": "a list of event types; all if left out",
            "secret": "whsec_ and 24 bytes as base64; generated if left out",
            "application": "the client id whose portal shows it; all portals do if left out",
        },
    ),
    AdminEndpoint(
        method="DELETE",
        path="/webhooks/endpoints/{endpoint_id}",
        about="Remove an endpoint with its pending messages.",
        handler=_remove,
    ),
    AdminEndpoint(
        method="POST",
        path="/webhooks/endpoints/{endpoint_id}/rotate_secret",
        about="Give an endpoint a new secret; the old one also signs for another day.",
        handler=_rotate,
    ),
    AdminEndpoint(
        method="GET",
        path="/webhooks/deliveries",
        about="The latest delivery attempts, the newest last.",
        handler=_deliveries,
    ),
    AdminEndpoint(
        method="POST",
        path="/webhooks/replay",
        about="Send a message again.",
        handler=_replay,
        body={
            "message_id": "the message",
            "endpoint_id": "the endpoint; all endpoints of the message if left out",
        },
    ),
    AdminEndpoint(
        method="POST",
        path="/webhooks/delivery_faults",
        about="Add faults to later deliveries. 0 cancels a fault.",
        handler=_add_delivery_faults,
        body={**_COUNTED_FAULTS, "delay_seconds": "the delay of all deliveries"},
    ),
    AdminEndpoint(
        method="GET",
        path="/webhooks/misdelivery",
        about="The probabilities of the faults that are drawn for each delivery.",
        handler=_shown_misdelivery,
    ),
    AdminEndpoint(
        method="POST",
        path="/webhooks/misdelivery",
        about="Draw faults for each later delivery, by the seed. An empty object ends that.",
        handler=_misdeliver,
        body={
            **_PROBABILITIES,
            "max_delay_seconds": "the longest delay of a late message; a day if left out",
        },
    ),
)
