"""Passwords, notifications, the webhook portal, time zones, and the root of the API."""

from __future__ import annotations

from datetime import datetime

from ev_energy._api.paging import Pager
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id
from ev_energy.models.auth import PasswordResetResult
from ev_energy.models.notifications import Notification
from ev_energy.models.root import ApiRoot
from ev_energy.models.timezones import Timezone
from ev_energy.models.webhooks import WebhookPortalLink
from ev_energy.resources._base import ANY_SCOPE, PUBLIC, Resource
from ev_energy.resources._constraints import not_empty


class Auth(Resource):
    """Passwords of users. Access tokens are managed by the client itself (``auth=``)."""

    async def password_reset(self, *, email: str) -> PasswordResetResult:
        """Send a password reset link to a user by e-mail.

        The reply is the same if no account has that address, so it does not reveal whether there is
        one. Raises `UnprocessableError` of type ``validation-failed-password-reset`` if *email* is
        not an e-mail address.

        POST /auth/password_reset, public.
        """
        return await self._post(
            PasswordResetResult,
            "/auth/password_reset",
            scope=PUBLIC,
            json={"email": not_empty("email", email)},
        )


class Notifications(Resource):
    """Messages for users."""

    def list(self, *, page_size: int = 100) -> Pager[Notification]:
        """List the current notifications of the user.

        The user is the owner of the token, or the user that the client acts for (`acting_for`).
        Texts are in the client's *language*.

        GET /notifications, any scope.
        """
        return self._list(Notification, "/notifications", scope=ANY_SCOPE, page_size=page_size)

    async def get(self, notification_id: Id[Notification]) -> Notification:
        """Retrieve one notification, with texts in the client's *language*.

        GET /notifications/{notification_id}, any scope.
        """
        return await self._get(
            Notification, "/notifications/{notification_id}", notification_id, scope=ANY_SCOPE
        )

    async def update(
        self, notification_id: Id[Notification], *, read_at: datetime | Unset = UNSET
    ) -> Notification | None:
        """Record when the user read a notification. Its other properties cannot be changed.

        Returns None if the reply confirms the change without the notification.

        PATCH /notifications/{notification_id}, any scope.
        """
        return await self._patch(
            Notification,
            "/notifications/{notification_id}",
            notification_id,
            scope=ANY_SCOPE,
            envelope_key="Notification",
            json={"read_at": read_at},
        )


class WebhookPortal(Resource):
    """The web page on which webhooks are set up."""

    async def get(self) -> WebhookPortalLink:
        """Create a link to the portal. It works once; each call creates a new one.

        GET /webhook_portal, any scope.
        """
        return await self._get(WebhookPortalLink, "/webhook_portal", scope=ANY_SCOPE)


class Root(Resource):
    """The root of the API."""

    async def get(self) -> ApiRoot:
        """Retrieve the URLs of the main collections.

        GET /, public.
        """
        return await self._get(ApiRoot, "/", scope=PUBLIC)


class Timezones(Resource):
    """The time zones that the API supports."""

    def list(self, *, page_size: int = 100) -> Pager[Timezone]:
        """List the time zones.

        GET /timezones, any scope.
        """
        return self._list(Timezone, "/timezones", scope=ANY_SCOPE, page_size=page_size)

    async def get(self, timezone_id: Id[Timezone]) -> Timezone:
        """Retrieve one time zone by its id (not by its name).

        GET /timezones/{timezone_id}, any scope.
        """
        return await self._get(Timezone, "/timezones/{timezone_id}", timezone_id, scope=ANY_SCOPE)
