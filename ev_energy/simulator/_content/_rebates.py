"""Users' applications for rebates, and the files that prove them."""

from __future__ import annotations

import functools
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.models.rebates import UserRebateStatus as Status
from ev_energy.simulator._content._rebate_types import types_in
from ev_energy.simulator._store._homes import KINDS
from ev_energy.simulator._store._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator._store._rows import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ev_energy.simulator._api._problems import FieldErrors
    from ev_energy.simulator._store._homes import Kind
    from ev_energy.simulator._store._rows import Row, Viewer
    from ev_energy.simulator._store._world import World

#: Rebates are a pilot in the first few blocks of homes: the lists of them have no pages.
_BLOCKS: Final = 3
#: How far the applications of a home have come, in their order.
_STATUSES: Final = (
    Status.COMPLETE,
    Status.PENDING_IN_PROGRESS,
    Status.PENDING_TYPE_SELECTED,
    Status.NOT_STARTED,
)
_SUBMITTED: Final = ANCHOR - timedelta(days=40)
_REVIEW: Final = timedelta(days=3)
_AMOUNT: Final = re.compile(r"\d{1,9}(\.\d{1,2})?", re.ASCII)


def add_rebates(world: World) -> None:
    """Open the tables of applications and of evidence files."""
    homes = world.homes
    applications = homes.layout(lambda kind: kind.user_rebates, _most(lambda k: k.user_rebates))
    world.owned_table(
        "user_rebates", "rbtu", applications, functools.partial(_application, world), view=_view
    )
    files = homes.layout(lambda kind: kind.rebate_files, _most(lambda k: k.rebate_files))
    world.owned_table(
        "rebate_evidence_files", "rbef", files, functools.partial(_file, world), view=_view
    )


def _most(of: Callable[[Kind], int]) -> int:
    """Return how many of something the homes of the pilot have."""
    return _BLOCKS * sum(map(of, KINDS))


def _view(row: Row, _viewer: Viewer) -> Row:
    """Return a row without its user, whom only the world needs."""
    return {name: value for name, value in row.items() if name != "user"} | {"_user": row["user"]}


def _type_of(world: World, home: int, slot: int) -> Row:
    types = types_in(world, world.homes.kind(home).city.country)
    return types[slot % len(types)]


def _uploaded(world: World, home: int, slot: int) -> Link:
    """Return the type of evidence that a made application has a file for."""
    links: list[Link] = _type_of(world, home, slot)["required_evidence"]
    return next(link for link in links if (world.follow(link) or {})["upload_required"])


def _application(world: World, home: int, slot: int, number: int) -> Row:
    del number
    status, rebate = _STATUSES[slot], _type_of(world, home, slot)
    complete = status is Status.COMPLETE
    filled: dict[str, dict[str, str]] = {}
    for link in rebate["required_evidence"] if complete else ():
        entries = (world.follow(link) or {})["evidence_data"]
        filled[link.key] = {
            str(place): "412.50" if entry["data_type"] == "currency" else "As on the paper"
            for place, entry in enumerate(entries, 1)
            if entry["required"]
        }
    return {
        "status": str(status),
        "rebate_type": rebate["url"],
        "_evidence": filled,
        "_submitted_at": write_instant(_SUBMITTED) if complete else None,
    }


def _file(world: World, home: int, slot: int, number: int) -> Row:
    applications = world.homes.layout(lambda kind: kind.user_rebates).of_home(home)
    return {
        "file_name": f"scan-{number + 1:03}.pdf",
        "rebate_evidence_type": _uploaded(world, home, slot),
        "_rebate": world.key_of("user_rebates", applications[slot]),
        "_expires_at": write_instant(_SUBMITTED),
        "_upload": {"size": 48_211 + number, "type": "application/pdf"},
        "_finished_at": write_instant(_SUBMITTED - timedelta(minutes=5)),
    }


def apply(world: World, user_id: str, rebate_type: Link) -> Row:
    """Keep a new application."""
    return world.tables["user_rebates"].add({
        "id": world.new_id("user_rebates"),
        "user": Link("users", user_id),
        "status": str(Status.PENDING_TYPE_SELECTED),
        "rebate_type": rebate_type,
        "_evidence": {},
        "_submitted_at": None,
    })  # fmt: skip


