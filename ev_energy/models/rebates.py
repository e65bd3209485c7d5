"""Rebates, applications for them, and the required evidence."""

from __future__ import annotations

import attrs

from ev_energy.models._base import Model, PlainValue, model
from ev_energy.models._enums import OpenEnum
from ev_energy.models._refs import Ref


class RebateEvidenceSupportingDataType(OpenEnum):
    """The kind of text of supporting data."""

    CURRENCY = "currency"
    """An amount of money, without the currency's symbol."""
    STRING = "string"
    """Any text."""


class UserRebateStatus(OpenEnum):
    """The progress of filling in an application, not of reviewing it."""

    NOT_STARTED = "NOT_STARTED"
    """Nothing has been filled in."""
    PENDING_TYPE_SELECTED = "PENDING_TYPE_SELECTED"
    """The type of the rebate was selected."""
    PENDING_IN_PROGRESS = "PENDING_IN_PROGRESS"
    """The application is being filled in."""
    COMPLETE = "COMPLETE"
    """The application was submitted."""


@model
class RebateType(Model):
    """A rebate that users can apply for."""

    id: str | None = None
    url: str | None = None
    title: str | None = None
    value_description: str | None = None
    """The value of the rebate, in words."""
    icon: str | None = None
    """URL of an icon."""
    description_long: str | None = None
    description_short: str | None = None
    """The most important fact, in one line."""
    requirements: str | None = None
    """The conditions of eligibility, as **HTML**: sanitize it before you show it."""
    required_evidence: tuple[Ref[RebateEvidenceType], ...] | None = None


@model
class RebateEvidenceTypeFile(Model):
    """A file that the user uploaded."""

    name: str | None = None
    url: str | None = None
    """The file itself. The URL is signed: it works without a token for anyone until it expires, so
    `repr` hides it."""
    _secret = ("url",)


@model
class RebateEvidenceSupportingData(Model):
    """A field of the form that belongs to a kind of evidence.

    No reply contains the number by which `EvidenceDataWrite` identifies such a field.
    """

    data_type: RebateEvidenceSupportingDataType
    title: str
    description: str
    required: bool
    value: str | None = None
    """The value that the user entered, always as text, even if it is an amount."""


@model
class RebateEvidenceType(Model):
    """A kind of evidence that a rebate requires, such as an invoice, and what the user sent."""

    id: str | None = None
    url: str | None = None
    title: str
    description: str | None
    upload_required: bool
    """Whether a file must be uploaded."""
    evidence_data: tuple[RebateEvidenceSupportingData, ...]
    file: RebateEvidenceTypeFile | None = None
    """None if the user has not uploaded one."""


@model
class UserRebate(Model):
    """A user's application for a rebate."""

    id: str | None = None
    url: str | None = None
    status: UserRebateStatus | None = None
    """The status of the form; no field shows the result of the application."""
    rebate_type: Ref[RebateType] | None = None


@model
class UserRebateCreated(Model):
    """A reference to the `UserRebate` that was created or changed."""

    id: str | None = None
    url: str | None = None


@model
class RebateEvidenceFile(Model):
    """A file that serves as evidence. After an upload, only ``id`` and ``url`` are set."""

    id: str | None = None
    url: str | None = None
    file_name: str | None = None
    rebate_evidence_type: Ref[RebateEvidenceType] | None = None


@model
class RebateEvidenceUpload(Model):
    """The destination for the bytes of a file."""

    id: str | None = None
    """That of the `RebateEvidenceFile` that the upload creates."""
    url: str | None = None
    """That of the `RebateEvidenceFile` that the upload creates."""
    presigned_url: str | None = None
    """The URL to ``PUT`` the bytes to, on another host, so **without the access token**.

    Until it expires, the URL itself grants access: keep it out of logs. `repr` hides it.
    """
    _secret = ("presigned_url",)


@attrs.frozen(kw_only=True)
class EvidenceDataWrite(PlainValue):
    """The value that a user entered into one field of a form."""

    id: int
    """The number of the field. No reply contains it; ask ev.energy for it."""
    value: str
    """Always text; an amount is written without the currency's symbol."""
