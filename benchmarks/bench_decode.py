"""Decode pages of 100 items to models, compared with orjson and json, which make dictionaries."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import data
import peers
from harness import Row, Settings, Target, ratio, rounds


def rows(settings: Settings) -> Iterator[Row]:
    peers.need("orjson")
    logging.getLogger("ev_energy").setLevel(logging.CRITICAL)  # pages deviate on purpose
    peer_decoders = _peer_decoders() if settings.peers else {}
    for name, (model, body) in data.pages().items():
        deviates = "," in name
        peer = None if deviates else peer_decoders.get(model)
        target = None if deviates else Target(3.0)
        yield from _page(name, body, _decoder(model), peer, settings, target)
    model, body = data.pages()["sub-sessions"]
    decode = _decoder(model, links=False)  # as after a request without expand
    yield from _page("sub-sessions, no link in them", body, decode, None, settings, Target(3.0))
    if settings.peers and (reason := peers.skip_reason()):
        yield Row(f"{peers.GENERATOR}", None, note=f"skipped: {reason}")


def _page(
    name: str,
    body: bytes,
    decode: Callable[[bytes], Any],
    peer: Callable[[bytes], Any] | None,
    settings: Settings,
    target: Target | None,
) -> Iterator[Row]:
    import orjson

    repeat = 5 if len(body) > 100_000 else 20

    def case(read: Callable[[bytes], Any]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(repeat):
                read(body)

        return run

    cases = {"orjson": case(orjson.loads), "json": case(json.loads), "ours": case(decode)}
    if peer is not None:
        cases["peer"] = case(peer)
    samples = rounds(cases, settings.rounds(15))
    over_json = ratio(samples, "ours", "json")
    yield ratio(samples, "ours", "orjson").row(
        f"100 {name}", target, f"over json.loads {over_json.median:.2f}"
    )
    if peer is not None:
        yield ratio(samples, "peer", "orjson").row(f"{peers.GENERATOR}: 100 {name}", note="peer")


def _decoder(model: str, *, links: bool = True) -> Callable[[bytes], Any]:
    from ev_energy import models
    from ev_energy._codec.decode import decode
    from ev_energy._codec.drift import Reporter

    into, report = getattr(models, model), Reporter()
    return lambda body: decode(body, into, report, as_list=True, expanded=links)


def _peer_decoders() -> dict[str, Callable[[bytes], Any]]:
    if peers.generated() is None:
        return {}
    from generated_peer.models.charging_sub_session import ChargingSubSession
    from generated_peer.models.evse import EVSE
    from generated_peer.models.evse_command_log import EVSECommandLog

    # Its endpoints decode in the same way: they call httpx's response.json().
    return {
        "ChargingSubSession": lambda b: [ChargingSubSession.from_dict(i) for i in json.loads(b)],
        "EVSE": lambda body: [EVSE.from_dict(item) for item in json.loads(body)],
        "EVSECommandLog": lambda body: [EVSECommandLog.from_dict(i) for i in json.loads(body)],
    }
