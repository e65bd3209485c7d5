"""Every operation, with valid requests and with each kind of refused request.

`tests.helpers.conformity.monitor` checks that all replies conform to the description; these tests
assert that replies of each kind occur.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ev_energy.simulator.resources._operations import OPERATIONS
from tests.helpers.conformity import bench as benches
from tests.helpers.conformity.calls import Call, Calls, Key, missing_path
from tests.helpers.names import assert_same_names
from tests.helpers.spec.description import Described, Description, from_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.helpers.conformity.bench import Bench

_EVENT = "/dispatch_coordinators/{dispatch_coordinator_id}/dispatch_events/{dispatch_event_id}"
_AGREEMENT = (
    "/programs/{program_id}/participation_agreement_versions/{participation_agreement_version_id}"
)

#: Operations on resources that a new world does not have, and how these are created.
NO_RESOURCE: dict[Key, str] = {
    ("POST", f"{_EVENT}/cancel"): "an event is made by a request; no list shows it",
}

#: Operations for which minimal valid arguments are not enough, with the reason.
MORE_THAN_MINIMAL: dict[Key, str] = {
    ("POST", "/vehicle_onboarding/complete"): "completes a step that is reported only once",
    ("POST", f"{_AGREEMENT}/accept"): "only users can accept, not applications for them",
    ("POST", "/user_rebates/{user_rebate_id}:submit"): "requires uploaded evidence",
}

#: Operations that require another one first.
AFTER: dict[Key, Key] = {
    ("POST", "/charging_sessions/{charging_session_id}/boost_end"): (
        "POST",
        "/charging_sessions/{charging_session_id}/boost_start",
    ),
}

#: Values of ``expand`` that never return an object, with the reason.
NEVER_EXPANDED: dict[tuple[str, str], str] = {
    ("/tariffs", "prices"): "a tariff of a list has no such member",
    ("/carbon_feeds/{carbon_feed_id}/carbon_intensities", "carbon_feed"): "only a URL is described",
    (
        "/charging_sub_sessions/{charging_sub_session_id}/energy_usage",
        "charging_sub_session",
    ): "only a URL is described",
    ("/subscription_offerings/{offering_id}", "user"): "an offering has no such member",
    ("/subscription_offerings/{offering_id}", "offering"): "an offering has no such member",
}


def each(keys: Iterable[Key]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Test each operation; the fast tier has one of each family."""
    one_of_a_family = pytest.mark.matrix("key", of=lambda key: key[1].split("/")[1])
    parametrized = pytest.mark.parametrize("key", list(keys), ids=" ".join)
    return lambda test: one_of_a_family(parametrized(test))


every = each(OPERATIONS)
reads = each(key for key in OPERATIONS if key[0] == "GET")
writes = each(key for key in OPERATIONS if key[0] != "GET")


@pytest.fixture(scope="module")
def spec() -> Description:
    return from_facts()


@pytest.fixture(scope="module")
def bench(spec: Description) -> Iterator[Bench]:
    with benches.bench() as made:
        yield made


@pytest.fixture(scope="module")
def calls(spec: Description, bench: Bench) -> Calls:
    return Calls(spec, bench.existing())


@pytest.fixture(scope="module")
def exhausted(spec: Description) -> Iterator[Bench]:
    """A simulator whose hourly limit is reached, with and without a token."""
    with benches.bench(rate_limit=1) as made:
        made.ask("GET", "/timezones")
        made.ask("GET", "/programs", headers={"Authorization": None})
        yield made


@pytest.fixture
def operation(spec: Description, key: Key) -> Described:
    return spec.operation(*key)


@pytest.fixture
def call(calls: Calls, key: Key) -> Call:
    """The minimal call of the operation; xfail if no resource exists for it."""
    made = calls.minimal(key)
    assert (made is None) is (key in NO_RESOURCE)
    if made is None:
        pytest.xfail(NO_RESOURCE[key])
    return made


def test_routes_are_the_described_operations(spec: Description) -> None:
    assert_same_names(
        map(" ".join, OPERATIONS),
        {" ".join(operation.key) for operation in spec.operations},
        missing="add it to ROUTES in ev_energy/simulator/resources/<family>.py",
        unexpected="the description has no such operation; correct the path of the route",
    )


@pytest.mark.slow
def test_all_linked_resources_conform(spec: Description) -> None:
    crawler, reports = benches.crawl_once()
    assert len(crawler.found) > 20
    assert reports == []


@pytest.mark.slow
@reads
def test_every_read_supports_every_expansion(
    bench: Bench, calls: Calls, operation: Described, key: Key, call: Call
) -> None:
    due = set(operation.expand)
    for pick in range(60):
        about = calls.minimal(key, pick) or call
        for expand in [[], *([name] for name in operation.expand), list(operation.expand)]:
            answer = bench.send(about, params={**about.query, **larger(operation, expand)})
            assert answer.status_code in {200, 302}, answer.text
            body = answer.json() if answer.content else None
            shown = {name for name in operation.expand if is_expanded(body, name.split("."))}
            # The requested member is expanded together with its parents, and nothing else is.
            wanted = {name for name in operation.expand if is_part(name, expand)}
            assert shown <= wanted
            due -= shown
        if not due:
            break
    assert due == {name for name in operation.expand if (key[1], name) in NEVER_EXPANDED}


