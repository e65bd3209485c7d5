"""A client for the ev.energy v2 API, for asyncio. ``ev_energy_sync`` is the same, blocking.

    from ev_energy import Client

    async with Client.from_env() as client:
        async for vehicle in client.vehicles.list():
            print(vehicle.id, vehicle.battery_size_watt_hours)

`Client` has the families of operations, `models` the classes of replies, and `errors` what calls
raise. ``help(Client)`` describes the arguments, ``help(Client.vehicles)`` the methods of a family,
and ``help(models.Vehicle)`` the fields of a model. Names are imported when they are first used.
The documentation is at https://ev-energy.example/docs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ev_energy._lazy_exports import lazy_exports
from ev_energy._runtime import clocks as clocks  # bound now, whatever is frozen later

if TYPE_CHECKING:
    from ev_energy import auth as auth
    from ev_energy import budget as budget
    from ev_energy import errors as errors
    from ev_energy import hooks as hooks
    from ev_energy import models as models
    from ev_energy import webhooks as webhooks
    from ev_energy._api.capture import CapturedCall as CapturedCall
    from ev_energy._api.estimate import Estimate as Estimate
    from ev_energy._api.paging import Pager as Pager
    from ev_energy._api.resolve import Resolve as Resolve
    from ev_energy._api.resolved import Resolved as Resolved
    from ev_energy._changes.log_pager import LogPager as LogPager
    from ev_energy._client import Client as Client
    from ev_energy._codec.drift import Drift as Drift
    from ev_energy._codec.drift import DriftKind as DriftKind
    from ev_energy._http.retry_policy import RetryPolicy as RetryPolicy
    from ev_energy._messages import Page as Page
    from ev_energy._messages import RateLimit as RateLimit
    from ev_energy._messages import Request as Request
    from ev_energy._messages import Response as Response
    from ev_energy._messages import ResponseInfo as ResponseInfo
    from ev_energy._records.records import record_columns as record_columns
    from ev_energy._records.records import record_types as record_types
    from ev_energy._records.records import to_records as to_records
    from ev_energy._servers import SERVERS as SERVERS
    from ev_energy._unset import UNSET as UNSET
    from ev_energy._unset import Unset as Unset
    from ev_energy.auth import AuthorizationCode as AuthorizationCode
    from ev_energy.auth import ClientCredentials as ClientCredentials
    from ev_energy.auth import StaticToken as StaticToken
    from ev_energy.budget import MemoryBudget as MemoryBudget
    from ev_energy.models._refs import Id as Id
    from ev_energy.models._refs import Key as Key
    from ev_energy.models._refs import Ref as Ref
    from ev_energy.models._responses import response_of as response_of

    __version__: str

_EXPORTS = {
    "AuthorizationCode": "ev_energy.auth",
    "CapturedCall": "ev_energy._api.capture",
    "Client": "ev_energy._client",
    "ClientCredentials": "ev_energy.auth",
    "Drift": "ev_energy._codec.drift",
    "DriftKind": "ev_energy._codec.drift",
    "Estimate": "ev_energy._api.estimate",
    "Id": "ev_energy.models._refs",
    "Key": "ev_energy.models._refs",
    "LogPager": "ev_energy._changes.log_pager",
    "MemoryBudget": "ev_energy.budget",
    "Page": "ev_energy._messages",
    "Pager": "ev_energy._api.paging",
    "RateLimit": "ev_energy._messages",
    "Ref": "ev_energy.models._refs",
    "Request": "ev_energy._messages",
    "Resolve": "ev_energy._api.resolve",
    "Resolved": "ev_energy._api.resolved",
    "Response": "ev_energy._messages",
    "ResponseInfo": "ev_energy._messages",
    "RetryPolicy": "ev_energy._http.retry_policy",
    "SERVERS": "ev_energy._servers",
    "StaticToken": "ev_energy.auth",
    "UNSET": "ev_energy._unset",
    "Unset": "ev_energy._unset",
    "__version__": "ev_energy._version",
    "record_columns": "ev_energy._records.records",
    "record_types": "ev_energy._records.records",
    "response_of": "ev_energy.models._responses",
    "to_records": "ev_energy._records.records",
}

_MODULES = ("auth", "budget", "errors", "hooks", "models", "webhooks")

if not TYPE_CHECKING:  # type checkers would accept any name
    __getattr__ = lazy_exports(
        __name__,
        _EXPORTS,
        _MODULES,
        ("ev_energy.models", "ev_energy.errors", "ev_energy.auth", "ev_energy.webhooks"),
    )


def __dir__() -> list[str]:
    return sorted([*_EXPORTS, *_MODULES])
