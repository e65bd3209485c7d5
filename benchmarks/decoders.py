"""Decode a page of items, with the SDK and with other libraries."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from typing import Any

import peers
from harness import Settings

Decode = Callable[[bytes], Any]


def typed_peers(settings: Settings) -> list[str]:
    """Return the names of the other libraries here that decode to objects with types."""
    if not settings.peers:
        return []
    found = ["pydantic"] if peers.installed("pydantic") else []
    return [*found, peers.GENERATOR] if peers.generated() else found


def decoder(library: str, model: str, *, links: bool = True) -> Decode:
    """Return what decodes a page of the model of that name; *links*: whether they may be models."""
    if library == "orjson":
        import orjson

        return orjson.loads
    if library == "json":
        return json.loads
    if library == "pydantic":
        import pydantic_models

        return pydantic_models.page_of(model).validate_json
    if library == peers.GENERATOR:
        return _generated(model)
    return _ours(model, links=links)


def _ours(model: str, *, links: bool) -> Decode:
    from ev_energy import models
    from ev_energy._codec.decode import decode
    from ev_energy._codec.drift import Reporter

    into, report = getattr(models, model), Reporter()
    return lambda body: decode(body, into, report, as_list=True, expanded=links)


def _generated(model: str) -> Decode:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", model).lower()
    from_dict = getattr(importlib.import_module(f"{peers.PACKAGE}.models.{name}"), model).from_dict
    # Its endpoints decode in the same way: they call httpx's response.json().
    return lambda body: [from_dict(item) for item in json.loads(body)]
