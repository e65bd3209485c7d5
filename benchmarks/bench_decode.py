"""Decode pages of 100 items to models, compared with orjson and json, which make dictionaries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import data
import peers
from decoders import Decode, decoder, typed_peers
from harness import Row, Settings, Target, ratio, rounds

#: The libraries that refuse a page with such a deviation.
_REFUSED_BY: Final = {
    "unlisted enum value in each": {peers.GENERATOR},
    "one bad item": {peers.GENERATOR, "pydantic"},
}


def rows(settings: Settings) -> Iterator[Row]:
    peers.need("orjson")
    logging.getLogger("ev_energy").setLevel(logging.CRITICAL)  # pages deviate on purpose
    for name, (model, body) in data.pages().items():
        deviation = name.partition(", ")[2]
        refused_by = _REFUSED_BY.get(deviation, ())
        others = [one for one in typed_peers(settings) if one not in refused_by]
        decoders = {one: decoder(one, model) for one in ("orjson", "json", "ours", *others)}
        target = None if deviation else Target(3.0)
        yield from _page(name, body, decoders, settings, target)
    model, body = data.pages()["sub-sessions"]
    decoders = {one: decoder(one, model, links=False) for one in ("orjson", "json", "ours")}
    # As after a request without expand.
    yield from _page("sub-sessions, no link in them", body, decoders, settings, Target(3.0))
    yield from peers.skipped(settings)


def _page(
    name: str,
    body: bytes,
    decoders: Mapping[str, Decode],
    settings: Settings,
    target: Target | None,
) -> Iterator[Row]:
    repeat = 1 if settings.quick else 5 if len(body) > 100_000 else 20

    def case(decode: Decode) -> Callable[[], None]:
        def run() -> None:
            for _ in range(repeat):
                decode(body)

        return run

    samples = rounds({n: case(decode) for n, decode in decoders.items()}, settings.rounds(15))
    for library in samples:
        over_orjson = ratio(samples, library, "orjson")
        if library == "ours":
            over_json = ratio(samples, library, "json").median
            yield over_orjson.row(f"100 {name}", target, f"over json.loads {over_json:.2f}")
        elif library not in {"orjson", "json"}:
            yield over_orjson.row(f"{library}: 100 {name}", note="peer")
