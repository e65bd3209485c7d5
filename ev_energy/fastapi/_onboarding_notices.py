"""The text that the user sees after connecting a device, if the browser is not redirected."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import attrs

from ev_energy.fastapi._pages import notice

BAD_RETURN_PATH: Final = notice(
    HTTPStatus.BAD_REQUEST,
    "return-path-not-allowed",
    "This link does not work",
    "The page to return to afterwards (return_to) is not one that this application allows.",
)
BAD_CHOICE: Final = notice(
    HTTPStatus.BAD_REQUEST,
    "invalid-argument",
    "This link does not work",
    "The make, model or trim in it is not a valid id.",
)
UNKNOWN: Final = notice(
    HTTPStatus.BAD_REQUEST,
    "onboarding-unknown",
    "This link is no longer valid",
    "It has expired, was completed before, or was opened in another browser. If you connected a "
    "device, it will appear in this application.",
)
NO_USER: Final = notice(
    HTTPStatus.UNAUTHORIZED,
    "sign-in-required",
    "Please sign in to this application first",
    "The device can be added after that: sign in, and open this page again.",
)
OTHER_USER: Final = notice(
    HTTPStatus.CONFLICT,
    "onboarding-of-another-user",
    "This link belongs to another user",
    "A different user was signed in to this application when it was opened. Only that user can go "
    "on with it.",
)
DENIED: Final = notice(
    HTTPStatus.FORBIDDEN,
    "not-connected",
    "Nothing was connected",
    "Connecting was cancelled, or the maker did not allow it.",
)
NO_DEVICE: Final = notice(
    HTTPStatus.BAD_GATEWAY,
    "no-device",
    "ev.energy did not say what was connected",
    "If you connected a device, it will appear in this application.",
)
NOT_YET: Final = attrs.evolve(
    notice(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "not-connected-yet",
        "Not connected yet",
        "ev.energy needs a little longer. Please check again in a moment.",
    ),
    headers={"Retry-After": "5"},
)
GIVEN_UP: Final = notice(
    HTTPStatus.GATEWAY_TIMEOUT,
    "not-connected",
    "Still not connected",
    "ev.energy has not confirmed the connection. If it succeeds later, the device will appear in "
    "this application; otherwise, connect it again.",
)
