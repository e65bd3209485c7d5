"""Replies with the deviations that examples of the description have, made up here."""

from __future__ import annotations

import json
from typing import Any

import pytest

import ev_energy.models
from ev_energy._codec.decode import decode
from ev_energy._codec.drift import Drift, DriftDetected, Reporter
from ev_energy.models._base import Model
from tests.helpers.spec.compare import same

MAKE = {"id": "make1", "url": "https://api.example/v2/makes/make1", "name": "Acme"}
MODEL = {"id": "model1", "url": "https://api.example/v2/models/model1", "name": "Roadrunner"}
TYPE = {"$ref": "https://api.example/schemas/rebate-type", "title": "A rebate"}

#: By name: the model, a reply, and each deviation of the reply with its place.
DEVIATIONS: dict[str, tuple[str, dict[str, Any], set[tuple[str, str]]]] = {
    "an EVSE and what it embeds lack URLs": (
        "EVSE",
        {
            "id": "evse1",
            "url": "https://api.example/v2/evses/evse1",
            "model": {"id": "model1", "name": "Roadrunner", "make": {"id": "make1", "name": "A"}},
        },
        {
            ("$.cpid", "missing member"),
            ("$.model.url", "missing member"),
            ("$.model.make.url", "missing member"),
        },
    ),
    "a make lacks its icon": ("InverterMake", MAKE, {("$.icon", "missing member")}),
    "the make that a model embeds lacks its icon": (
        "InverterModel",
        {**MODEL, "make": MAKE},
        {("$.make.icon", "missing member")},
    ),
    "the make of an embedded model lacks its icon": (
        "Inverter",
        {
            "id": "inverter1",
            "url": "https://api.example/v2/inverters/inverter1",
            "model": {**MODEL, "make": MAKE},
        },
        {("$.model.make.icon", "missing member")},
    ),
    "a reference that was not resolved": (
        "RebateType",
        TYPE,
        {("$.$ref", "unknown member")},
    ),
    "an embedded reference that was not resolved": (
        "UserRebate",
        {"id": "rebate1", "rebate_type": TYPE},
        {("$.rebate_type.$ref", "unknown member")},
    ),
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_reply_with_a_deviation_is_read_completely_and_reported(name: str) -> None:
    model, reply, deviations = DEVIATIONS[name]
    cls: type[Model] = getattr(ev_energy.models, model)
    drifts: list[Drift] = []
    found = decode(json.dumps(reply).encode(), cls, Reporter(drifts.append))
    assert {(drift.path, drift.kind.value) for drift in drifts} == deviations
    assert same(reply, found.to_dict())
    with pytest.raises(DriftDetected):
        decode(json.dumps(reply).encode(), cls, Reporter(strict=True))