def is_submitted(application: Row) -> bool:
    """Return whether a form is closed."""
    return bool(application["status"] == str(Status.COMPLETE))


def is_under_review(world: World, user_id: str, rebate_type: Link) -> bool:
    """Return whether a user waits for the answer to an application of this type."""
    return any(
        row["_submitted_at"] is not None
        and row["rebate_type"] == rebate_type
        and world.now < read_instant(row["_submitted_at"]) + _REVIEW
        for row in world.things_of(user_id, "user_rebates")
    )


def entry_faults(evidence: Row, given: list[Row]) -> FieldErrors:
    """Return what is wrong with the entries sent for a type of evidence, by their place.

    The API does not say where the ids of entries are from: here they are counted from 1, in the
    order in which the type of evidence has them.
    """
    entries: list[Row] = evidence["evidence_data"]
    known = dict(enumerate(entries, 1))
    errors: FieldErrors = {}
    for at, one in enumerate(given):
        entry = known.get(one["id"])
        if entry is None:
            errors[str(at)] = {"id": [f"There are entries 1 to {len(known)}."]}
        elif entry["data_type"] == "currency" and not _AMOUNT.fullmatch(one["value"]):
            errors[str(at)] = {"value": ["Must be an amount without a currency, such as 1000.50."]}
        elif entry["required"] and not one["value"].strip():
            errors[str(at)] = {"value": ["This is needed."]}
    return errors


def fill_in(world: World, application: Row, evidence: Link, given: list[Row]) -> None:
    """Keep what was entered for a type of evidence; entries that were not sent stay."""
    filled: dict[str, Any] = application["_evidence"]
    entries = {str(int(one["id"])): one["value"] for one in given}
    entries = {**filled.get(evidence.key, {}), **entries}
    begin(world, application, _evidence={**filled, evidence.key: entries})


def begin(world: World, application: Row, **members: Any) -> None:
    """Note that somebody works at an application."""
    world.change(application, status=str(Status.PENDING_IN_PROGRESS), **members)


def submit(world: World, application: Row) -> None:
    """Close a form, and have it reviewed."""
    now = write_instant(world.now)
    world.change(application, status=str(Status.COMPLETE), _submitted_at=now)


def files_of(world: World, application: Row) -> Iterator[Row]:
    """Return the files that were uploaded for an application, the oldest first."""
    for row in world.things_of(application["_user"].key, "rebate_evidence_files"):
        if row["_rebate"] == application["id"] and row["_finished_at"] is not None:
            yield row


def missing(world: World, application: Row) -> FieldErrors:
    """Return what an application still lacks, by the id of the type of evidence."""
    proved = {row["rebate_evidence_type"] for row in files_of(world, application)}
    rebate = world.follow(application["rebate_type"]) or {}
    errors: FieldErrors = {}
    for link in rebate["required_evidence"]:
        evidence = world.follow(link) or {}
        filled = application["_evidence"].get(link.key, {})
        lacking = [
            f"Still to be filled in: {entry['title']}."
            for place, entry in enumerate(evidence["evidence_data"], 1)
            if entry["required"] and str(place) not in filled
        ]
        if evidence["upload_required"] and link not in proved:
            lacking.append("A file is needed.")
        if lacking:
            errors[link.key] = lacking
    return errors


def start_file(
    world: World, application: Row, evidence: Link, name: str, *, until: datetime
) -> Row:
    """Keep a file that is to be uploaded until then."""
    file_id = world.new_id("rebate_evidence_files")
    return world.tables["rebate_evidence_files"].add({
        "id": file_id,
        "user": application["_user"],
        "file_name": name,
        "rebate_evidence_type": evidence,
        "_rebate": application["id"],
        "_expires_at": write_instant(until),
        "_upload_key": world.secrets.text("upload", file_id),
        "_upload": None,
        "_finished_at": None,
    })  # fmt: skip
