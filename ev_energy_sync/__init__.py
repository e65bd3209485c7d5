"""A client for the ev.energy v2 API, blocking: `ev_energy` for code without ``await``.

    from ev_energy_sync import Client

    with Client.from_env() as client:
        for vehicle in client.vehicles.list():
            print(vehicle.id, vehicle.battery_size_watt_hours)

`Client` has the families of operations, `models` the classes of replies, and `errors` what calls
raise. ``help(Client)`` describes the client, ``help(Client.vehicles)`` the methods of a family, and
``help(models.Vehicle)`` the fields of a model. Names are imported when they are first used. The
documentation is at https://ev-energy.example/docs.

`Client`, `Pager` and some classes of `webhooks` are defined here; models, errors, credentials and
everything else are those of `ev_energy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ev_energy
from ev_energy._lazy_exports import lazy_exports

if TYPE_CHECKING:
    from ev_energy import SERVERS as SERVERS
    from ev_energy import UNSET as UNSET
    from ev_energy import AuthorizationCode as AuthorizationCode
    from ev_energy import CapturedCall as CapturedCall
    from ev_energy import ClientCredentials as ClientCredentials
    from ev_energy import Drift as Drift
    from ev_energy import DriftKind as DriftKind
    from ev_energy import Estimate as Estimate
    from ev_energy import Id as Id
    from ev_energy import Key as Key
    from ev_energy import MemoryBudget as MemoryBudget
    from ev_energy import Page as Page
    from ev_energy import RateLimit as RateLimit
    from ev_energy import Ref as Ref
    from ev_energy import Request as Request
    from ev_energy import Resolve as Resolve
    from ev_energy import Resolved as Resolved
    from ev_energy import Response as Response
    from ev_energy import ResponseInfo as ResponseInfo
    from ev_energy import RetryPolicy as RetryPolicy
    from ev_energy import StaticToken as StaticToken
    from ev_energy import Unset as Unset
    from ev_energy import auth as auth
    from ev_energy import budget as budget
    from ev_energy import errors as errors
    from ev_energy import hooks as hooks
    from ev_energy import models as models
    from ev_energy import record_columns as record_columns
    from ev_energy import record_types as record_types
    from ev_energy import response_of as response_of
    from ev_energy import to_records as to_records
    from ev_energy_sync import webhooks as webhooks
    from ev_energy_sync._blocking import LogPager as LogPager
    from ev_energy_sync._blocking import Pager as Pager
    from ev_energy_sync._client import Client as Client

    __version__: str

_EXPORTS = {
    **dict.fromkeys(dir(ev_energy), "ev_energy"),
    "Client": "ev_energy_sync._client",
    "LogPager": "ev_energy_sync._blocking",
    "Pager": "ev_energy_sync._blocking",
}

if not TYPE_CHECKING:  # type checkers would accept any name
    __getattr__ = lazy_exports(
        __name__,
        _EXPORTS,
        ("webhooks",),
        ("ev_energy.models", "ev_energy.errors", "ev_energy.auth", "ev_energy_sync.webhooks"),
    )


def __dir__() -> list[str]:
    return dir(ev_energy)
