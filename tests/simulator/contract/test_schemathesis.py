"""Requests that schemathesis generates from the facts: valid, invalid and boundary ones.

``EV_ENERGY_EXAMPLES`` sets how many generated requests of each sort an operation gets.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.generation.drivers import CoverageGenerator
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.generation.overrides import Override
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ev_energy.simulator.resources._operations import OPERATIONS
from tests.helpers.conformity import bench as benches
from tests.helpers.conformity.calls import FOR_A_USER
from tests.helpers.conformity.faults import corrected_document, with_general_refusals
from tests.helpers.conformity.monitor import MONITOR
from tests.helpers.spec.description import from_facts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Key = tuple[str, str]

pytestmark = pytest.mark.schemathesis

EXAMPLES = int(os.environ.get("EV_ENERGY_EXAMPLES", "2"))
#: Valid boundary requests to an operation; with fewer, those of some operations all fail.
MAX_EDGES = 16
#: Invalid ones, half of them with existing ids.
MAX_INVALID_EDGES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

_EVENT = "/dispatch_coordinators/{dispatch_coordinator_id}/dispatch_events/{dispatch_event_id}"
_AGREEMENT = (
    "/programs/{program_id}/participation_agreement_versions/{participation_agreement_version_id}"
)

#: Operations for which no generated request has to succeed, with the reason.
NOT_EXPECTED_TO_SUCCEED: dict[Key, str] = {
    ("GET", "/hem_systems/{hem_system_id}/energy_stats"): "the bounds of days are in no schema",
    ("GET", "/programs"): "a postal code and coordinates exclude each other",
    ("PATCH", "/user_rebates/{user_rebate_id}"): "evidence must fit its type",
    ("POST", "/dispatch_coordinators/{dispatch_coordinator_id}/dispatch_events"): (
        "requires future times and an instruction"
    ),
    ("POST", f"{_EVENT}/cancel"): "an event is made by a request; no list shows it",
    ("POST", f"{_AGREEMENT}/accept"): "only users can accept",
    ("POST", "/rebate_evidence_files:start_upload"): "a file requires a name",
    ("POST", "/region_groups"): "regions need names",
    ("POST", "/regions"): "a region needs a name",
    ("POST", "/charging_sessions/{charging_session_id}/boost_end"): "there must be a boost",
    ("POST", "/user_rebates/{user_rebate_id}:submit"): "requires uploaded evidence",
    ("POST", "/vehicle_models/{vehicle_model_id}/connectors"): "most have one for every region",
    ("POST", "/vehicle_onboarding/complete"): "completes a step that is reported only once",
}
#: Bodies with values that no schema states, which these operations need in order to succeed.
EXAMPLE_BODIES: dict[Key, Any] = {
    ("PATCH", "/users/{user_id}/payout_method"): {
        "receiver": "driver@example.com",
        "receiver_wallet": "PAYPAL",
    },
    ("POST", "/vehicles"): {"model": "https://api.example/v2/vehicle_models/x"},
    ("POST", "/programs/{program_id}/post-enrollment-verification"): {
        "account_number": "87654321-Z"
    },
}
as_many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


class Bench:
    """A simulator, and a session to send generated requests to it."""

    def __init__(
        self, bench: benches.Bench, session: requests.Session, declared: Collection[str]
    ) -> None:
        self.bench = bench
        self.existing = bench.existing()
        self.session = session
        #: Some operations declare no status for an invalid request.
        self.refuses = bool({"400", "422"} & set(declared))

    def check(self, case: Any, about: int | None) -> int:
        """Send a request and check the reply; *about* selects existing resources."""
        if about is not None:
            self._use_existing_resources(case, about)
        url, headers = self.bench.simulator.base_url, self.bench.headers
        response = case.call(base_url=url, session=self.session, headers=headers)
        try:
            MONITOR.assert_no_deviations()
        except AssertionError as error:
            raise AssertionError(f"{error}\n{case.as_curl_command()}") from None
        # An existing id may have replaced the invalid value.
        refusable = about is None and self.refuses
        checks = [*CHECKS, negative_data_rejection] if refusable else CHECKS
        case.validate_response(response, checks=checks)
        return int(response.status_code)

    def _use_existing_resources(self, case: Any, about: int) -> None:
        template, existing = case.operation.path, self.existing
        case.path_parameters = {**(case.path_parameters or {}), **existing.path(template, about)}
        case.query = existing.query(template, case.query or {}, about)
        if isinstance(case.body, dict):
            case.body = existing.body(template, case.body, about)
        # Otherwise without a user, since the resource may belong to another one.
        case.headers.pop("EvEnergy-User", None)
        if about % 2 or (case.operation.method.upper(), template) in FOR_A_USER:
            case.headers["EvEnergy-User"] = existing.user(about)


@pytest.fixture(scope="module")
def shared() -> Iterator[benches.Bench]:
    with benches.bench() as bench:
        yield bench


@pytest.fixture
def bench(request: pytest.FixtureRequest, shared: benches.Bench) -> Iterator[Bench]:
    """A simulator: a shared one for reads, a new one for each operation that writes."""
    method, path = request.getfixturevalue("key")
    declared = from_facts().operation(method, path).raw["responses"]
    with ExitStack() as stack:
        own = shared if method == "GET" else stack.enter_context(benches.bench())
        session = stack.enter_context(requests.Session())
        session.trust_env = False  # otherwise each request looks for a proxy and a .netrc
        yield Bench(own, session, declared)


@pytest.fixture(scope="module")
def schema() -> Any:
    document = with_general_refusals(corrected_document())
    for (method, path), body in EXAMPLE_BODIES.items():
        content = document["paths"][path][method.lower()]["requestBody"]["content"]
        content["application/json"]["examples"] = {"example": {"value": body}}
    # One of the links of a vehicle, where the description has any text.
    document["components"]["parameters"]["expand"]["example"] = "trim"
    return schemathesis.openapi.from_dict(document)


each = pytest.mark.parametrize("key", OPERATIONS, ids=[f"{m} {path}" for m, path in OPERATIONS])


@each
@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
def test_replies_to_generated_requests_conform(
    schema: Any, bench: Bench, key: Key, mode: GenerationMode
) -> None:
    method, path = key
    cases = schema[path][method].as_strategy(generation_mode=mode)

    @as_many
    @given(case=cases, about=st.none() | st.integers(0, 3))
    def ask(case: Any, about: int | None) -> None:
        bench.check(case, about)

    ask()


@each
def test_replies_to_boundary_requests_conform(schema: Any, bench: Bench, key: Key) -> None:
    method, path = key
    operation = schema[path][method]
    statuses = set()
    valid = edges(schema, operation, GenerationMode.POSITIVE, MAX_EDGES)
    for number, case in enumerate(valid):
        statuses.add(bench.check(case, number if number % 8 < 7 else None))
    invalid = edges(schema, operation, GenerationMode.NEGATIVE, MAX_INVALID_EDGES)
    for number, case in enumerate(invalid):
        bench.check(case, number if number % 2 else None)
    # Otherwise nothing but problems would have been looked at.
    assert key in NOT_EXPECTED_TO_SUCCEED or min(statuses) < 400, statuses


def edges(schema: Any, operation: Any, mode: GenerationMode, most: int) -> list[Any]:
    """Every value of every parameter that is at the edge of something; of many, some."""
    every = CoverageGenerator(
        operation=operation,
        generation_modes=[mode],
        generation_config=schema.config.generation_for(operation=operation, phase="coverage"),
        auth_storage=None,
        override=Override(),
        feedback=NO_FEEDBACK,
        hooks=None,
    )
    cases = list(every)
    return cases[:: -(-len(cases) // most) or 1]
