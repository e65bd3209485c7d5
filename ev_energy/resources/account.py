"""What surrounds the devices: passwords, notifications, webhooks, time zones, the API's root."""

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
    """Passwords of users; access tokens are the business of the client itself (``auth=``)."""

    async def password_reset(self, *, email: str) -> PasswordResetResult:
        """Have a link for a new password mailed to a user.

        The answer is the same where no account has that address, so it proves nothing. What is
        no address at all is an `UnprocessableError` of type ``validation-failed-password-reset``.

        POST /auth/password_reset, public.
        """
        return await self._post(
            PasswordResetResult,
            "/auth/password_reset",
            scope=PUBLIC,
            json={"email": not_empty("email", email)},
        )


class Notifications(Resource):
    """Things a user should be told."""

    def list(self, *, page_size: int = 100) -> Pager[Notification]:
        """List what the user should know about now.

        That is the user the token stands for, or that the client acts for (`acting_for`). Texts
        come in the client's *language*.

        GET /notifications, any scope.
        """
        return self._list(Notification, "/notifications", scope=ANY_SCOPE, page_size=page_size)

    async def get(self, notification_id: Id[Notification]) -> Notification:
        """Retrieve one notification; its texts come in the client's *language*.

        GET /notifications/{notification_id}, any scope.
        """
        return await self._get(
            Notification, "/notifications/{notification_id}", notification_id, scope=ANY_SCOPE
        )

    async def update(
        self, notification_id: Id[Notification], *, read_at: datetime | Unset = UNSET
    ) -> Notification | None:
        """Note when the user read a notification. Nothing else about it can be changed.

        The result is None where the API confirms that without showing the notification.

        PATCH /notifications/{notification_id}, any scope.
        """
        return await self._patch(
            Notification,
            "/notifications/{notification_id}",
            notification_id,
            scope=ANY_SCOPE,
            inside="Notification",
            json={"read_at": read_at},
        )


class WebhookPortal(Resource):
    """The web page where webhooks are set up."""

    async def get(self) -> WebhookPortalLink:
        """Make a link to the portal that works once; each call makes another.

        GET /webhook_portal, any scope.
        """
        return await self._get(WebhookPortalLink, "/webhook_portal", scope=ANY_SCOPE)


class Root(Resource):
    """Where the API starts."""

    async def get(self) -> ApiRoot:
        """Retrieve the URLs of the main collections.

        GET /, public.
        """
        return await self._get(ApiRoot, "/", scope=PUBLIC)


class Timezones(Resource):
    """Time zones that the API knows."""

    def list(self, *, page_size: int = 100) -> Pager[Timezone]:
        """List the time zones.

        GET /timezones, any scope.
        """
        return self._list(Timezone, "/timezones", scope=ANY_SCOPE, page_size=page_size)

    async def get(self, timezone_id: Id[Timezone]) -> Timezone:
        """Retrieve one time zone; by its id, not its name.

        GET /timezones/{timezone_id}, any scope.
        """
        return await self._get(Timezone, "/timezones/{timezone_id}", timezone_id, scope=ANY_SCOPE)
