"""Rebates, applications for them, and the evidence these need."""

from __future__ import annotations

import attrs

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref


class RebateEvidenceSupportingDataType(OpenEnum):
    """What kind of text a piece of supporting data is."""

    CURRENCY = "currency"
    """An amount of money, without the currency's symbol."""
    STRING = "string"


class UserRebateStatus(OpenEnum):
    """How far an application is filled in; not whether it was reviewed or approved."""

    NOT_STARTED = "NOT_STARTED"
    PENDING_TYPE_SELECTED = "PENDING_TYPE_SELECTED"
    PENDING_IN_PROGRESS = "PENDING_IN_PROGRESS"
    COMPLETE = "COMPLETE"
    """It was submitted."""


@model
class RebateType(Model):
    """A rebate that users can apply for."""

    id: str | None = None
    url: str | None = None
    title: str | None = None
    value_description: str | None = None
    """What it is worth, in words."""
    icon: str | None = None
    """URL of an icon."""
    description_long: str | None = None
    description_short: str | None = None
    """The one thing to know about it, in a line."""
    requirements: str | None = None
    """Who is eligible, as **HTML**: clean it before you show it."""
    required_evidence: tuple[Ref[RebateEvidenceType], ...] | None = None


@model
class RebateEvidenceTypeFile(Model):
    """A file that the user handed in."""

    name: str | None = None
    url: str | None = None
    """Where it can be looked at. The URL is signed: it needs no token, and whoever has it may look
    until it expires. It is not printed."""
    _secret = ("url",)


@model
class RebateEvidenceSupportingData(Model):
    """A field of the form that goes with a kind of evidence.

    The number by which `EvidenceDataWrite` names such a field is in no reply.
    """

    data_type: RebateEvidenceSupportingDataType
    title: str
    description: str
    required: bool
    value: str | None = None
    """What the user entered; a text, also where it is an amount."""


@model
class RebateEvidenceType(Model):
    """A kind of evidence that a rebate needs, such as an invoice; with what the user gave of it."""

    id: str | None = None
    url: str | None = None
    title: str
    description: str | None
    upload_required: bool
    """Whether a file must be handed in."""
    evidence_data: tuple[RebateEvidenceSupportingData, ...]
    file: RebateEvidenceTypeFile | None = None
    """None where the user has handed in none."""


@model
class UserRebate(Model):
    """A user's application for a rebate."""

    id: str | None = None
    url: str | None = None
    status: UserRebateStatus | None = None
    """Of the form; no member tells what became of the application."""
    rebate_type: Ref[RebateType] | None = None


@model
class UserRebateCreated(Model):
    """Where a `UserRebate` is that was just created or changed."""

    id: str | None = None
    url: str | None = None


@model
class RebateEvidenceFile(Model):
    """A file that is evidence. The end of an upload answers with ``id`` and ``url`` only."""

    id: str | None = None
    url: str | None = None
    file_name: str | None = None
    rebate_evidence_type: Ref[RebateEvidenceType] | None = None


@model
class RebateEvidenceUpload(Model):
    """Where the bytes of a file go."""

    id: str | None = None
    """Of the `RebateEvidenceFile` that is being made."""
    url: str | None = None
    """Of the `RebateEvidenceFile` that is being made."""
    presigned_url: str | None = None
    """Where to ``PUT`` the bytes, on another host, so **without the access token**.

    The URL itself is the permission, for a while: keep it out of logs. It is not printed.
    """
    _secret = ("presigned_url",)


@attrs.frozen(kw_only=True)
class EvidenceDataWrite:
    """What a user entered into one field of a form."""

    id: int
    """The number of the field. No reply shows it, so ev.energy has to tell you."""
    value: str
    """Always a text; an amount comes without the currency's symbol."""
