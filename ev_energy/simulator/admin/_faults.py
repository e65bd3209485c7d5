"""Faults, from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ev_energy.simulator.admin._endpoint import Door, refused
from ev_energy.simulator.faults import kinds
from ev_energy.simulator.http._problems import not_found

if TYPE_CHECKING:
    from ev_energy.simulator.admin._endpoint import Ask
    from ev_energy.simulator.faults import Fault


def _all(ask: Ask) -> Any:
    return [fault.as_json() for fault in ask.simulator.faults]


def _kinds(ask: Ask) -> Any:
    del ask
    return kinds()


def _add(ask: Ask) -> Any:
    try:
        return ask.simulator.faults.add_json(dict(ask.body)).as_json()
    except ValueError as error:
        name = str(error).partition(": ")[0]
        raise refused(error, "kind", *([name] if name.isidentifier() else [])) from None


def _one(ask: Ask) -> Fault:
    for fault in ask.simulator.faults:
        if fault.id == ask.params["fault_id"]:
            return fault
    raise not_found("No such fault")


def _show(ask: Ask) -> Any:
    return _one(ask).as_json()


def _remove(ask: Ask) -> None:
    ask.simulator.faults.remove(_one(ask))


def _clear(ask: Ask) -> None:
    ask.simulator.faults.clear()


FAULTS: Final = (
    Door(
        method="GET",
        path="/faults",
        about="What is to go wrong, and how often it did.",
        answer=_all,
    ),
    Door(
        method="GET",
        path="/faults/kinds",
        about="What can go wrong, and the details of each.",
        answer=_kinds,
    ),
    Door(
        method="POST",
        path="/faults",
        about="Let something go wrong: an object with kind, operation, count, probability, after, "
        "and the details that /__sim/faults/kinds tells.",
        answer=_add,
        takes=None,
        made=True,
    ),
    Door(method="DELETE", path="/faults", about="Let all faults go.", answer=_clear),
    Door(method="GET", path="/faults/{fault_id}", about="One fault.", answer=_show),
    Door(method="DELETE", path="/faults/{fault_id}", about="Let one fault go.", answer=_remove),
)
