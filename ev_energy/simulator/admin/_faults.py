"""Admin endpoints of faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.admin._endpoint import AdminEndpoint, bad_request
from ev_energy.simulator.faults import kinds
from ev_energy.simulator.http._problems import not_found

if TYPE_CHECKING:
    from ev_energy.simulator.admin._endpoint import AdminRequest
    from ev_energy.simulator.faults import Fault


def _list(request: AdminRequest) -> Any:
    return [fault.as_json() for fault in request.simulator.faults]


def _kinds(request: AdminRequest) -> Any:
    del request
    return kinds()


def _add(request: AdminRequest) -> Any:
    try:
        return request.simulator.faults.add_json(dict(request.body)).as_json()
    except ValueError as error:
        name = str(error).partition(": ")[0]
        raise bad_request(error, "kind", *([name] if name.isidentifier() else [])) from None


def _one(request: AdminRequest) -> Fault:
    for fault in request.simulator.faults:
        if fault.id == request.params["fault_id"]:
            return fault
    raise not_found("No such fault exists.")


def _show(request: AdminRequest) -> Any:
    return _one(request).as_json()


def _remove(request: AdminRequest) -> None:
    request.simulator.faults.remove(_one(request))


def _clear(request: AdminRequest) -> None:
    request.simulator.faults.clear()


FAULTS: Final = (
    AdminEndpoint(
        method="GET",
        path="/faults",
        about="All faults, with the number of requests that each has struck.",
        handler=_list,
    ),
    AdminEndpoint(
        method="GET",
        path="/faults/kinds",
        about="The kinds of faults and their details.",
        handler=_kinds,
    ),
    AdminEndpoint(
        method="POST",
        path="/faults",
        about="Add a fault: an object with kind, operation, count, probability, after, "
        "and the details that /__sim/faults/kinds lists.",
        handler=_add,
        body=None,
        creates=True,
    ),
    AdminEndpoint(method="DELETE", path="/faults", about="Remove all faults.", handler=_clear),
    AdminEndpoint(method="GET", path="/faults/{fault_id}", about="One fault.", handler=_show),
    AdminEndpoint(
        method="DELETE", path="/faults/{fault_id}", about="Remove one fault.", handler=_remove
    ),
)
