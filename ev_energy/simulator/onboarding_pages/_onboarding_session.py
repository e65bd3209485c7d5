"""A browser on a journey: what it was sent here with, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import attrs
from aiohttp import hdrs, web

from ev_energy.simulator.oauth import return_url
from ev_energy.simulator.onboarding_pages._urls import legacy_id
from ev_energy.simulator.pages import facts, page, tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ev_energy.simulator.oauth import Application, User
    from ev_energy.simulator.onboarding_pages._connector import DeviceKind


class LostError(Exception):
    """A link that leads nowhere, with the status of the page that says so."""

    def __init__(self, said: str, status: int = 400) -> None:
        super().__init__(said)
        self.status = status


@attrs.frozen
class Visit:
    """One request of a browser, in order."""

    kind: DeviceKind
    application: Application
    person: User
    about: Mapping[str, str]
    """The query of the page."""
    sent: Mapping[str, str]
    """The form that was sent from it, if one was."""
    devices: Sequence[str]
    """The devices that were ticked in that form."""
    csrf_token: str
    stale: bool = False
    """Whether a form was sent that is not, or no longer, good."""

    @property
    def answer(self) -> str:
        """The button that was pressed, if one was."""
        return self.sent.get("answer", "")

    def link(self, **more: str) -> str:
        """Return a link to this page with more in its query."""
        # A search has led here, and is over.
        about = {name: text for name, text in self.about.items() if name != "q"}
        return f"?{urlencode(about | more)}"

    def cancel(self) -> web.Response:
        """Send the driver back with nothing done."""
        return self._back([("error", "access_denied")], "Nothing was connected", [])

    def finish(self, uids: Sequence[str]) -> web.Response:
        """Send the driver back with what was connected."""
        prefix = self.kind.prefix
        pairs = [(f"{prefix}_id", str(legacy_id(uid))) for uid in uids]
        pairs += [(f"{prefix}_uid", uid) for uid in uids]
        return self._back(pairs, "All done", uids)

    def _back(
        self, pairs: Sequence[tuple[str, str]], title: str, uids: Sequence[str]
    ) -> web.Response:
        uri = self.about.get("redirect_uri") or self.application.onboarding_redirect_url
        if uri is not None:
            headers = {hdrs.LOCATION: return_url(uri, pairs), hdrs.CACHE_CONTROL: "no-store"}
            return web.Response(status=302, headers=headers)
        return page(
            title,
            facts((f"{self.kind.prefix}_uid", tag("code", uid)) for uid in uids),
            tag("p", f"You can close this page and go on in {self.application.name}."),
        )
