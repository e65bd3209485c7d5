"""What onboarding answers by redirecting."""

from __future__ import annotations

import attrs


@attrs.frozen
class OnboardingLink:
    """Where a user's browser has to go to connect a device. Prints as its URL.

    The URL is for the user's browser; the SDK never opens it.
    """

    url: str

    def __str__(self) -> str:
        return self.url
