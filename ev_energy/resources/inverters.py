"""Inverters: the catalogue, the inverters of users, and connecting one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from ev_energy._api.paging import Pager
from ev_energy._api.urls import expand_values
from ev_energy._codec.encode import as_link
from ev_energy._codec.text import as_id
from ev_energy._unset import UNSET, Unset
from ev_energy.models._refs import Id
from ev_energy.models.inverters import Inverter, InverterMake, InverterModel
from ev_energy.models.onboarding import OnboardingLink
from ev_energy.resources._base import ANY_SCOPE, Resource
from ev_energy.resources._constraints import not_empty

if TYPE_CHECKING:
    from ev_energy.models.users import User

InverterExpand: TypeAlias = Literal["model", "model.make", "latest_status_log"]
InverterModelExpand: TypeAlias = Literal["make"]


class Inverters(Resource):
    """Inverters of users. Their status logs cannot be listed; expand ``latest_status_log``."""

    async def create(
        self, *, model: Id[InverterModel] | Unset = UNSET, user: Id[User] | Unset = UNSET
    ) -> Inverter:
        """Create an inverter and link it to the solar array of its user.

        Args:
            model: The model: its id, a `Ref`, the model itself, or its URL.
            user: The owner, in any of these forms. If omitted, the user that the client acts for
                (`acting_for`), or the owner of the token.

        POST /inverters, scope inverter:write.
        """
        return await self._post(
            Inverter,
            "/inverters",
            scope="inverter:write",
            json={"model": as_link("/inverter_models", model), "user": as_link("/users", user)},
        )

    def list(
        self, *, page_size: int = 100, expand: Sequence[InverterExpand] = ()
    ) -> Pager[Inverter]:
        """List the inverters you may see; with `acting_for`, those of that user.

        Texts are in the client's *language*.

        GET /inverters, scope inverter:read.
        """
        return self._list(
            Inverter,
            "/inverters",
            scope="inverter:read",
            page_size=page_size,
            expand=expand_values(InverterExpand, expand),
        )

    async def get(
        self, inverter_id: Id[Inverter], *, expand: Sequence[InverterExpand] = ()
    ) -> Inverter:
        """Retrieve one inverter, with texts in the client's *language*.

        GET /inverters/{inverter_id}, scope inverter:read.
        """
        return await self._get(
            Inverter,
            "/inverters/{inverter_id}",
            inverter_id,
            scope="inverter:read",
            expand=expand_values(InverterExpand, expand),
        )


class InverterMakes(Resource):
    """Manufacturers of inverters."""

    def list(
        self, *, available_for_user_id: Id[User] | None = None, page_size: int = 100
    ) -> Pager[InverterMake]:
        """List makes; with *available_for_user_id*, those for that user's region and program.

        Texts are in the client's *language*.

        GET /inverter_makes, scope inverter:read.
        """
        return self._list(
            InverterMake,
            "/inverter_makes",
            scope="inverter:read",
            available_for_user_id=as_id("available_for_user_id", "User", available_for_user_id),
            page_size=page_size,
        )

    async def get(self, inverter_make_id: Id[InverterMake]) -> InverterMake:
        """Retrieve one make, with texts in the client's *language*.

        GET /inverter_makes/{inverter_make_id}, scope inverter:read.
        """
        return await self._get(
            InverterMake,
            "/inverter_makes/{inverter_make_id}",
            inverter_make_id,
            scope="inverter:read",
        )


class InverterModels(Resource):
    """Models of inverters."""

    def list(
        self,
        *,
        make_id: Id[InverterMake] | None = None,
        page_size: int = 100,
        expand: Sequence[InverterModelExpand] = (),
    ) -> Pager[InverterModel]:
        """List models, optionally of one make, with texts in the client's *language*.

        GET /inverter_models, scope inverter:read.
        """
        return self._list(
            InverterModel,
            "/inverter_models",
            scope="inverter:read",
            make_id=as_id("make_id", "InverterMake", make_id),
            page_size=page_size,
            expand=expand_values(InverterModelExpand, expand),
        )

    async def get(
        self, inverter_model_id: Id[InverterModel], *, expand: Sequence[InverterModelExpand] = ()
    ) -> InverterModel:
        """Retrieve one model, with texts in the client's *language*.

        GET /inverter_models/{inverter_model_id}, scope inverter:read.
        """
        return await self._get(
            InverterModel,
            "/inverter_models/{inverter_model_id}",
            inverter_model_id,
            scope="inverter:read",
            expand=expand_values(InverterModelExpand, expand),
        )


class InverterOnboarding(Resource):
    """Connecting an inverter in the user's browser."""

    async def get(
        self,
        *,
        user_id: Id[User],
        client_id: str,
        make_id: Id[InverterMake] | None = None,
        inverter_id: Id[Inverter] | None = None,
    ) -> OnboardingLink:
        """Get a link with which the user signs in to the account of an inverter in a browser.

        The API replies with a redirect, which is not followed. Unlike the links for EVSEs and
        vehicles, this one needs a token and has no JSON form. Texts are in the client's *language*.

        Args:
            user_id: The owner of the inverter.
            client_id: Your OAuth application.
            make_id: The make of the inverter to connect.
            inverter_id: The inverter to connect, as created by `inverters.create`; not a model.

        GET /inverter_onboarding, any scope.
        """
        return OnboardingLink(
            await self._redirect(
                "/inverter_onboarding",
                scope=ANY_SCOPE,
                user_id=as_id("user_id", "User", user_id),
                make_id=as_id("make_id", "InverterMake", make_id),
                inverter_id=as_id("inverter_id", "Inverter", inverter_id),
                client_id=not_empty("client_id", client_id),
            )
        )
