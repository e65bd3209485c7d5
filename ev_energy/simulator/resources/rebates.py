"""Users' applications for rebates, and the files that prove them."""

from __future__ import annotations

import functools
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ev_energy.models.rebates import UserRebateStatus as Status
from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator.http._filters import equals
from ev_energy.simulator.http._problems import ProblemError, invalid
from ev_energy.simulator.http._routes import Reply, detail, listing, read_link
from ev_energy.simulator.resources._evidence_bucket import LIFETIME, file_url, presigned_url
from ev_energy.simulator.resources.program_membership import location_of
from ev_energy.simulator.resources.rebate_types import types_in
from ev_energy.simulator.world._homes import HOME_TEMPLATES
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._tables import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._homes import HomeTemplate
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


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
    applications = homes.numbering(lambda home: home.user_rebates, _most(lambda k: k.user_rebates))
    world.owned_table(
        "user_rebates", "rbtu", applications, functools.partial(_application, world), view=_view
    )
    files = homes.numbering(lambda home: home.rebate_files, _most(lambda k: k.rebate_files))
    world.owned_table(
        "rebate_evidence_files", "rbef", files, functools.partial(_file, world), view=_view
    )


def _most(of: Callable[[HomeTemplate], int]) -> int:
    """Return how many of something the homes of the pilot have."""
    return _BLOCKS * sum(map(of, HOME_TEMPLATES))


def _view(row: Row, _viewer: Viewer) -> Row:
    """Return a row without its user, whom only the world needs."""
    return {name: value for name, value in row.items() if name != "user"} | {"_user": row["user"]}


def _type_of(world: World, home: int, slot: int) -> Row:
    types = types_in(world, world.homes.template(home).city.country)
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
            str(place): "412.50" if entry["data_type"] == "currency" else "See the attached file"
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
    applications = world.homes.numbering(lambda home: home.user_rebates).of_home(home)
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
        for row in world.rows_of_user(user_id, "user_rebates")
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
    world.update(application, status=str(Status.PENDING_IN_PROGRESS), **members)


def submit(world: World, application: Row) -> None:
    """Close a form, and have it reviewed."""
    now = write_instant(world.now)
    world.update(application, status=str(Status.COMPLETE), _submitted_at=now)


def files_of(world: World, application: Row) -> Iterator[Row]:
    """Return the files that were uploaded for an application, the oldest first."""
    for row in world.rows_of_user(application["_user"].key, "rebate_evidence_files"):
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


def _country(call: Call) -> str | None:
    user_id = call.viewer.user_id
    return None if user_id is None else location_of(call.world, user_id).get("country_code")


def _types(call: Call) -> Collection:
    return Selection(call.world.tables["rebate_types"], types_in(call.world, _country(call)))


def _translated(call: Call, row: Row) -> Row:
    words = row["_other_words"]
    return dict(words.get(call.preferred_language(words), {}))


def _evidence_of(call: Call, application: Row) -> Row:
    """Return the type of an application's rebate with what was entered and uploaded for it."""
    world = call.world
    rebate = world.follow(application["rebate_type"]) or {}
    files = {row["rebate_evidence_type"]: row for row in files_of(world, application)}

    def proved(link: Link) -> Row:
        evidence = world.follow(link) or {}
        filled = application["_evidence"].get(link.key, {})
        file = files.get(link)
        url = file and {"name": file["file_name"], "url": file_url(call.root, file)}
        entries = [
            entry | {"value": filled.get(str(place))}
            for place, entry in enumerate(evidence["evidence_data"], 1)
        ]
        return evidence | {"file": url, "evidence_data": entries}

    return {"rebate_type": rebate | {"required_evidence": [*map(proved, _links(rebate))]}}


def _links(rebate: Row) -> list[Link]:
    links: list[Link] = rebate["required_evidence"]
    return links


def _with_evidence(call: Call, application: Row) -> Row:
    rebate_type = call.expand.get("rebate_type")
    if rebate_type is None or "required_evidence" not in rebate_type:
        return {}
    return _evidence_of(call, application)


def _applications(call: Call) -> Reply:
    table = call.world.tables["user_rebates"]
    user_id = call.viewer.user_id
    rows = (table if user_id is None else table.for_user(user_id)).after(None)
    seen = (table.view_for(row, call.viewer) for row in rows)
    return Reply([call.serialize(row | _with_evidence(call, row)) for row in seen])


def _place(call: Call, row: Row) -> Row:
    """Return where something is."""
    return call.serialize({"id": row["id"], "url": row["url"]})


