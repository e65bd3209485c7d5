"""Minimal valid calls of each operation, for resources that exist."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ev_energy._operations import AS_GIVEN, operation_table
from tests.helpers.conformity.existing import ExistingResources
from tests.helpers.spec import corrections
from tests.helpers.spec.description import Described, Description
from tests.helpers.spec.wire import Wire

Key = tuple[str, str]

#: Values that the text of the description or the simulator requires, but no schema states. Ids
#: and URLs are replaced by those of existing resources.
GIVEN: dict[Key, Mapping[str, Any]] = {
    ("GET", "/evse_compatibility/check"): {"evse_model_id": "emod"},
    ("GET", "/vehicle_compatibility/check"): {"vehicle_model_id": "vmod"},
    ("GET", "/hem_systems/{hem_system_id}/energy_stats"): {
        "start": "2026-10-04T00:00:00Z",
        "end": "2026-10-04T12:00:00Z",
        "resolution": "PT30M",
    },
    ("POST", "/dispatch_coordinators/{dispatch_coordinator_id}/dispatch_events"): {
        "start_time": "2026-10-06T12:00:00Z",
        "end_time": "2026-10-06T13:00:00Z",
        "import_limit_watts": 1000,
    },
    ("POST", "/evse_onboarding/import"): {"provider": "Easee", "serial_number": "EH1"},
    ("POST", "/inverters"): {"model": "imod", "user": "user"},
    ("POST", "/programs/{program_id}/post-enrollment-verification"): {"account_number": "12345"},
    ("POST", "/programs/{program_id}/user_verification"): {"account_number": "12345"},
    ("POST", "/rebate_evidence_files:start_upload"): {
        "user_rebate": "rbtu",
        "file_name": "bill.pdf",
        "rebate_evidence_type": "rbet",
    },
}
_INSTANT = "2001-01-01T00:00:00.000001Z"


#: Operations for which an application must name a user.
FOR_A_USER = frozenset(
    {
        ("GET", "/incentive_schemes"),
        ("POST", "/programs/{program_id}/join"),
        ("POST", "/programs/{program_id}/post-enrollment-verification"),
        ("POST", "/programs/{program_id}/user_verification"),
        ("POST", "/user_rebates"),
        ("POST", "/vehicles"),
    }
)


class Call(NamedTuple):
    """A request without a token."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any


class Calls:
    """Builds calls from the schemas, the client's table of operations and existing resources."""

    def __init__(self, spec: Description, existing: ExistingResources) -> None:
        described = {operation.key: operation for operation in spec.operations}
        self._existing = existing
        self._wires: dict[Key, Wire] = {}
        for operation in operation_table():
            if operation.call not in corrections.SECOND_FORMS:
                key = operation.method, operation.path
                self._wires[key] = Wire(spec, operation, described[key])

    def minimal(self, key: Key, pick: int = 0) -> Call | None:
        """Return the simplest call that must succeed, or None if no resource exists for it."""
        method, template = key
        path = self._existing.path(template, pick)
        if "{" in template and not path:
            return None
        wire = self._wires[key]
        values, names = wire.least(), wire.operation.json
        query = {name: values.pop(name) for name in wire.operation.query if name in values}
        for name in wire.operation.ids:
            values.pop(name, None)
        body: Any = None
        if names is not None:  # the remaining values are the body, or its members
            body = next(iter(values.values())) if names == AS_GIVEN else values
        for name, value in GIVEN.get(key, {}).items():
            (query if name in wire.operation.query else body)[name] = value
        return Call(
            method,
            template.format_map(path),
            {"EvEnergy-User": self._existing.user(pick)} if key in FOR_A_USER else {},
            self._existing.query(template, query, pick),
            self._existing.body(template, body, pick),
        )


def missing_path(operation: Described, path: str) -> str:
    """Return the path of a call with the last id replaced by an unknown one."""
    *_, name = re.findall(r"{(\w+)}", operation.path)
    schema = operation.parameters["path", name].schema
    prefix = re.match(r"\^?\(?([a-z]{4})\[", schema.get("pattern", ""))
    missing = prefix[1] + "0" * 26 if prefix else _INSTANT
    before, _, after = operation.path.partition(f"{{{name}}}")
    pattern = re.sub(r"{\w+}", "[^/]+", before) + "([^/]+?)" + after
    match = re.fullmatch(pattern, path)
    assert match is not None
    return path[: match.start(1)] + missing + path[match.end(1) :]
