"""Passwords."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum


class PasswordResetResultStatus(OpenEnum):
    """What became of a request for a new password."""

    PASSWORD_RESET_EMAIL_SENT = "password_reset_email_sent"
    """The answer for any address, also one without an account."""


@model
class PasswordResetResult(Model):
    """The request was taken. It tells nothing about whether there is an account."""

    status: PasswordResetResultStatus
