"""The command ``contract``: descriptions with one deliberate change each."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from ev_energy import __version__
from ev_energy.__main__ import main
from ev_energy._contract.facts import facts
from ev_energy.cli import contract
from ev_energy.cli._exit import ExitCode
from tests.helpers.names import assert_same_names
from tests.helpers.spec.openapi import described

BASE = json.dumps(described(facts()))
Document = dict[str, Any]
Edit = Callable[[Document], Any]


class Printed(NamedTuple):
    """The end of a command."""

    status: int
    out: str
    err: str


Compare = Callable[..., Printed]


@pytest.fixture
def compare(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Compare:
    """Run the command over the base description with a change, or over a text."""

    def run(description: Edit | str, *words: str) -> Printed:
        path = tmp_path / "description.json"
        if not isinstance(description, str):
            document = json.loads(BASE)
            description(document)
            description = json.dumps(document)
        path.write_text(description)
        status = main(["contract", str(path), *words])
        return Printed(status, *capsys.readouterr())

    return run


def operation(document: Document, key: str) -> Document:
    method, _, path = key.partition(" ")
    found: Document = document["paths"][path][method.lower()]
    return found


def schema(document: Document, name: str) -> Document:
    found: Document = document["components"]["schemas"][name]
    return found


def field(document: Document, path: str) -> Document:
    """Return a field of a schema: ``EVSE/cpid``."""
    name, _, member = path.partition("/")
    found: Document = schema(document, name)["properties"][member]
    return found


def parameter(document: Document, name: str) -> Document:
    found: Document = document["components"]["parameters"][name]
    return found


def body(document: Document, key: str) -> Document:
    content: Document = operation(document, key)["requestBody"]["content"]["application/json"]
    found: Document = content["schema"]
    return found


def reply(document: Document, key: str, status: str = "200") -> Document:
    found: Document = operation(document, key)["responses"][status]
    return found


def flows(document: Document) -> Document:
    found: Document = document["components"]["securitySchemes"]["oauth2"]["flows"]
    return found


def vehicle_class_first(**keywords: Any) -> Edit:
    """Return the edit that puts keywords before a field that is sent, in an ``allOf``."""
    return lambda d: schema(d, "VehicleWrite")[FIELDS].update(
        vehicle_class={"allOf": [keywords, field(d, "VehicleWrite/vehicle_class")]}
    )


def vehicle_first(**keywords: Any) -> Edit:
    """Return the edit that puts keywords before those of a body, in an ``allOf``."""
    return lambda d: d["components"]["schemas"].update(
        VehicleWrite={"allOf": [keywords, schema(d, "VehicleWrite")]}
    )


CODE_FLOW = "authorization oauth2 > flow authorizationCode"
KEY = {"type": "apiKey", "in": "header", "name": "Key"}
INLINE = {"name": "email", "in": "query", "schema": {"type": "string"}}
PATCH = "PATCH /vehicles/{vehicle_id}"
RESET = "POST /auth/password_reset"
FIELDS = "properties"

WAITLIST_PROBLEMS = [
    f"!POST /evse_waitlist > problem {slug}: removed"
    for slug in facts()["operations"]["POST /evse_waitlist"]["problems"]
]

#: The edits, and the ids of the changes that each makes; ``!`` marks those that break programs.
CASES: dict[str, tuple[Edit, list[str]]] = {
    # Operations
    "operation removed": (
        lambda d: d["paths"]["/evses"].pop("get"),
        ["!GET /evses: removed"],
    ),
    "operation added": (
        lambda d: d["paths"].update({"/news": {"get": operation(d, "GET /evses")}}),
        ["GET /news: added"],
    ),
    "operation of a method that the API lacks": (
        lambda d: d["paths"]["/evses"].update(head=operation(d, "GET /evses")),
        ["HEAD /evses: added"],
    ),
    "operation deprecated": (
        lambda d: operation(d, "GET /evses").update(deprecated=True),
        ["GET /evses > deprecated: added"],
    ),
    "operationId changed": (
        lambda d: operation(d, "GET /evses").update(operationId="list-evses"),
        ['GET /evses > operationId: changed from "get-evses" to "list-evses"'],
    ),
    "unknown keyword of an operation": (
        lambda d: operation(d, "GET /evses").update(callbacks={}),
        ["!GET /evses > callbacks: added"],
    ),
    "limit of anonymous calls lowered": (
        lambda d: operation(d, "GET /evse_makes").update(
            description="It is rate limited to 1 requests per hour per IP."
        ),
        ["!GET /evse_makes > anonymous limit: changed from 50 to 1"],
    ),
    # Authorization
    "scope needed": (
        lambda d: operation(d, "GET /evses")["security"][0]["oauth2"].append("user:read"),
        ["!GET /evses > scope user:read: added"],
    ),
    "scope not needed any more": (
        lambda d: operation(d, "GET /evses")["security"][0]["oauth2"].clear(),
        ["GET /evses > scope evse:read: removed"],
    ),
    "public operation needs a token": (
        lambda d: operation(d, "GET /").update(security=[{"oauth2": []}]),
        ["!GET / > public: removed"],
    ),
    "operation becomes public": (
        lambda d: operation(d, "GET /timezones").update(security=[]),
        ["GET /timezones > public: added"],
    ),
    "flow removed": (
        lambda d: flows(d).pop("authorizationCode"),
        ["!API > authorization oauth2 > flow authorizationCode: removed"],
    ),
    "flow replaced by another": (
        lambda d: flows(d)["authorizationCode"].update(
            scopes=flows(d).pop("clientCredentials")["scopes"]
        ),
        [
            *(
                f"API > authorization oauth2 > flow authorizationCode > scope {scope}: added"
                for scope in facts()["scopes"]
            ),
            "!API > authorization oauth2 > flow clientCredentials: removed",
        ],
    ),
    "flow added": (
        lambda d: flows(d).update(implicit={"authorizationUrl": "https://x.example"}),
        ["API > authorization oauth2 > flow implicit: added"],
    ),
    "URL of a flow changed": (
        lambda d: flows(d)["authorizationCode"].update(authorizationUrl="https://x.example"),
        [
            (
                f"!API > {CODE_FLOW} > authorizationUrl: changed from "
                '"https://api.ev.energy/o/authorize/" to "https://x.example"'
            )
        ],
    ),
    "scope of a flow moved to another flow": (
        lambda d: flows(d)["authorizationCode"]["scopes"].update(
            {"evse:read": flows(d)["clientCredentials"]["scopes"].pop("evse:read")}
        ),
        [
            "API > authorization oauth2 > flow authorizationCode > scope evse:read: added",
            "!API > authorization oauth2 > flow clientCredentials > scope evse:read: removed",
        ],
    ),
    "scope of the API removed": (
        lambda d: flows(d)["clientCredentials"]["scopes"].pop("debug:read"),
        ["!API > scope debug:read: removed"],
    ),
    "type of authorization changed": (
        lambda d: d["components"]["securitySchemes"]["oauth2"].update(type="http"),
        ['!API > authorization oauth2 > type: changed from "oauth2" to "http"'],
    ),
    "operation authorized in another way": (
        lambda d: operation(d, "GET /evses").update(security=[{"key": []}]),
        ["GET /evses > scope evse:read: removed", "!GET /evses > security: added"],
    ),
    "operation needs a key beside the token": (
        lambda d: (
            d["components"]["securitySchemes"].update(key=KEY),
            operation(d, "GET /evses")["security"][0].update(key=[]),
        ),
        ["API > authorization key: added", "!GET /evses > security: added"],
    ),
    # Parameters
    "optional parameter added": (
        lambda d: operation(d, "GET /timezones")["parameters"].append(INLINE),
        ["GET /timezones > query email: added"],
    ),
    "required parameter added": (
        lambda d: operation(d, "GET /timezones")["parameters"].append({**INLINE, "required": True}),
        ["!GET /timezones > query email: added"],
    ),
    "parameter removed": (
        lambda d: operation(d, "GET /timezones")["parameters"].pop(),
        ["!GET /timezones > query page_size: removed"],
    ),
    "parameter becomes required": (
        lambda d: parameter(d, "page_size").update(required=True),
        ["!parameter page_size > required: added"],
    ),
    "parameter becomes optional": (
        lambda d: parameter(d, "vehicle_id").pop("required"),
        ["parameter vehicle_id > required: removed"],
    ),
    "parameter renamed": (
        lambda d: parameter(d, "page_size").update(name="limit"),
        ['!parameter page_size > name: changed from "page_size" to "limit"'],
    ),
    "type of a parameter changed": (
        lambda d: parameter(d, "page_size")["schema"].update(type="string"),
        [
            "!parameter page_size > type integer: removed",
            "parameter page_size > type string: added",
        ],
    ),
    "type of a parameter widened": (
        lambda d: parameter(d, "page_size")["schema"].update(type="number"),
        ["parameter page_size > type number: added"],
    ),
    "default changed": (
        lambda d: parameter(d, "page_size")["schema"].update(default=7),
        ["!parameter page_size > default: changed from 25 to 7"],
    ),
    "limit lowered": (
        lambda d: parameter(d, "page_size")["schema"].update(maximum=7),
        ["!parameter page_size > maximum: changed from 100 to 7"],
    ),
    "limit raised": (
        lambda d: parameter(d, "page_size")["schema"].update(maximum=1000),
        ["parameter page_size > maximum: changed from 100 to 1000"],
    ),
    "limit removed": (
        lambda d: parameter(d, "page_size")["schema"].pop("minimum"),
        ["parameter page_size > minimum: removed"],
    ),
    "pattern changed": (
        lambda d: parameter(d, "previous")["schema"].update(pattern="x"),
        [
            '!parameter previous > pattern: changed from "[a-z]{4}[A-Z\\\\d]{26}" to "x"',
        ],
    ),
    "value of an enum added": (
        lambda d: parameter(d, "expand-on-evsemodel")["schema"]["items"]["enum"].append("x"),
        ["parameter expand-on-evsemodel > each item > value x: added"],
    ),
    "value of an enum removed": (
        lambda d: parameter(d, "expand-on-vehicletrim")["schema"]["items"]["enum"].pop(),
        ["!parameter expand-on-vehicletrim > each item > value model.make: removed"],
    ),
    "lists written in another way": (
        lambda d: parameter(d, "expand-on-evse").pop("explode"),
        ["!parameter expand-on-evse > explode: removed"],
    ),
    "header needed by applications": (
        lambda d: parameter(d, "version-2").update(description="An application requires it."),
        ["!parameter version-2 > required_of_applications: added"],
    ),
    "unknown keyword of a parameter": (
        lambda d: parameter(d, "page_size").update(style="form"),
        ["!parameter page_size > style: added"],
    ),
    # Bodies
    "body becomes optional": (
        lambda d: operation(d, RESET)["requestBody"].pop("required"),
        [f"{RESET} > body > required: removed"],
    ),
    "body becomes required": (
        lambda d: operation(d, PATCH)["requestBody"].update(required=True),
        [f"!{PATCH} > body > required: added"],
    ),
    "body removed": (
        lambda d: operation(d, PATCH).pop("requestBody"),
        [f"!{PATCH} > body: removed"],
    ),
    "media type of a body added": (
        lambda d: operation(d, PATCH)["requestBody"]["content"].update({"text/csv": {}}),
        [f"{PATCH} > body > media type text/csv: added"],
    ),
    "field of a body newly required": (
        lambda d: body(d, PATCH).update(required=["vehicle_class"]),
        [f"!{PATCH} > body > field vehicle_class > required: added"],
    ),
    "optional field of a body added": (
        lambda d: body(d, PATCH)[FIELDS].update(colour={"type": "string"}),
        [f"{PATCH} > body > field colour: added"],
    ),
    "required field of a body added": (
        lambda d: (
            schema(d, "PasswordResetRequest")[FIELDS].update(captcha={"type": "string"}),
            schema(d, "PasswordResetRequest")["required"].append("captcha"),
        ),
        ["!schema PasswordResetRequest > field captcha: added"],
    ),
    "field of a body removed": (
        lambda d: body(d, PATCH)[FIELDS].pop("vehicle_class"),
        [f"!{PATCH} > body > field vehicle_class: removed"],
    ),
    "field of a body not nullable any more": (
        lambda d: body(d, PATCH)[FIELDS]["vehicle_class"].update(type="string"),
        [f"!{PATCH} > body > field vehicle_class > nullable: removed"],
    ),
    "field of a body not null by its values": (
        lambda d: field(d, "VehicleWrite/vehicle_class")["enum"].remove(None),
        ["!schema VehicleWrite > field vehicle_class > nullable: removed"],
    ),
    "values without a type lose null": (
        lambda d: (
            field(d, "VehicleWrite/vehicle_class").pop("type"),
            field(d, "VehicleWrite/vehicle_class")["enum"].remove(None),
        ),
        [
            "!schema VehicleWrite > field vehicle_class > nullable: removed",
            "schema VehicleWrite > field vehicle_class > type: removed",
        ],
    ),
    # What is false or empty
    "unevaluated fields refused": (
        lambda d: schema(d, "VehicleWrite").update(unevaluatedProperties=False),
        ["!schema VehicleWrite > unevaluatedProperties: added"],
    ),
    "only false allowed": (
        lambda d: field(d, "SavedRouteCreate/favourite").update(const=False),
        ["!schema SavedRouteCreate > field favourite > const: added"],
    ),
    "empty unknown keyword": (
        lambda d: operation(d, "GET /evses").update(callbacks=[]),
        ["!GET /evses > callbacks: added"],
    ),
    "no value allowed": (
        lambda d: field(d, "VehicleWrite/description").update(enum=[]),
        ["!schema VehicleWrite > field description > enum: added"],
    ),
    "keywords that say nothing if false": (
        lambda d: (
            field(d, "VehicleWrite/description").update(readOnly=False, uniqueItems=False),
            parameter(d, "page_size").update(required=False, deprecated=False),
            schema(d, "VehicleWrite").update(minProperties=1),
        ),
        ["!schema VehicleWrite > minProperties: added"],
    ),
    "required in the wrong place": (
        lambda d: field(d, "VehicleWrite/description").update(required=True),
        ["!schema VehicleWrite > field description > required: added"],
    ),
    # Parts that a value must fit together
    "tighter limit in the first part": (
        lambda d: schema(d, "VehicleWrite")[FIELDS].update(
            description={"allOf": [{"maxLength": 50}, field(d, "VehicleWrite/description")]}
        ),
        ["!schema VehicleWrite > field description > maxLength: changed from 200 to 50"],
    ),
    "looser limit in the first part": (
        lambda d: schema(d, "VehicleWrite")[FIELDS].update(
            description={"allOf": [{"maxLength": 500}, field(d, "VehicleWrite/description")]}
        ),
        ["schema VehicleWrite > field description > notation"],
    ),
    "fewer values in the first part": (
        vehicle_class_first(enum=["PASSENGER", None]),
        ["!schema VehicleWrite > field vehicle_class > value COMMERCIAL: removed"],
    ),
    "fewer types in the first part": (
        vehicle_class_first(type="string"),
        ["!schema VehicleWrite > field vehicle_class > nullable: removed"],
    ),
    "another type in the first part": (
        vehicle_class_first(type="integer"),
        [
            "!schema VehicleWrite > field vehicle_class > not: added",
            "!schema VehicleWrite > field vehicle_class > nullable: removed",
            (
                "schema VehicleWrite > field vehicle_class > type: "
                'changed from ["string", "null"] to []'
            ),
        ],
    ),
    "one value in the first part": (
        vehicle_class_first(const="PASSENGER"),
        ["!schema VehicleWrite > field vehicle_class > const: added"],
    ),
    "tighter field in the first part": (
        vehicle_first(properties={"description": {"maxLength": 5}}),
        ["!schema VehicleWrite > field description > maxLength: changed from 200 to 5"],
    ),
    "tighter field beside a reference": (
        lambda d: operation(d, "POST /vehicles")["requestBody"]["content"].update(
            {
                "application/json": {
                    "schema": {
                        "$ref": "#/components/schemas/VehicleWrite",
                        "properties": {"description": {"maxLength": 5}},
                    }
                }
            }
        ),
        ["!POST /vehicles > body > field description > maxLength: changed from 200 to 5"],
    ),
    "other alternatives in another part": (
        lambda d: schema(d, "EVSE")[FIELDS].update(
            user={
                "allOf": [field(d, "EVSE/user"), {"anyOf": [{"format": "uri"}, {"minLength": 3}]}]
            }
        ),
        ["!schema EVSE > field user > further forms: added"],
    ),
    # Replies
    "error status added": (
        lambda d: operation(d, "GET /evses")["responses"].update({"423": {"description": ""}}),
        ["GET /evses > reply 423: added"],
    ),
    "success status added": (
        lambda d: operation(d, "GET /evses")["responses"].update({"202": {"description": ""}}),
        ["!GET /evses > reply 202: added"],
    ),
    "status removed": (
        lambda d: operation(d, "GET /evses")["responses"].pop("403"),
        ["!GET /evses > reply 403: removed"],
    ),
    "schema of a reply changed": (
        lambda d: reply(d, "GET /evses")["content"]["application/json"].update(
            schema={"type": "object"}
        ),
        [
            "!GET /evses > reply 200 > type object: added",
            "!GET /evses > reply 200 > each item: removed",
            "GET /evses > reply 200 > type array: removed",
        ],
    ),
    "header of a reply added": (
        lambda d: reply(d, "GET /evses")["headers"].update(ETag={"schema": {"type": "string"}}),
        ["GET /evses > reply 200 > header ETag: added"],
    ),
    "header of a reply removed": (
        lambda d: reply(d, "GET /evses")["headers"].pop("Link"),
        ["!GET /evses > reply 200 > header Link: removed"],
    ),
    "case of a header changed": (
        lambda d: reply(d, "GET /evses")["headers"].update(
            link=reply(d, "GET /evses")["headers"].pop("Link")
        ),
        ["GET /evses > reply 200 > notation"],
    ),
    "type of a header changed": (
        lambda d: d["components"]["headers"]["retry-after"]["schema"].update(type="string"),
        [
            "!header retry-after > type string: added",
            "header retry-after > type integer: removed",
            "header retry-after > type number: removed",
        ],
    ),
    "type of problem added and removed": (
        lambda d: operation(d, "POST /evse_waitlist").update(
            description="It may answer `not-today`."
        ),
        [
            *WAITLIST_PROBLEMS,
            "POST /evse_waitlist > problem not-today: added",
        ],
    ),
    # Fields of replies
    "field added": (
        lambda d: schema(d, "EVSE")[FIELDS].update(colour={"type": "string"}),
        ["schema EVSE > field colour: added"],
    ),
    "field removed": (
        lambda d: schema(d, "EVSE")[FIELDS].pop("cpid"),
        ["!schema EVSE > field cpid: removed"],
    ),
    "field retyped": (
        lambda d: field(d, "EVSE/cpid").update(type="integer"),
        [
            "!schema EVSE > field cpid > type integer: added",
            "schema EVSE > field cpid > type string: removed",
        ],
    ),
    "field may be null": (
        lambda d: field(d, "EVSE/cpid").update(type=["string", "null"]),
        ["!schema EVSE > field cpid > nullable: added"],
    ),
    "field is never null": (
        lambda d: field(d, "EVSE/lock_mode").update(type="string"),
        ["schema EVSE > field lock_mode > nullable: removed"],
    ),
    "field may be missing": (
        lambda d: schema(d, "EVSE")["required"].remove("cpid"),
        ["!schema EVSE > field cpid > required: removed"],
    ),
    "field is always there": (
        lambda d: schema(d, "EVSE")["required"].append("lock_mode"),
        ["schema EVSE > field lock_mode > required: added"],
    ),
    "format changed": (
        lambda d: field(d, "ChargingSubSession/start").update(format="time"),
        [
            '!schema ChargingSubSession > field start > format: changed from "date-time" to "time"',
        ],
    ),
    "format of a text added": (
        lambda d: field(d, "EVSE/cpid").update(format="uuid"),
        ["schema EVSE > field cpid > format: added"],
    ),
    "value of a field added": (
        lambda d: field(d, "EVSE/lock_mode")["enum"].append("ASLEEP"),
        ["schema EVSE > field lock_mode > value ASLEEP: added"],
    ),
    "value of a field removed": (
        lambda d: field(d, "EVSE/lock_mode")["enum"].remove("SMART"),
        ["!schema EVSE > field lock_mode > value SMART: removed"],
    ),
    "field may have another form": (
        lambda d: field(d, "EVSE/user")["oneOf"].append({"type": "integer"}),
        ["!schema EVSE > field user > form integer: added"],
    ),
    "form of a field removed": (
        lambda d: field(d, "EVSE/user")["oneOf"].pop(),
        ["!schema EVSE > field user > form User: removed"],
    ),
    "unknown keyword of a field": (
        lambda d: field(d, "EVSE/cpid").update({"const": "x", "x-order": 3, "title": "A"}),
        ["!schema EVSE > field cpid > const: added"],
    ),
    "reference to an equal schema": (
        lambda d: (
            d["components"]["schemas"].update(Zone=schema(d, "Timezone")),
            reply(d, "GET /timezones")["content"]["application/json"]["schema"].update(
                items={"$ref": "#/components/schemas/Zone"}
            ),
        ),
        [
            'GET /timezones > reply 200 > each item > reference: changed from "Timezone" to "Zone"',
            "schema Zone: added",
        ],
    ),
    "schema written in place": (
        lambda d: reply(d, "GET /timezones")["content"]["application/json"]["schema"].update(
            items=schema(d, "Timezone")
        ),
        ["GET /timezones > reply 200 > each item > notation"],
    ),
    "version changed": (
        lambda d: d["info"].update(version="2.1"),
        ['API > version: changed from "2.0" to "2.1"'],
    ),
    "server removed": (
        lambda d: d["servers"].pop(),
        ["!API > server https://api-staging.ev.energy/v2: removed"],
    ),
    "server added": (
        lambda d: d["servers"].append({"url": "https://eu.example"}),
        ["API > server https://eu.example: added"],
    ),
    "webhook added": (
        lambda d: d["webhooks"].update(
            {"evse.created": d["webhooks"]["charging_sub_session.created"]}
        ),
        ["webhook evse.created: added"],
    ),
    "webhook removed": (
        lambda d: d["webhooks"].pop("charging_sub_session.created"),
        ["!webhook charging_sub_session.created: removed"],
    ),
    "field of a webhook retyped": (
        lambda d: field(d, "ChargingSubSessionCreatedWebhook/timestamp").update(type="integer"),
        [
            "!schema ChargingSubSessionCreatedWebhook > field timestamp > type integer: added",
            "schema ChargingSubSessionCreatedWebhook > field timestamp > type string: removed",
        ],
    ),
}


def _marked(name: str) -> str:
    """Return an id in the form of the cases: without the hash of the new value."""
    return re.sub(r"^breaking: ", "!", re.sub(r" \([0-9a-f]{8}\)$", "", name))


@pytest.mark.matrix("name", of=lambda name: name.split()[0])
@pytest.mark.parametrize("name", CASES)
def test_one_change_is_reported_as_what_it_is(compare: Compare, name: str) -> None:
    edit, expected = CASES[name]
    done = compare(edit, "--json")
    report = json.loads(done.out)
    for change in report["changes"]:
        assert change["id"].startswith("breaking: ") == change["breaking"]
    marked = [_marked(change["id"]) for change in report["changes"]]
    # The id of another notation has both notations.
    found = [one.partition(": ")[0] if "> notation: " in one else one for one in marked]
    assert sorted(found) == sorted(expected)
    breaking = sum(one.startswith("!") for one in expected)
    assert (report["breaking"], report["compatible"]) == (breaking, len(expected) - breaking)
    assert done.status == (3 if breaking else 2)
    assert done.err == ""


def test_base_description_has_no_difference(compare: Compare) -> None:
    same = f"No difference: version {__version__} fits this description.\n"
    assert compare(BASE) == (0, same, "")
    assert compare(BASE, "--ids") == (0, "", "")
    report = {"breaking": 0, "compatible": 0, "changes": [], "ignored": [], "unused_ignores": []}
    assert json.loads(compare(BASE, "--json").out) == {"version": __version__, **report}


def two_changes(document: Document) -> None:
    field(document, "EVSE/cpid").update(type="integer")
    operation(document, "GET /evses")["parameters"].append(INLINE)


def test_text_says_what_a_change_means(compare: Compare) -> None:
    done = compare(two_changes)
    assert done.status == 3
    assert done.out == (
        "Breaking: programs that use this may fail (1 change)\n"
        "\n"
        "schema EVSE (received by 31 operations)\n"
        "  - field cpid > type integer: added. Programs may receive a type that they do not "
        "expect.\n"
        "\n"
        "Not breaking: programs still work (2 changes)\n"
        "\n"
        "GET /evses (client.evses.list)\n"
        "  - query email: added. This version of the SDK has no argument for it.\n"
        "\n"
        "schema EVSE (received by 31 operations)\n"
        "  - field cpid > type string: removed. Replies do not have this type any more.\n"
        "\n"
    )


def test_same_change_of_many_operations_is_printed_once(compare: Compare) -> None:
    def edit(document: Document) -> None:
        for item in ("/evses", "/vehicles", "/timezones", "/tariffs"):
            document["paths"][item]["get"]["parameters"].append(INLINE)

    assert compare(edit).out == (
        "Not breaking: programs still work (4 changes)\n"
        "\n"
        "4 places: GET /evses, GET /tariffs, GET /timezones, GET /vehicles\n"
        "  - query email: added. This version of the SDK has no argument for it.\n"
        "\n"
    )


def test_json_has_both_values(compare: Compare) -> None:
    done = compare(CASES["limit lowered"][0], "--json")
    assert json.loads(done.out)["changes"] == [
        {
            "id": "breaking: parameter page_size > maximum: changed from 100 to 7",
            "subject": "parameter page_size",
            "place": ["maximum"],
            "kind": "changed",
            "breaking": True,
            "effect": "requests that were accepted may be refused",
            "before": 100,
            "after": 7,
        }
    ]


def test_printed_ids_are_a_list_of_changes_to_ignore(compare: Compare, tmp_path: Path) -> None:
    listed = tmp_path / "ignored.txt"
    for edit in (two_changes, CASES["pattern changed"][0]):
        ids = compare(edit, "--ids").out
        listed.write_text(ids)
        done = compare(edit, "--ignore", str(listed))
        count = len(ids.splitlines())
        assert (done.status, done.err) == (0, "")
        changes = f"{count} change{'s' * (count > 1)}"
        assert done.out == f"All differences are ignored ({changes}).\n"


def test_ignored_changes_do_not_count(compare: Compare, tmp_path: Path) -> None:
    listed = tmp_path / "ignored.txt"
    listed.write_text(
        "# known since May\n\nschema EVSE > *  # a glob\nGET /evses: removed\n"
        "breaking: schema EVSE > *\nschema EVSE > *\nGET /nothing*\n"
    )
    done = compare(two_changes, "--ignore", str(listed))
    assert done == (
        2,
        (
            "Not breaking: programs still work (1 change)\n\nGET /evses (client.evses.list)\n"
            "  - query email: added. This version of the SDK has no argument for it.\n\n"
            "2 changes ignored.\n"
        ),
        (
            "--ignore: no change has the id GET /evses: removed\n"
            "--ignore: no change has the id GET /nothing*\n"
        ),
    )
    report = json.loads(compare(two_changes, "--ignore", str(listed), "--json").out)
    assert (report["breaking"], report["compatible"]) == (0, 1)
    assert report["unused_ignores"] == ["GET /evses: removed", "GET /nothing*"]
    assert report["ignored"] == [
        "breaking: schema EVSE > field cpid > type integer: added",
        "schema EVSE > field cpid > type string: removed",
    ]


def _vehicle(**keywords: Any) -> Edit:
    """Return the edit that adds keywords to a field that is sent."""
    return lambda d: field(d, "VehicleWrite/description").update(keywords)


def _evses(*parameters: Document) -> Edit:
    return lambda d: operation(d, "GET /evses")["parameters"].extend(parameters)


def _replied(**schemas: Any) -> Edit:
    """Return the edit that adds a field to replies, and the schemas that it refers to."""

    def edit(document: Document) -> None:
        document["components"]["schemas"].update(schemas)
        schema(document, "EVSE")[FIELDS]["new"] = {"$ref": "#/components/schemas/New"}

    return edit


def _new_operation(**keywords: Any) -> Edit:
    return lambda d: d["paths"].update({"/news": {"get": {"responses": {}, **keywords}}})


def _new_status(**keywords: Any) -> Edit:
    return lambda d: operation(d, "GET /evses")["responses"].update({"202": keywords})


#: Two edits that make the same kind of change at the same place, but not the same change.
FURTHER: dict[str, tuple[Edit, Edit]] = {
    "a parameter becomes required": (_evses(INLINE), _evses({**INLINE, "required": True})),
    "a parameter has another schema": (_evses(INLINE), _evses({**INLINE, "schema": {}})),
    "a field becomes required": (
        lambda d: schema(d, "VehicleWrite")[FIELDS].update(zz={"type": "string"}),
        lambda d: (
            schema(d, "VehicleWrite")[FIELDS].update(zz={"type": "string"}),
            schema(d, "VehicleWrite")["required"].append("zz"),
        ),
    ),
    "a new keyword has another value": (_vehicle(pattern="a"), _vehicle(pattern="b")),
    "the end of a long value changes": (
        lambda d: parameter(d, "previous")["schema"].update(pattern="x" * 90),
        lambda d: parameter(d, "previous")["schema"].update(pattern="x" * 90 + "y"),
    ),
    "a schema is sent, too": (
        lambda d: field(d, "EVSE/cpid").update(maxLength=5),
        lambda d: (
            field(d, "EVSE/cpid").update(maxLength=5),
            body(d, PATCH)[FIELDS].update(e={"$ref": "#/components/schemas/EVSE"}),
        ),
    ),
    "a new schema has another type": (
        _replied(New={"type": "string"}),
        _replied(New={"type": "integer"}),
    ),
    "a new operation takes something else": (_new_operation(), _new_operation(parameters=[INLINE])),
    "a new status has another body": (
        _new_status(),
        _new_status(content={"application/json": {"schema": {"type": "string"}}}),
    ),
    "a place is longer than a line": (
        lambda d: schema(d, "EVSE")[FIELDS].update({"x" * 5000 + "y": {}}),
        lambda d: schema(d, "EVSE")[FIELDS].update({"x" * 5000 + "z": {}}),
    ),
}


@pytest.mark.parametrize("name", FURTHER)
def test_further_change_at_an_ignored_place_is_reported(
    compare: Compare, tmp_path: Path, name: str
) -> None:
    known, further = FURTHER[name]
    listed = tmp_path / "ignored.txt"
    listed.write_text(compare(known, "--ids").out)
    assert compare(known, "--ignore", str(listed)).status == 0
    assert compare(further, "--ignore", str(listed)).status in {2, 3}


def test_asterisk_does_not_hide_what_breaks_programs(compare: Compare, tmp_path: Path) -> None:
    listed = tmp_path / "ignored.txt"
    listed.write_text("GET /evses > query *\n")
    assert compare(_evses(INLINE), "--ignore", str(listed)).status == 0
    assert compare(_evses({**INLINE, "required": True}), "--ignore", str(listed)).status == 3
    listed.write_text("breaking: GET /evses > query *\n")
    assert compare(_evses({**INLINE, "required": True}), "--ignore", str(listed)).status == 0


@pytest.mark.parametrize("value", ["a #b", "a *b", "[a]?", " a\u2028b ", "\x1b[31m"])
def test_id_with_any_character_can_be_ignored(compare: Compare, tmp_path: Path, value: str) -> None:
    def edit(document: Document) -> None:
        parameter(document, "previous")["schema"].update(pattern=value)

    listed = tmp_path / "ignored.txt"
    listed.write_text(compare(edit, "--ids").out)
    assert compare(edit, "--ignore", str(listed)).status == 0


def test_brackets_of_a_list_of_ignored_changes_stand_for_themselves(
    compare: Compare, tmp_path: Path
) -> None:
    listed = tmp_path / "ignored.txt"
    listed.write_text("GET /[n]ews: added*\nGET /?ews: added*\n")
    assert compare(_new_operation(), "--ignore", str(listed)).status == 2


def test_text_of_a_description_cannot_control_the_terminal(compare: Compare) -> None:
    name = "red\x1b[31m\nBreaking"
    done = compare(lambda d: schema(d, "EVSE")[FIELDS].update({name: {"type": "string"}}))
    assert "  - field red\\x1b[31m\\nBreaking: added. " in done.out


def test_description_is_read_from_stdin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (BASE, "\ufeff" + BASE, yaml.safe_dump(json.loads(BASE))):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert main(["contract", "-"]) == 0
        assert capsys.readouterr().out.startswith("No difference")


def test_yaml_is_read_as_openapi_defines_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    values = ["NO", "on", "2026-01-01", "false"]
    document = json.loads(BASE)
    field(document, "EVSE/cpid").update(enum=values)
    text = yaml.safe_dump(document).replace("'200':", "200:")
    # Without quotes, YAML 1.1 takes the first three for other types than strings.
    for value in values[:3]:
        text = text.replace(f"- '{value}'", f"- {value}")
    path = tmp_path / "description.yaml"
    path.write_text(text)
    assert main(["contract", str(path), "--json"]) == 2
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert change["after"] == values


def test_yaml_without_pyyaml_is_refused_with_the_extra(
    compare: Compare, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert compare(BASE).status == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"openapi: 3.1.0")))
    assert main(["contract", "-"]) == 64
    assert capsys.readouterr().err == (
        "error: DESCRIPTION: stdin is no JSON, and reading YAML needs the package PyYAML\n"
        "hint: pip install 'ev-energy[cli]', or convert the description to JSON\n"
    )


def dropped(document: Document, *path: str) -> None:
    node = document
    for name in path[:-1]:
        node = node[name]
    del node[path[-1]]


NO_OPENAPI = (
    "the description has no member `openapi` with a version such as 3.1.0: "
    "it is no OpenAPI 3 description"
)
BROKEN: dict[str, tuple[Edit | str, str]] = {
    "no JSON": ("{", "PATH is no JSON: Expecting property name enclosed in double quotes at "),
    "a list": ("[]", "the description is a list; it must be an object"),
    "empty": ("", "PATH is no JSON: Expecting value at line 1, column 1"),
    "a long number": (
        f'{{"openapi": {"1" * 5000}}}',
        "PATH has a number of more than 4,300 digits",
    ),
    "too deep": ("[" * 100_000, "PATH is nested too deeply"),
    "another format": ('{"swagger": "2.0"}', NO_OPENAPI),
    "a number as version": ('{"openapi": 2}', NO_OPENAPI),
    "no paths": (lambda d: d.pop("paths"), "the description has no `paths`"),
    "no version": (lambda d: d["info"].clear(), "info has no `version`"),
    "paths as a list": (lambda d: d.update(paths=[]), "paths is a list; it must be an object"),
    "an empty operation": (
        lambda d: d["paths"]["/evses"].update(get=None),
        "GET /evses is empty; it must be an object",
    ),
    "parameters as an object": (
        lambda d: operation(d, "GET /evses").update(parameters={}),
        "GET /evses parameters is an object; it must be a list",
    ),
    "a parameter without a name": (
        lambda d: parameter(d, "page_size").pop("name"),
        "a parameter of parameters page_size has no `name`",
    ),
    "a text as schema": (
        lambda d: schema(d, "EVSE")[FIELDS].update(cpid="string"),
        "schemas EVSE properties cpid is 'string'; it must be an object",
    ),
    "a reference to nothing": (
        lambda d: d["components"]["schemas"].pop("EVSEModel"),
        "refers to #/components/schemas/EVSEModel, which does not exist",
    ),
    "a reference to another file": (
        lambda d: schema(d, "EVSE")[FIELDS].update(cpid={"$ref": "evse.yaml#/cpid"}),
        "schemas EVSE properties cpid refers to evse.yaml#/cpid, which is another document: bundle",
    ),
    "a reference to itself": (
        lambda d: d.update(a={"$ref": "#/a"}, paths={"/evses": {"$ref": "#/a"}}),
        "/evses refers to #/a, and that to itself",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_description_is_refused_with_the_place(
    compare: Compare, tmp_path: Path, name: str
) -> None:
    description, message = BROKEN[name]
    done = compare(description)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: ")
    assert message.replace("PATH", str(tmp_path / "description.json")) in done.err
    assert done.err.count("\n") == 1


def test_broken_yaml_is_refused_with_the_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "description.yaml"
    for text, problem in {
        "openapi: [3.1": "is no YAML: did not find expected ',' or ']' at line 2, column 1",
        "a: !!python/name:os.system": "is no YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/name:os.system' at line 1, column 4",
        "a: &x {b: *x}": "is no YAML: it contains itself",
        "a: &x {<<: *x}": "is no YAML: it contains itself",
        f"a: 0x{'f' * 5000}": "is no YAML: it has a number of more than 4,300 digits",
    }.items():
        path.write_text(f"{text}\n")
        assert main(["contract", str(path)]) == 1
        assert problem in capsys.readouterr().err
    path.write_bytes(b"\xff\xfe")
    assert main(["contract", str(path)]) == 1
    assert capsys.readouterr().err == f"error: {path} is no UTF-8 at byte 0\n"


def _tenfold(first: str, following: str) -> str:
    """Return YAML of ten lines; each line has ten aliases of the line before."""
    lines = [f"a0: &a0 {first}"]
    for number in range(1, 10):
        parts = ", ".join([f"*a{number - 1}"] * 10)
        lines.append(f"a{number}: &a{number} {following.replace('PARTS', parts)}")
    return "\n".join(["openapi: 3.1.0", *lines])


@pytest.mark.parametrize(
    "text",
    [_tenfold("[x]", "[PARTS]"), _tenfold("{x: 1}", "{<<: [PARTS]}")],
    ids=["lists", "merged objects"],
)
def test_yaml_whose_aliases_stand_for_billions_of_values_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    path = tmp_path / "description.yaml"
    path.write_text(text)
    assert main(["contract", str(path)]) == 1
    assert capsys.readouterr().err == (
        f"error: {path} is no YAML: its aliases stand for more than 500,000 values\n"
    )


def test_yaml_may_have_aliases(tmp_path: Path) -> None:
    document = json.loads(BASE)
    shared = field(document, "EVSE/cpid")
    for name in ("EVSE", "Vehicle"):
        schema(document, name)[FIELDS]["new"] = shared
    path = tmp_path / "description.yaml"
    path.write_text(yaml.safe_dump(document))
    assert "*id001" in path.read_text()
    assert main(["contract", str(path)]) == 2


def _references(start: str, node: Callable[[Document], Document]) -> Document:
    """Return nodes of which each refers to the one before several times."""
    found: Document = {"D0": {"type": "string", "minLength": 1}}
    for number in range(1, 40):
        found[f"D{number}"] = node({"$ref": f"{start}D{number - 1}"})
    return found


COMPONENT = "#/components/schemas/"


@pytest.mark.parametrize(
    "node",
    [
        lambda one: {"allOf": [one, {"allOf": [one]}, {"maxLength": 9}]},
        lambda one: {"properties": {"a": {"allOf": [one]}, "b": one}, "allOf": [one]},
        lambda one: {
            "allOf": [{"properties": {"a": one}}, {"properties": {"a": {"allOf": [one]}}}]
        },
    ],
    ids=["parts", "fields and parts", "fields of parts"],
)
def test_schemas_that_refer_to_each_other_often_are_compared(
    compare: Compare, node: Callable[[Document], Document]
) -> None:
    def edit(document: Document) -> None:
        document["components"]["schemas"].update(_references(COMPONENT, node))
        last = {"$ref": f"{COMPONENT}D39"}
        schema(document, "VehicleWrite")[FIELDS]["description"] = last
        schema(document, "VehicleWrite")[FIELDS]["new"] = last

    assert compare(edit, "--ids").status in {2, 3}


def test_references_that_stand_for_billions_of_nodes_are_refused(compare: Compare) -> None:
    def edit(document: Document) -> None:
        document["x"] = _references("#/x/", lambda one: {"allOf": [one, one]})
        schema(document, "EVSE")[FIELDS]["cpid"] = {"$ref": "#/x/D39"}

    done = compare(edit)
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "error: the description has more than 100,000 references to nodes outside of its "
        "components, or they refer to each other too often\n"
    )


def test_description_with_too_many_differences_is_refused(compare: Compare) -> None:
    def edit(document: Document) -> None:
        schemas: Document = document["components"]["schemas"]
        names = {name for one in schemas.values() for name in one.get(FIELDS, ())}
        schemas.update(_references(COMPONENT, lambda one: {FIELDS: dict.fromkeys(names, one)}))
        for key in facts()["operations"]:
            found = operation(document, key)["responses"].get("200", {})
            for media in found.get("content", {}).values():
                media["schema"] = {"$ref": f"{COMPONENT}D39"}

    done = compare(edit)
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "error: the description has more than 20,000 differences: it is that of another API\n"
    )


def test_reference_into_the_description_is_followed(compare: Compare) -> None:
    def edit(document: Document) -> None:
        cpid = field(document, "EVSE/cpid")
        document["x-shared"] = {"cp/id": cpid, "item": document["paths"]["/timezones"]}
        schema(document, "EVSE")[FIELDS]["cpid"] = {"$ref": "#/x-shared/cp~1id"}
        document["paths"]["/timezones"] = {"$ref": "#/x-shared/item"}

    assert compare(edit).status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.json"], "error: DESCRIPTION: missing.json cannot be read: No such file"),
        (["-", "--ignore", "missing"], "error: --ignore: missing cannot be read: No such file"),
        ([], "the following arguments are required: DESCRIPTION"),
        (["-", "--json", "--ids"], "argument --ids: not allowed with argument --json"),
        (["-", "--jsno"], "error: there is no option or place for '--jsno'\nhint: did you mean"),
        (["-", "another"], "error: there is no option or place for 'another'"),
    ],
)
def test_usage_errors_have_a_status_of_their_own(
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["contract", *words])
    except SystemExit as left:  # argparse
        status = left.code
    out, err = capsys.readouterr()
    assert (status, out) == (64, "")
    assert message in err


def test_help_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["contract", "--help"])
    assert left.value.code == 0
    assert "--ignore FILE" in capsys.readouterr().out


@pytest.mark.description
def test_description_of_the_vendor_has_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    path = os.environ.get("EV_ENERGY_SPEC")
    if path is None:
        pytest.fail("this test reads the vendor's OpenAPI file: set EV_ENERGY_SPEC")
    assert main(["contract", path]) == 0
    assert capsys.readouterr().out.startswith("No difference")


PAGE = (Path(__file__).parents[2] / "docs" / "drift.md").read_text()


def as_on_the_page(document: Document) -> None:
    parameter(document, "page_size")["schema"].update(maximum=50)
    operation(document, "GET /evses")["parameters"].append(INLINE)


def test_page_shows_a_real_report_and_ignores_it(compare: Compare, tmp_path: Path) -> None:
    report, ignored = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert compare(as_on_the_page).out.strip() == report.strip()
    listed = tmp_path / "known.txt"
    listed.write_text(ignored)
    assert compare(as_on_the_page, "--ignore", str(listed)) == (
        0,
        "All differences are ignored (2 changes).\n",
        "",
    )


def test_page_lists_options_and_exit_statuses() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    contract.add_arguments(parser)
    assert_same_names(
        re.findall(r"--[a-z]+", PAGE),
        parser._option_string_actions,
        missing="describe the option in docs/drift.md",
        unexpected="the command has no such option; take it out of docs/drift.md",
    )
    statuses = [int(status) for status in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    own = [*contract.Verdict, ExitCode.FAILED, ExitCode.CONTRACT_USAGE]
    assert statuses == sorted(own)
