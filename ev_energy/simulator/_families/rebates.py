"""Rebates: their types, users' applications for them, and the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.simulator._api._bodies import read_link
from ev_energy.simulator._api._filters import equals
from ev_energy.simulator._api._languages import preferred
from ev_energy.simulator._api._problems import ProblemError, invalid
from ev_energy.simulator._api._routes import Reply, detail, listing
from ev_energy.simulator._content._membership import location_of
from ev_energy.simulator._content._rebate_types import types_in
from ev_energy.simulator._content._rebates import (
    apply,
    begin,
    entry_faults,
    files_of,
    fill_in,
    is_submitted,
    is_under_review,
    missing,
    start_file,
    submit,
)
from ev_energy.simulator._store._instants import write_instant
from ev_energy.simulator._store._tables import Rows
from ev_energy.simulator._uploads import LIFETIME, file_url, presigned_url

if TYPE_CHECKING:
    from ev_energy.simulator._api._problems import FieldErrors
    from ev_energy.simulator._api._routes import Call, Routes
    from ev_energy.simulator._store._rows import Link, Row
    from ev_energy.simulator._store._tables import Collection


def _country(call: Call) -> str | None:
    user_id = call.viewer.user_id
    return None if user_id is None else location_of(call.world, user_id).get("country_code")


def _types(call: Call) -> Collection:
    return Rows(call.world.tables["rebate_types"], types_in(call.world, _country(call)))


def _translated(call: Call, row: Row) -> Row:
    words = row["_other_words"]
    return dict(words.get(preferred(call.language, words), {}))


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
    rows = (table if user_id is None else table.of_user(user_id)).after(None)
    seen = (table.seen_by(row, call.viewer) for row in rows)
    return Reply([call.show(row | _with_evidence(call, row)) for row in seen])


def _place(call: Call, row: Row) -> Row:
    """Return where something is."""
    return call.show({"id": row["id"], "url": row["url"]})


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
    if row is None or not call.may_see(table, row):
        errors["user_rebate"] = ["Not the id of an application."]
    elif is_submitted(row):
        errors["user_rebate"] = ["The application was submitted already."]
    elif link not in _wanted(call, row):
        errors["rebate_evidence_type"] = ["Not the URL of evidence that this rebate needs."]
    if not name:
        errors["file_name"] = ["This is needed."]
    if errors or row is None or link is None:
        raise invalid(errors)
    application = table.seen_by(row, call.viewer)
    file = start_file(world, application, link, name, until=call.world.service_clock() + LIFETIME)
    begin(world, application)
    url = presigned_url(call.root, file)
    return Reply(_place(call, file) | {"presigned_url": url}, 201)


def _finish_upload(call: Call) -> Reply:
    row = call.row("rebate_evidence_files", "rebate_evidence_file_id")
    if row["_upload"] is None:
        raise ProblemError(400, "Nothing uploaded", "Nothing was put to the presigned URL yet.")
    if row["_finished_at"] is None:
        call.world.change(row, _finished_at=write_instant(call.now))
    return Reply(_place(call, row))


_APPLICATION: Final = "/user_rebates/{user_rebate_id}"
_FILE: Final = "/rebate_evidence_files/{rebate_evidence_file_id}"

REBATES: Final[Routes] = {
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
