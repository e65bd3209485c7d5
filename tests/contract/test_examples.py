from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from yarl import URL

import ev_energy.models
from ev_energy import errors
from ev_energy._codec.decode import decode
from ev_energy._codec.drift import Drift, DriftDetected, Reporter
from ev_energy._codec.problems import api_error
from ev_energy._messages import Request, Response
from ev_energy.models._base import Model
from tests.helpers.spec import corrections
from tests.helpers.spec.description import Description, Problem, from_facts

#: All of this reads the vendor's text: run it with `-m description` and EV_ENERGY_SPEC set.
pytestmark = pytest.mark.description


def examples(spec: Description) -> Iterator[tuple[str, type[Model], Any]]:
    """Every example of a reply of the families, and of a schema that such replies hold."""
    for operation in spec.operations:
        for success in operation.successes:
            for name, value in success.examples.items():
                if success.schema_name == "Counts":
                    continue
                cls = getattr(ev_energy.models, str(success.schema_name))
                found = (
                    value.get(operation.envelope_key, value) if operation.envelope_key else value
                )
                yield f"{operation.method} {operation.path} {success.status} {name}", cls, found
    for name in sorted(spec.schemas.keys() - corrections.NO_MODEL.keys() - {"Counts"}):
        cls, schema = getattr(ev_energy.models, name), spec.schemas[name]
        if not issubclass(cls, Model):
            continue
        shown = [*schema.get("examples", ()), *([schema["example"]] if "example" in schema else [])]
        for index, value in enumerate(shown):
            yield f"{name} example {index}", cls, value
        composed = spec.composed(schema)
        if composed and spec.object(schema)[1] <= composed.keys():
            yield f"{name} of its members' examples", cls, composed
        elif composed:
            filled = dict.fromkeys(spec.object(schema)[1], "unknown") | composed
            yield f"{name} of its members' examples and made-up text", cls, filled


def read(value: Any, cls: type[Model], report: Reporter) -> list[Model]:
    many = isinstance(value, list)
    found = decode(json.dumps(value).encode(), cls, report, as_list=many)  # type: ignore[call-overload]
    return found if many else [found]


def test_examples_cover_replies_schemas_and_fields(vendor: Description) -> None:
    names = [name for name, _, _ in examples(vendor)]
    assert len(names) == len(set(names))
    assert len(names) >= 25
    assert set(corrections.FAULTY_EXAMPLES) <= set(names)


def test_examples_are_read_completely(vendor: Description) -> None:
    for name, cls, value in examples(vendor):
        drifts: list[Drift] = []
        for data, built in zip(
            value if isinstance(value, list) else [value],
            read(value, cls, Reporter(drifts.append)),
            strict=True,
        ):
            sent = {member for member, value in data.items() if value is not None}
            other_spellings = {"expiry"} if hasattr(built, "expires_at") else set()
            assert sent - other_spellings <= {*built.to_dict(), *built.extra}, name
        assert bool(drifts) == (name in corrections.FAULTY_EXAMPLES or "made-up" in name), name


def test_examples_survive_a_round_trip(vendor: Description) -> None:
    for name, cls, value in examples(vendor):
        for built in read(value, cls, Reporter()):
            written = built.to_dict()
            again = cls.from_dict(json.loads(json.dumps(written)))
            assert again == built, name
            assert again.to_dict() == written, name


def test_strict_client_refuses_only_the_known_faulty_examples(
    vendor: Description,
) -> None:
    refused = set()
    for name, cls, value in examples(vendor):
        try:
            read(value, cls, Reporter(strict=True))
        except DriftDetected:
            refused.add(name)
    assert {name for name in refused if "made-up" not in name} == set(corrections.FAULTY_EXAMPLES)


def test_faulty_example_is_reported_with_its_path(vendor: Description) -> None:
    ((cls, value),) = [
        (cls, value)
        for name, cls, value in examples(vendor)
        if name.startswith("GET /evses/{evse_id} ")
    ]
    drifts: list[Drift] = []
    read(value, cls, Reporter(drifts.append))
    assert {(drift.path, drift.kind.value) for drift in drifts} == {
        ("$.cpid", "missing member"),
        ("$.model.url", "missing member"),
        ("$.model.make.url", "missing member"),
    }


def _error(problem: Problem, **changes: Any) -> errors.ApiError:
    body = json.dumps({**problem.example, **changes}).encode()
    request = Request("GET", URL("https://api.ev.energy/v2/evses"))
    return api_error(request, Response(problem.status, "Reason", {}, body))


def test_problem_becomes_the_error_of_its_status(vendor: Description) -> None:
    classes = {
        400: errors.BadRequestError,
        401: errors.UnauthorizedError,
        403: errors.ForbiddenError,
        404: errors.NotFoundError,
        405: errors.ApiError,
        406: errors.NotAcceptableError,
        409: errors.ConflictError,
        413: errors.ApiError,
        422: errors.UnprocessableError,
        429: errors.RateLimitError,
        503: errors.ServerError,
    }
    for problem in vendor.different_problems:
        error = _error(problem)
        assert type(error) is classes[problem.status], problem.where
        assert error.status == problem.status


def test_error_has_all_fields_of_its_problem(vendor: Description) -> None:
    read_by_name = {"type", "status", "title", "detail", "instance", "field_errors"}
    for problem in vendor.different_problems:
        error, example = _error(problem), problem.example
        assert error.title == example.get("title", "Reason"), problem.where
        assert error.detail == example.get("detail", "")
        assert error.instance == example.get("instance")
        assert error.field_errors == example.get("field_errors", {})
        slug = example["type"].strip("/").split("/")[-1] if "type" in example else None
        assert error.type == slug
        assert error.extensions == {k: v for k, v in example.items() if k not in read_by_name}
        for text in (error.title, error.detail, *error.field_errors):
            assert text in str(error)


def test_http_status_takes_precedence_over_the_one_in_the_body(vendor: Description) -> None:
    for problem in vendor.different_problems:
        assert _error(problem, status=599).status == problem.status, problem.where


def test_problem_types_of_examples_are_those_of_the_facts(vendor: Description) -> None:
    facts = from_facts()
    for operation in vendor.operations:
        shown = {_error(problem).type for problem in operation.problems}
        # The placeholder of the schema, where an operation shows no example of its own.
        placeholders = {None, "example-problem"}
        assert shown - placeholders == facts.operation(*operation.key).problem_types, operation.key


def test_notification_of_a_problem_is_a_model(vendor: Description) -> None:
    (example,) = vendor.schemas["RFC9457ProblemDetail"]["examples"]
    error = _error(Problem("", 400, example))
    assert isinstance(error.notification, ev_energy.models.Notification)
    assert error.notification.category is ev_energy.models.NotificationCategory.ACTIONABLE
    written = error.notification.to_dict()
    assert {n: v for n, v in written.items() if n not in {"event_time", "read_at"}} == {
        n: v for n, v in example["notification"].items() if n not in {"event_time", "read_at"}
    }


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_status_5xx_is_a_server_error(vendor: Description, status: int) -> None:
    (example,) = vendor.schemas["RFC9457ProblemDetail"]["examples"]
    assert type(_error(Problem("", status, example))) is errors.ServerError
