"""Every model by name; each family is imported when its first name is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy._lazy import door

if TYPE_CHECKING:
    from ev_energy._enums import OpenEnum as OpenEnum
    from ev_energy._model import Model as Model
    from ev_energy._refs import Ref as Ref
    from ev_energy.models.common import LatLong as LatLong
    from ev_energy.models.countries import CountryCode as CountryCode
    from ev_energy.models.evse_logs import EVSEAPIErrorLog as EVSEAPIErrorLog
    from ev_energy.models.evse_logs import EVSECommandLog as EVSECommandLog
    from ev_energy.models.evse_logs import EVSECommandLogReason as EVSECommandLogReason
    from ev_energy.models.evse_logs import EVSEOCPPCallResponse as EVSEOCPPCallResponse
    from ev_energy.models.evse_logs import (
        EVSEOCPPCallResponseErrorCode as EVSEOCPPCallResponseErrorCode,
    )
    from ev_energy.models.evse_logs import EVSEOCPPLog as EVSEOCPPLog
    from ev_energy.models.evse_logs import EVSEOCPPLogAction as EVSEOCPPLogAction
    from ev_energy.models.evse_logs import EVSEOCPPLogDirection as EVSEOCPPLogDirection
    from ev_energy.models.evse_onboarding import (
        EVSECompatibilityCheckResult as EVSECompatibilityCheckResult,
    )
    from ev_energy.models.evse_onboarding import (
        EVSEImportRequestProvider as EVSEImportRequestProvider,
    )
    from ev_energy.models.evse_onboarding import (
        EVSEOnboardingJsonResponse as EVSEOnboardingJsonResponse,
    )
    from ev_energy.models.evse_onboarding import EVSEWaitlistResponse as EVSEWaitlistResponse
    from ev_energy.models.evses import EVSE as EVSE
    from ev_energy.models.evses import CTClamp as CTClamp
    from ev_energy.models.evses import CTClampLog as CTClampLog
    from ev_energy.models.evses import EVSEConnectivity as EVSEConnectivity
    from ev_energy.models.evses import EVSEFirmwareVersion as EVSEFirmwareVersion
    from ev_energy.models.evses import EVSELifecycleState as EVSELifecycleState
    from ev_energy.models.evses import EVSELockMode as EVSELockMode
    from ev_energy.models.evses import EVSEMake as EVSEMake
    from ev_energy.models.evses import EVSEModel as EVSEModel
    from ev_energy.models.evses import EVSEReconnectionUrl as EVSEReconnectionUrl
    from ev_energy.models.evses import EVSEStatusLog as EVSEStatusLog
    from ev_energy.models.evses import (
        EVSEStatusLogControlPilotStatus as EVSEStatusLogControlPilotStatus,
    )
    from ev_energy.models.evses import EVSEStatusLogMode as EVSEStatusLogMode
    from ev_energy.models.evses import VPPModes as VPPModes
    from ev_energy.models.notifications import Notification as Notification
    from ev_energy.models.notifications import NotificationCategory as NotificationCategory
    from ev_energy.models.onboarding import OnboardingLink as OnboardingLink
    from ev_energy.models.sites import EVSESite as EVSESite
    from ev_energy.models.sites import EVSESiteCpmsConnection as EVSESiteCpmsConnection
    from ev_energy.models.tariffs import DailyPrices as DailyPrices
    from ev_energy.models.tariffs import PriceSummary as PriceSummary
    from ev_energy.models.tariffs import Supplier as Supplier
    from ev_energy.models.tariffs import Tariff as Tariff
    from ev_energy.models.tariffs import TariffBase as TariffBase
    from ev_energy.models.tariffs import TariffBaseType as TariffBaseType
    from ev_energy.models.tariffs import Times as Times
    from ev_energy.models.users import Location as Location
    from ev_energy.models.users import LocationWrite as LocationWrite
    from ev_energy.models.users import User as User

_NAMES = {
    "common": "LatLong",
    "countries": "CountryCode",
    "evse_logs": (
        "EVSEAPIErrorLog EVSECommandLog EVSECommandLogReason EVSEOCPPCallResponse "
        "EVSEOCPPCallResponseErrorCode EVSEOCPPLog EVSEOCPPLogAction EVSEOCPPLogDirection"
    ),
    "evse_onboarding": (
        "EVSECompatibilityCheckResult EVSEImportRequestProvider EVSEOnboardingJsonResponse "
        "EVSEWaitlistResponse"
    ),
    "evses": (
        "CTClamp CTClampLog EVSE EVSEConnectivity EVSEFirmwareVersion EVSELifecycleState "
        "EVSELockMode EVSEMake EVSEModel EVSEReconnectionUrl EVSEStatusLog "
        "EVSEStatusLogControlPilotStatus EVSEStatusLogMode VPPModes"
    ),
    "notifications": "Notification NotificationCategory",
    "onboarding": "OnboardingLink",
    "sites": "EVSESite EVSESiteCpmsConnection",
    "tariffs": "DailyPrices PriceSummary Supplier Tariff TariffBase TariffBaseType Times",
    "users": "Location LocationWrite User",
}
_HOMES = {
    "Model": "ev_energy._model",
    "OpenEnum": "ev_energy._enums",
    "Ref": "ev_energy._refs",
    **{
        name: f"ev_energy.models.{family}"
        for family, names in _NAMES.items()
        for name in names.split()
    },
}

__getattr__ = door(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(_HOMES)
