"""Shared sites, and the systems that operate them."""

from __future__ import annotations

from ev_energy._api.paging import Pager
from ev_energy.models._refs import Id
from ev_energy.models.cpms import CPMSProvider
from ev_energy.models.sites import EVSESite
from ev_energy.resources._base import ANY_SCOPE, Resource


class EvseSites(Resource):
    """Places where several people share chargers."""

    def list(self) -> Pager[EVSESite]:
        """List the sites.

        ``user_connected`` is known only if there is a user: the owner of the token, or the user
        that the client acts for (`acting_for`).

        GET /evse_sites, scope site:read.
        """
        return self._list(EVSESite, "/evse_sites", scope="site:read")

    async def get(self, evse_site_id: Id[EVSESite]) -> EVSESite:
        """Retrieve one site. As in `list`, ``user_connected`` needs a user (`acting_for`).

        GET /evse_sites/{evse_site_id}, scope site:read.
        """
        return await self._get(
            EVSESite, "/evse_sites/{evse_site_id}", evse_site_id, scope="site:read"
        )


class CpmsProviders(Resource):
    """Charge point management systems that ev.energy is connected to."""

    def list(self) -> Pager[CPMSProvider]:
        """List the providers. The API determines the size of pages.

        GET /cpms_providers, any scope.
        """
        return self._list(CPMSProvider, "/cpms_providers", scope=ANY_SCOPE, page_size=None)

    async def get(self, cpms_provider_id: Id[CPMSProvider]) -> CPMSProvider:
        """Retrieve one provider by its name in capitals (`CPMSProviderId`).

        GET /cpms_providers/{cpms_provider_id}, any scope.
        """
        return await self._get(
            CPMSProvider, "/cpms_providers/{cpms_provider_id}", cpms_provider_id, scope=ANY_SCOPE
        )
