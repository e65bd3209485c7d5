"""Rebates: their types, the applications of users and the evidence that users upload."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.models.rebates import UserRebateStatus as Status
from ev_energy.simulator.clock._instants import ANCHOR, read_instant, write_instant
from ev_energy.simulator.http._filters import equals
from ev_energy.simulator.http._problems import ProblemError, invalid
from ev_energy.simulator.http._routes import Reply, detail, listing, read_link
from ev_energy.simulator.resources._evidence_bucket import LIFETIME, file_url, presigned_url
from ev_energy.simulator.resources.catalogues import country_of
from ev_energy.simulator.world._homes import HOME_TEMPLATES
from ev_energy.simulator.world._rows import Link
from ev_energy.simulator.world._tables import GeneratedRows, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ev_energy.simulator.http._problems import FieldErrors
    from ev_energy.simulator.http._routes import Call, Routes
    from ev_energy.simulator.world._homes import HomeTemplate, Numbering
    from ev_energy.simulator.world._rows import Row, Viewer
    from ev_energy.simulator.world._tables import Collection
    from ev_energy.simulator.world._world import World


_FIRST_CREATED: Final = ANCHOR - timedelta(days=500)
#: Rebates are a pilot in the first blocks of homes, because the lists of them are not paged.
_PILOT_BLOCKS: Final = 3
#: The statuses of a home's applications, in their order.
_STATUSES: Final = (
    Status.COMPLETE,
    Status.PENDING_IN_PROGRESS,
    Status.PENDING_TYPE_SELECTED,
    Status.NOT_STARTED,
)
_SUBMITTED: Final = ANCHOR - timedelta(days=40)
_REVIEW_TIME: Final = timedelta(days=3)
_AMOUNT: Final = re.compile(r"\d{1,9}(\.\d{1,2})?", re.ASCII)

#: The texts of a resource in one language, by member.
Texts = Mapping[str, str]


@attrs.frozen
class Entry:
    """A field of a form."""

    title: str
    description: str
    type: str = "string"
    is_required: bool = True


@attrs.frozen
class EvidenceType:
    """Something that an application must prove."""

    title: str
    description: str | None
    entries: tuple[Entry, ...] = ()
    needs_file: bool = False
    translations: Mapping[str, Texts] = attrs.Factory(dict[str, Texts])


@attrs.frozen
class RebateType:
    """Something that users can apply for."""

    title: str
    value: str
    requirements: tuple[str, ...]
    evidence: tuple[str, ...]
    country: str | None = None
    """None if drivers in all countries can apply."""
    description_long: str | None = None
    description_short: str | None = None
    has_icon: bool = True
    translations: Mapping[str, Texts] = attrs.Factory(dict[str, Texts])


_EVIDENCE_TYPES: Final = {
    "invoice": EvidenceType(
        "Invoice", "The invoice of the installer.", needs_file=True,
        entries=(
            Entry("Total paid", "The total of the invoice, including taxes.", "currency"),
            Entry("Installer", "The company that did the work."),
            Entry("Note", "Additional information for the reviewer.", is_required=False),
        ),
        translations={
            "de": {"title": "Rechnung", "description": "Die Rechnung des Installationsbetriebs."},
            "nl": {"title": "Factuur", "description": "De factuur van de installateur."},
        },
    ),
    "serial": EvidenceType(
        "Serial number", None,
        entries=(Entry("Serial number", "On the label at the side of the device."),),
        translations={"de": {"title": "Seriennummer"}, "nl": {"title": "Serienummer"}},
    ),
    "photo": EvidenceType("Photo", "A photo of the installed device (optional)."),
    "registration": EvidenceType(
        "Registration", "The document that names you as the keeper of the car.", needs_file=True,
        entries=(Entry("Number plate", "Without spaces."),),
    ),
}  # fmt: skip

REBATE_TYPES: Final = (
    RebateType("Home charger", "up to 350 back",
           ("Installed in the last 90 days", "By a certified firm"), ("invoice", "serial", "photo"),
           description_long="Half of the cost of a charge point and its cables.",
           description_short="For charge points installed in the last 90 days",
           translations={
               "de": {"title": "Wallbox", "value_description": "bis zu 350 zurück"},
               "nl": {"title": "Laadpaal", "value_description": "tot 350 terug"},
           }),
    RebateType("First electric car", "500 once", ("Registered this year", "No other electric car"),
           ("registration",), description_short="For the first electric car of a household"),
    RebateType("Home battery", "90 a kilowatt-hour", ("At least 5 kWh",), ("invoice", "serial"),
           description_long="For batteries that we can charge at night.", has_icon=False),
    RebateType("Solar panels", "up to 800 back", ("On your own roof",), ("invoice",)),
    RebateType("Smart meter", "40 once", ("Installed by your supplier",), ("serial",), "GB"),
    RebateType("Panel upgrade", "up to $1,500 back", ("200 amperes or more",), ("invoice",), "US",
           description_long="For electrical panels without capacity for a charge point."),
)  # fmt: skip


def add_rebates(world: World) -> None:
    """Fill the tables of types; open the tables of applications and of evidence files."""
    evidence_types = _evidence_type_rows(world)
    links = {
        name: Link("rebate_evidence_types", row["id"])
        for name, row in zip(_EVIDENCE_TYPES, evidence_types, strict=True)
    }
    rebate_types = _rebate_type_rows(world, links)
    world.table("rebate_evidence_types", "rbet", GeneratedRows.from_rows(evidence_types))
    world.table("rebate_types", "rbtt", GeneratedRows.from_rows(rebate_types))
    world.owned_table(
        "user_rebates",
        "rbtu",
        _pilot_numbering(world, lambda template: template.user_rebates),
        functools.partial(_application_row, world),
        view=_without_user,
    )
    world.owned_table(
        "rebate_evidence_files",
        "rbef",
        _pilot_numbering(world, lambda template: template.rebate_files),
        functools.partial(_file_row, world),
        view=_without_user,
    )


def _pilot_numbering(world: World, count: Callable[[HomeTemplate], int]) -> Numbering:
    """Return the numbering of things that only the homes of the pilot have."""
    return world.homes.numbering(count, _PILOT_BLOCKS * sum(map(count, HOME_TEMPLATES)))


def _evidence_type_rows(world: World) -> list[Row]:
    return [
        {
            "id": world.random.uid("rbet", _FIRST_CREATED + timedelta(hours=number), name),
            "title": evidence.title,
            "description": evidence.description,
            "upload_required": evidence.needs_file,
            "file": None,
            "evidence_data": [
                {
                    "data_type": entry.type,
                    "title": entry.title,
                    "description": entry.description,
                    "required": entry.is_required,
                    "value": None,
                }
                for entry in evidence.entries
            ],
            "_translations": evidence.translations,
        }
        for number, (name, evidence) in enumerate(_EVIDENCE_TYPES.items())
    ]


def _rebate_type_rows(world: World, evidence_links: Mapping[str, Link]) -> list[Row]:
    rows: list[Row] = []
    for number, rebate in enumerate(REBATE_TYPES):
        created = _FIRST_CREATED + timedelta(days=1, hours=number)
        slug = rebate.title.lower().replace(" ", "-")
        items = "".join(f"<li>{text}</li>" for text in rebate.requirements)
        rows.append({
            "id": world.random.uid("rbtt", created, rebate.title),
            "title": rebate.title,
            "value_description": rebate.value,
            "icon": f"https://cdn.example.com/rebates/{slug}.png" if rebate.has_icon else None,
            "description_long": rebate.description_long,
            "description_short": rebate.description_short,
            "requirements": f"<html><ul>{items}</ul></html>",
            "required_evidence": [evidence_links[name] for name in rebate.evidence],
            "_country": rebate.country,
            "_translations": rebate.translations,
        })  # fmt: skip
    return rows


def _types_in(world: World, country: str | None) -> list[Row]:
    """Return the rebate types for drivers in a country, or all types if it is not known."""
    types = world.tables["rebate_types"]
    return [row for row in types if country is None or row["_country"] in {None, country}]


def _seeded_type(world: World, home: int, slot: int) -> Row:
    types = _types_in(world, world.homes.template(home).city.country)
    return types[slot % len(types)]


def _application_row(world: World, home: int, slot: int, _number: int) -> Row:
    status, rebate_type = _STATUSES[slot], _seeded_type(world, home, slot)
    is_complete = status is Status.COMPLETE
    values: dict[str, dict[str, str]] = {}
    for link in rebate_type["required_evidence"] if is_complete else ():
        values[link.key] = {
            str(entry_id): "412.50" if entry["data_type"] == "currency" else "See the attached file"
            for entry_id, entry in _entries(world.follow(link) or {}).items()
            if entry["required"]
        }
    return {
        "status": str(status),
        "rebate_type": rebate_type["url"],
        "_evidence": values,
        "_submitted_at": write_instant(_SUBMITTED) if is_complete else None,
    }


def _file_row(world: World, home: int, slot: int, number: int) -> Row:
    """Return a file for the first type of evidence that needs one."""
    numbering = world.homes.numbering(lambda template: template.user_rebates)
    links = _required_evidence(_seeded_type(world, home, slot))
    needing_file = (link for link in links if (world.follow(link) or {})["upload_required"])
    return {
        "file_name": f"scan-{number + 1:03}.pdf",
        "rebate_evidence_type": next(needing_file),
        "_rebate": world.key_of("user_rebates", numbering.of_home(home)[slot]),
        "_expires_at": write_instant(_SUBMITTED),
        "_upload": {"size": 48_211 + number, "type": "application/pdf"},
        "_finished_at": write_instant(_SUBMITTED - timedelta(minutes=5)),
    }


def _without_user(row: Row, _viewer: Viewer) -> Row:
    """Return a row without the user, which the API does not show."""
    return {name: value for name, value in row.items() if name != "user"} | {"_user": row["user"]}


def _required_evidence(rebate_type: Row) -> list[Link]:
    links: list[Link] = rebate_type["required_evidence"]
    return links


def _entries(evidence_type: Row) -> dict[int, Row]:
    """Return the entries of a type of evidence by id.

    The API does not say where the ids of entries come from. The simulator counts them from 1, in
    the order of ``evidence_data``.
    """
    entries: list[Row] = evidence_type["evidence_data"]
    return dict(enumerate(entries, 1))


def _add_application(world: World, user_id: str, rebate_type: Link) -> Row:
    return world.tables["user_rebates"].add({
        "id": world.new_id("user_rebates"),
        "user": Link("users", user_id),
        "status": str(Status.PENDING_TYPE_SELECTED),
        "rebate_type": rebate_type,
        "_evidence": {},
        "_submitted_at": None,
    })  # fmt: skip


def _is_submitted(application: Row) -> bool:
    return bool(application["status"] == str(Status.COMPLETE))


def _is_under_review(world: World, user_id: str, rebate_type: Link) -> bool:
    """Return whether an application of the user for this type is being reviewed."""
    return any(
        row["_submitted_at"] is not None
        and row["rebate_type"] == rebate_type
        and world.now < read_instant(row["_submitted_at"]) + _REVIEW_TIME
        for row in world.rows_of_user(user_id, "user_rebates")
    )


def _entry_errors(evidence_type: Row, sent: list[Row]) -> FieldErrors:
    """Return the errors in the sent entries, by their position in the request."""
    entries = _entries(evidence_type)
    errors: FieldErrors = {}
    for position, item in enumerate(sent):
        entry = entries.get(item["id"])
        if entry is None:
            errors[str(position)] = {"id": [f"Must be from 1 to {len(entries)}."]}
        elif entry["data_type"] == "currency" and not _AMOUNT.fullmatch(item["value"]):
            text = "Must be an amount without a currency, such as 1000.50."
            errors[str(position)] = {"value": [text]}
        elif entry["required"] and not item["value"].strip():
            errors[str(position)] = {"value": ["This field is required."]}
    return errors


def _set_in_progress(world: World, application: Row, **members: Any) -> None:
    world.update(application, status=str(Status.PENDING_IN_PROGRESS), **members)


def _store_entries(world: World, application: Row, evidence: Link, sent: list[Row]) -> None:
    """Store the sent entries of a type of evidence; entries that were not sent keep their value."""
    evidence_values: dict[str, Any] = application["_evidence"]
    values = {str(int(item["id"])): item["value"] for item in sent}
    values = {**evidence_values.get(evidence.key, {}), **values}
    _set_in_progress(world, application, _evidence={**evidence_values, evidence.key: values})


def _files_of(world: World, application: Row) -> Iterator[Row]:
    """Yield the uploaded files of an application, the oldest first."""
    for row in world.rows_of_user(application["_user"].key, "rebate_evidence_files"):
        if row["_rebate"] == application["id"] and row["_finished_at"] is not None:
            yield row


def _missing_evidence(world: World, application: Row) -> FieldErrors:
    """Return what is missing in an application, by the id of the type of evidence."""
    with_file = {row["rebate_evidence_type"] for row in _files_of(world, application)}
    rebate_type = world.follow(application["rebate_type"]) or {}
    errors: FieldErrors = {}
    for link in _required_evidence(rebate_type):
        evidence_type = world.follow(link) or {}
        values = application["_evidence"].get(link.key, {})
        missing = [
            f"This entry is required: {entry['title']}."
            for entry_id, entry in _entries(evidence_type).items()
            if entry["required"] and str(entry_id) not in values
        ]
        if evidence_type["upload_required"] and link not in with_file:
            missing.append("A file is required.")
        if missing:
            errors[link.key] = missing
    return errors


def _add_file(
    world: World, application: Row, evidence: Link, name: str, *, expires: datetime
) -> Row:
    """Add a file that can be uploaded until *expires*."""
    file_id = world.new_id("rebate_evidence_files")
    return world.tables["rebate_evidence_files"].add({
        "id": file_id,
        "user": application["_user"],
        "file_name": name,
        "rebate_evidence_type": evidence,
        "_rebate": application["id"],
        "_expires_at": write_instant(expires),
        "_upload_key": world.secrets.text("upload", file_id),
        "_upload": None,
        "_finished_at": None,
    })  # fmt: skip


def _caller_country(call: Call) -> str | None:
    user_id = call.viewer.user_id
    return None if user_id is None else country_of(call.world, user_id)


def _list_types(call: Call) -> Collection:
    types = _types_in(call.world, _caller_country(call))
    return Selection(call.world.tables["rebate_types"], types)


def _translated(call: Call, row: Row) -> Row:
    translations = row["_translations"]
    return dict(translations.get(call.preferred_language(translations), {}))


def _with_evidence(call: Call, application: Row) -> Row:
    """Return the expanded rebate type with the user's entries and files.

    It is empty unless the request expands ``rebate_type`` with ``required_evidence``.
    """
    expanded = call.expand.get("rebate_type")
    if expanded is None or "required_evidence" not in expanded:
        return {}
    world = call.world
    rebate_type = world.follow(application["rebate_type"]) or {}
    files = {row["rebate_evidence_type"]: row for row in _files_of(world, application)}

    def evidence(link: Link) -> Row:
        evidence_type = world.follow(link) or {}
        values = application["_evidence"].get(link.key, {})
        file = files.get(link)
        entries = [
            entry | {"value": values.get(str(entry_id))}
            for entry_id, entry in _entries(evidence_type).items()
        ]
        return evidence_type | {
            "file": file and {"name": file["file_name"], "url": file_url(call.root, file)},
            "evidence_data": entries,
        }

    required_evidence = [evidence(link) for link in _required_evidence(rebate_type)]
    return {"rebate_type": rebate_type | {"required_evidence": required_evidence}}


def _list_applications(call: Call) -> Reply:
    table = call.world.tables["user_rebates"]
    user_id = call.viewer.user_id
    rows = (table if user_id is None else table.for_user(user_id)).after(None)
    applications = (table.view_for(row, call.viewer) for row in rows)
    return Reply([call.serialize(row | _with_evidence(call, row)) for row in applications])


def _reference(call: Call, row: Row) -> Row:
    """Return only the id and the URL of a row."""
    return call.serialize({"id": row["id"], "url": row["url"]})


def _apply(call: Call) -> Reply:
    world, user_id = call.world, call.require_user_id()
    link = read_link(world, "rebate_types", call.body["rebate_type"])
    available = [row["url"] for row in _types_in(world, _caller_country(call))]
    if link is None or link not in available:
        raise invalid({"rebate_type": ["Must be the URL of a rebate type for this user."]})
    if _is_under_review(world, user_id, link):
        raise invalid({"rebate_type": ["An application for this type is under review."]})
    return Reply(_reference(call, _add_application(world, user_id, link)), HTTPStatus.CREATED)


def _open_application(call: Call) -> Row:
    """Return the application in the path, or raise the 400 if it was submitted."""
    row = call.row("user_rebates", "user_rebate_id")
    if _is_submitted(row):
        text = "The application was already submitted."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "Submitted", text)
    return row


def _evidence_of(call: Call, application: Row) -> list[Link]:
    rebate_type = call.world.follow(application["rebate_type"])
    return [] if rebate_type is None else _required_evidence(rebate_type)


def _fill_in(call: Call) -> Reply:
    world, row, body = call.world, _open_application(call), call.body
    errors: FieldErrors = {}
    if read_link(world, "rebate_types", body["rebate_type"]) != row["rebate_type"]:
        errors["rebate_type"] = ["Must be the rebate type of this application."]
    link = read_link(world, "rebate_evidence_types", body["evidence_type"])
    evidence_type = world.follow(link)
    if link is None or evidence_type is None or link not in _evidence_of(call, row):
        errors["evidence_type"] = ["Must be a type of evidence that this rebate requires."]
    elif entry_errors := _entry_errors(evidence_type, body["evidence_data"]):
        errors["evidence_data"] = entry_errors
    if errors or link is None:
        raise invalid(errors)
    _store_entries(world, row, link, body["evidence_data"])
    return Reply(_reference(call, row))


def _submit(call: Call) -> Reply:
    world, row = call.world, _open_application(call)
    if missing := _missing_evidence(world, row):
        raise invalid({"required_evidence": missing})
    world.update(row, status=str(Status.COMPLETE), _submitted_at=write_instant(world.now))
    return Reply()


def _start_upload(call: Call) -> Reply:
    world, body = call.world, call.body
    errors: FieldErrors = {}
    table = world.tables["user_rebates"]
    row = table.get(call.query.get("user_rebate", ""))
    name: str = body.get("file_name", "").strip()
    link = read_link(world, "rebate_evidence_types", body.get("rebate_evidence_type", ""))
    if row is None or not call.can_see(table, row):
        errors["user_rebate"] = ["Must be the id of an application."]
    elif _is_submitted(row):
        errors["user_rebate"] = ["The application was already submitted."]
    elif link not in _evidence_of(call, row):
        text = "Must be the URL of a type of evidence that this rebate requires."
        errors["rebate_evidence_type"] = [text]
    if not name:
        errors["file_name"] = ["This field is required."]
    if errors or row is None or link is None:
        raise invalid(errors)
    application = table.view_for(row, call.viewer)
    expires = world.service_clock() + LIFETIME
    file = _add_file(world, application, link, name, expires=expires)
    _set_in_progress(world, application)
    reply = _reference(call, file) | {"presigned_url": presigned_url(call.root, file)}
    return Reply(reply, HTTPStatus.CREATED)


def _finish_upload(call: Call) -> Reply:
    row = call.row("rebate_evidence_files", "rebate_evidence_file_id")
    if row["_upload"] is None:
        text = "Upload the file to the presigned URL first."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "Nothing uploaded", text)
    if row["_finished_at"] is None:
        call.world.update(row, _finished_at=write_instant(call.now))
    return Reply(_reference(call, row))


_APPLICATION: Final = "/user_rebates/{user_rebate_id}"
_FILE: Final = "/rebate_evidence_files/{rebate_evidence_file_id}"

ROUTES: Final[Routes] = {
    ("GET", "/rebate_types"): listing(_list_types),
    ("GET", "/rebate_types/{rebate_type_id}"): detail(_translated),
    ("GET", "/rebate_evidence_types"): listing(),
    ("GET", "/rebate_evidence_types/{rebate_evidence_type_id}"): detail(_translated),
    ("GET", "/user_rebates"): _list_applications,
    ("POST", "/user_rebates"): _apply,
    ("GET", _APPLICATION): detail(_with_evidence),
    ("PATCH", _APPLICATION): _fill_in,
    ("POST", _APPLICATION + ":submit"): _submit,
    ("GET", "/rebate_evidence_files"): listing(filters={"user_rebate": equals("_rebate")}),
    ("POST", "/rebate_evidence_files:start_upload"): _start_upload,
    ("GET", _FILE): detail(),
    ("POST", _FILE + ":finish_upload"): _finish_upload,
}
