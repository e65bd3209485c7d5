"""Passwords."""

from __future__ import annotations

from ev_energy.models._base import Model, model
from ev_energy.models._enums import OpenEnum


class PasswordResetResultStatus(OpenEnum):
    """The result of a request for a new password."""

    PASSWORD_RESET_EMAIL_SENT = "password_reset_email_sent"
    """The answer for every address, even one without an account."""


@model
class PasswordResetResult(Model):
    """The request for a new password was accepted. It does not show whether the account exists."""

    status: PasswordResetResultStatus
