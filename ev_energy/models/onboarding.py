"""Results of onboarding operations that redirect."""

from __future__ import annotations

import attrs

from ev_energy.models._base import PlainValue


@attrs.frozen
class OnboardingLink(PlainValue):
    """The page where a user connects a device. `str` of it is the URL.

    The URL is for the user's browser; the SDK never opens it.
    """

    url: str
    """The URL to send the user to."""

    def __str__(self) -> str:
        return self.url