def _apply(call: Call) -> Reply:
    user_id = call.viewer.user_id
    if user_id is None:
        raise ProblemError(400, "Who is it for?", "EvEnergy-User is needed with this token.")
    link = read_link(call.world, "rebate_types", call.body["rebate_type"])
    if link is None or link not in [row["url"] for row in types_in(call.world, _country(call))]:
        raise invalid({"rebate_type": ["Not the URL of a rebate that the user can have."]})
    if is_under_review(call.world, user_id, link):
        raise invalid({"rebate_type": ["An application for it is being reviewed."]})
    return Reply(_place(call, apply(call.world, user_id, link)), 201)


def _open_application(call: Call) -> Row:
    row = call.row("user_rebates", "user_rebate_id")
    if is_submitted(row):
        raise ProblemError(400, "Submitted", "The application was submitted already.")
    return row


def _fill_in(call: Call) -> Reply:
    world, row, body = call.world, _open_application(call), call.body
    errors: FieldErrors = {}
    if read_link(world, "rebate_types", body["rebate_type"]) != row["rebate_type"]:
        errors["rebate_type"] = ["Not the rebate that this application is for."]
    link = read_link(world, "rebate_evidence_types", body["evidence_type"])
    evidence = world.follow(link)
    if link is None or evidence is None or link not in _wanted(call, row):
        errors["evidence_type"] = ["Not evidence that this rebate needs."]
    elif wrong := entry_faults(evidence, body["evidence_data"]):
        errors["evidence_data"] = wrong
    if errors or link is None:
        raise invalid(errors)
    fill_in(world, row, link, body["evidence_data"])
    return Reply(_place(call, row))


def _wanted(call: Call, application: Row) -> list[Link]:
    return _links(call.world.follow(application["rebate_type"]) or {"required_evidence": []})


def _submit(call: Call) -> Reply:
    row = _open_application(call)
    if lacking := missing(call.world, row):
        raise invalid({"required_evidence": lacking})
    submit(call.world, row)
    return Reply()


def _start_upload(call: Call) -> Reply:
    world, body = call.world, call.body
    errors: FieldErrors = {}
    table = world.tables["user_rebates"]
    row = table.get(call.query.get("user_rebate", ""))
    name: str = body.get("file_name", "").strip()
    link = read_link(world, "rebate_evidence_types", body.get("rebate_evidence_type", ""))
    if row is None or not call.can_see(table, row):
        errors["user_rebate"] = ["Not the id of an application."]
    elif is_submitted(row):
        errors["user_rebate"] = ["The application was submitted already."]
    elif link not in _wanted(call, row):
        errors["rebate_evidence_type"] = ["Not the URL of evidence that this rebate needs."]
    if not name:
        errors["file_name"] = ["This is needed."]
    if errors or row is None or link is None:
        raise invalid(errors)
    application = table.view_for(row, call.viewer)
    file = start_file(world, application, link, name, until=call.world.service_clock() + LIFETIME)
    begin(world, application)
    url = presigned_url(call.root, file)
    return Reply(_place(call, file) | {"presigned_url": url}, 201)


def _finish_upload(call: Call) -> Reply:
    row = call.row("rebate_evidence_files", "rebate_evidence_file_id")
    if row["_upload"] is None:
        raise ProblemError(400, "Nothing uploaded", "Nothing was put to the presigned URL yet.")
    if row["_finished_at"] is None:
        call.world.update(row, _finished_at=write_instant(call.now))
    return Reply(_place(call, row))


_APPLICATION: Final = "/user_rebates/{user_rebate_id}"
_FILE: Final = "/rebate_evidence_files/{rebate_evidence_file_id}"

ROUTES: Final[Routes] = {
    ("GET", "/rebate_types"): listing(_types),
    ("GET", "/rebate_types/{rebate_type_id}"): detail(_translated),
    ("GET", "/rebate_evidence_types"): listing(),
    ("GET", "/rebate_evidence_types/{rebate_evidence_type_id}"): detail(_translated),
    ("GET", "/user_rebates"): _applications,
    ("POST", "/user_rebates"): _apply,
    ("GET", _APPLICATION): detail(_with_evidence),
    ("PATCH", _APPLICATION): _fill_in,
    ("POST", _APPLICATION + ":submit"): _submit,
    ("GET", "/rebate_evidence_files"): listing(filters={"user_rebate": equals("_rebate")}),
    ("POST", "/rebate_evidence_files:start_upload"): _start_upload,
    ("GET", _FILE): detail(),
    ("POST", _FILE + ":finish_upload"): _finish_upload,
}