def larger(operation: Described, expand: list[str]) -> dict[str, Any]:
    """Return the parameters for expanding, with the largest page size."""
    size = {"page_size": 100} if "page_size" in operation.names("query") else {}
    return {**size, "expand": expand} if expand else size


def is_part(name: str, expand: list[str]) -> bool:
    return any(f"{one}.".startswith(f"{name}.") for one in expand)


def is_expanded(body: Any, steps: list[str]) -> bool:
    """Return whether *steps* lead to an object at least once in a body."""
    if isinstance(body, list):
        return any(is_expanded(one, steps) for one in body)
    if not isinstance(body, dict):
        return False
    if not steps:
        return True
    if steps[0] in body:
        return is_expanded(body[steps[0]], steps[1:])
    # A wrapper: the expanded objects are in its list.
    return any(is_expanded(held, steps) for held in body.values() if isinstance(held, list))


@writes
def test_every_write_succeeds_with_minimal_arguments(calls: Calls, key: Key, call: Call) -> None:
    with benches.bench() as own:
        for pick in range(30):  # the state of some resources does not allow it
            before = calls.minimal(AFTER[key], pick) if key in AFTER else None
            if before is not None:
                own.send(before)
            answer = own.send(calls.minimal(key, pick) or call)
            if answer.is_success:
                break
    assert answer.is_success is (key not in MORE_THAN_MINIMAL), answer.text


@every
def test_described_scopes_are_sufficient_and_required(
    bench: Bench, operation: Described, call: Call
) -> None:
    scopes = set((operation.scope or "").split())
    for granted in [scopes, *(scopes - {scope} for scope in scopes)]:
        if granted != scopes or call.method == "GET":  # only reads, so that nothing changes
            simulator = bench.simulator
            application = simulator.add_application(scopes=[*granted, "nothing:read"])
            headers = bench.authorized(*application)
            answer = bench.send(call, headers)
            assert (answer.status_code == 403) is (granted != scopes), answer.text


@every
def test_missing_or_invalid_token_is_a_401(bench: Bench, operation: Described, call: Call) -> None:
    for authorization in (None, "Bearer stale", "Basic c3RhbGU6"):
        headers = {"Authorization": authorization}
        needed = operation.scope is not None or (
            authorization is not None and "401" in operation.raw["responses"]
        )
        if needed:
            answer = bench.send(call, headers)
            assert answer.status_code == 401, answer.text
            assert answer.headers["WWW-Authenticate"]


@pytest.mark.slow
@every
def test_unknown_resource_is_a_404(
    bench: Bench, operation: Described, key: Key, call: Call
) -> None:
    if key in MORE_THAN_MINIMAL:
        return
    if "404" not in operation.raw["responses"] or "{" not in operation.path:
        assert "{" not in operation.path or operation.path.startswith("/vehicle_models")
        return
    answer = bench.send(call._replace(path=missing_path(operation, call.path)))
    assert answer.status_code == 404, answer.text


@every
def test_unknown_version_or_user_is_a_400(bench: Bench, operation: Described, call: Call) -> None:
    for header, value in [("EvEnergy-Version", "3.0"), ("EvEnergy-User", "user" + "0" * 26)]:
        if header in operation.names("header"):
            headers = {header: value}
            answer = bench.send(call, headers)
            assert answer.status_code == 400, answer.text


@every
def test_caller_that_excludes_json_gets_406(bench: Bench, operation: Described, call: Call) -> None:
    if "406" in operation.raw["responses"]:
        headers = {"Accept": "text/csv"}
        answer = bench.send(call, headers)
        assert answer.status_code == 406, answer.text


@every
def test_wrong_method_is_a_405_with_allow(bench: Bench, call: Call) -> None:
    answer = bench.ask("PUT", call.path)
    assert answer.status_code == 405
    assert call.method in answer.headers["Allow"].split(", ")


@writes
def test_body_that_is_not_json_is_rejected(bench: Bench, operation: Described, call: Call) -> None:
    if operation.body is None:
        return
    for media_type, body, statuses in [
        ("text/csv", b"a,b", {415}),
        ("application/json", b'{"a', {400, 422}),
        ("application/json", b"[]", {400, 422}),
        ("application/json", b"\xff", {400, 422}),
    ]:
        raw = call._replace(body=None)
        answer = bench.send(raw, {"Content-Type": media_type}, content=body)
        assert answer.status_code in statuses, answer.text


@every
def test_exhausted_caller_gets_429(exhausted: Bench, operation: Described, call: Call) -> None:
    answer = exhausted.send(call)
    declared = "429" in operation.raw["responses"]
    assert (answer.status_code == 429) is declared
    if declared:
        assert answer.headers["X-RateLimit-Remaining"] == "0"
        assert int(answer.headers["Retry-After"]) == 3600
