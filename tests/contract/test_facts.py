"""The file of facts holds facts only, and is as the script writes it."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ev_energy._contract.compare import differences
from ev_energy._contract.corrections import OfBody, OfOperation, OfParameter, OfSchema, corrected
from ev_energy._contract.extract import UnknownKeywordError, extract
from ev_energy._contract.facts import FILE, MissingFactsError, facts, lookup, to_text
from tests.helpers.spec.description import Description
from tests.helpers.spec.openapi import TOLD_IN_TEXT, described, document

FACTS = facts()


def strings(node: Any, keyword: str = "") -> Iterator[tuple[str, str]]:
    """Yield each string with the keyword that it is a value of, and each key as one of ``key``."""
    if isinstance(node, str):
        yield keyword, node
    elif isinstance(node, list):
        for item in node:
            yield from strings(item, keyword)
    elif isinstance(node, dict):
        for name, value in node.items():
            yield "key", name
            yield from strings(value, name)


def test_strings_of_the_file_are_no_prose() -> None:
    operations = set(FACTS["operations"])
    sets = set(FACTS["header_sets"])
    found = list(strings(FACTS))
    assert len(found) > 10_000
    prose = [
        (keyword, text)
        for keyword, text in found
        if keyword not in {"pattern", "enum"}
        and re.search(r"\s|[.,;!?]($|\s)", text)
        and text not in operations | sets
    ]
    assert prose == []
    # The texts of an enum are values of the API, but never sentences.
    assert [t for keyword, t in found if keyword == "enum" and len(t.split()) > 5] == []


def test_file_is_formatted_as_by_the_script() -> None:
    assert FILE.read_text(encoding="utf-8") == to_text(FACTS), (
        "run `python tests/contract/write_facts.py --format` after editing api.json by hand"
    )


def test_correction_without_a_match_is_named() -> None:
    for correction in (
        OfSchema("Nothing/at_all", {}, "a test"),
        OfBody("POST /nothing", "at_all", {}, "a test"),
        OfParameter("query", "page", frozenset({"GET /nothing"}), {}, "a test"),
        OfOperation("GET /nothing", {}, "a test"),
    ):
        with pytest.raises(LookupError, match=r"(?i)nothing.* does not fit the facts.*Adapt it"):
            corrected(facts(), [correction])


def test_dangling_reference_is_named_with_the_remedy() -> None:
    broken = facts()
    broken["schemas"]["EVSE"]["allOf"] = ["Nothing"]
    with pytest.raises(MissingFactsError, match=r"no facts about Nothing \(schemas\)\. If"):
        Description(document(broken))


def references(node: Any) -> Iterator[str]:
    """Yield what the ``$ref`` of a document lead to."""
    if isinstance(node, list):
        for one in node:
            yield from references(one)
    elif isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for one in node.values():
            yield from references(one)


def test_references_of_the_facts_exist() -> None:
    spec = Description(document(FACTS))
    for reference in sorted(set(references(spec.data))):
        spec.resolve({"$ref": reference})


def test_openapi_document_of_the_facts_has_the_same_facts() -> None:
    found = list(differences(FACTS, extract(document(FACTS))))
    assert [
        one for one in found if not one.endswith(tuple(f"{n} was removed" for n in TOLD_IN_TEXT))
    ] == []
    assert len(found) > 20


def test_description_of_the_facts_has_the_same_facts() -> None:
    assert list(differences(FACTS, extract(described(FACTS)))) == []


def test_file_is_sorted_independent_of_the_order_of_the_facts() -> None:
    reverse = {
        name: dict(reversed(section.items())) if isinstance(section, dict) else section
        for name, section in FACTS.items()
    }
    assert to_text(reverse) == to_text(FACTS)


def test_facts_of_an_unknown_operation_explain_how_to_add_them() -> None:
    with pytest.raises(LookupError, match=r"GET /nothing.*write_facts\.py.*by hand"):
        lookup(FACTS, "operations", "GET /nothing")


@pytest.mark.parametrize(
    ("place", "keyword"),
    [
        (lambda found: found["components"]["schemas"]["EVSE"], "const"),
        (lambda found: found["components"]["parameters"]["page_size"], "style"),
        (lambda found: found["paths"]["/evses"]["get"], "callbacks"),
        (lambda found: found["paths"]["/evses"], "head"),
        (lambda found: found["paths"]["/evses"]["get"]["responses"]["200"], "links"),
    ],
)
def test_unknown_keyword_of_a_description_must_be_listed(place: Any, keyword: str) -> None:
    found = document(FACTS)
    place(found)[keyword] = "x"
    with pytest.raises(UnknownKeywordError, match=rf"unknown keywords: {keyword}\. Add"):
        extract(found)


def test_text_and_examples_of_a_description_are_left_out() -> None:
    found = document(FACTS)
    schema = found["components"]["schemas"]["EVSE"]
    schema |= {"title": "A", "description": "A sentence.", "example": {"id": "x"}, "x-tags": ["A"]}
    schema["properties"]["id"] = {**schema["properties"]["id"], "examples": ["evse1"]}
    found["paths"]["/evses"]["get"] |= {"summary": "A sentence.", "tags": ["EVSEs"]}
    assert extract(found) == extract(document(FACTS))


def test_facts_stated_in_text_only_are_extracted() -> None:
    found = document(FACTS)
    operation = found["paths"]["/evses"]["get"]
    operation["description"] = (
        "Slow, rate limited to 7 requests per hour per IP. May answer `no-such-thing`."
    )
    operation["responses"]["409"] = {"description": "Clash (problem type name-conflict)."}
    operation["responses"]["200"]["content"]["application/json"]["example"] = "`not-a-problem`"
    facts_found = extract(found)["operations"]["GET /evses"]
    assert facts_found["anonymous_limit"] == 7
    assert facts_found["problems"] == ["name-conflict", "no-such-thing"]


def test_differences_are_listed_with_their_paths() -> None:
    after = copy.deepcopy(FACTS)
    operation = after["operations"]["GET /evses"]
    operation["scopes"] = ["evse:list"]
    operation["parameters"] = [*operation["parameters"], "email"]
    del after["operations"]["GET /evse_makes"]
    after["schemas"]["Brand"] = {"type": "string"}
    after["schemas"]["EVSE"]["properties"]["cpid"]["type"] = "integer"
    after["schemas"]["EVSE"]["required"] = after["schemas"]["EVSE"]["required"][::-1]
    assert sorted(differences(FACTS, after)) == [
        "operations > GET /evse_makes was removed",
        "operations > GET /evses > parameters: 'email' is new",
        "operations > GET /evses > scopes: 'evse:read' became 'evse:list'",
        "schemas > Brand is new: {'type': 'string'}",
        "schemas > EVSE > properties > cpid > type: 'string' became 'integer'",
        "schemas > EVSE > required: the order or number of its items changed",
    ]
