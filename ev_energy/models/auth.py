"""Passwords."""

from __future__ import annotations

from ev_energy._enums import OpenEnum
from ev_energy._model import Model, model


class PasswordResetResultStatus(OpenEnum):
    """What became of a request for a new password."""

    PASSWORD_RESET_EMAIL_SENT = "password_reset_email_sent"
    """The answer for any address, also one without an account."""


@model
class PasswordResetResult(Model):
    """The request was taken. It tells nothing about whether there is an account."""

    status: PasswordResetResultStatus
