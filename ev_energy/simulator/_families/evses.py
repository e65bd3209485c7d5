"""EVSEs and their logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.models.evse_logs import EVSEOCPPCallResponseErrorCode, EVSEOCPPLogAction
from ev_energy.simulator._api._filters import among, equals, spelt
from ev_energy.simulator._api._routes import Reply, collection_at, detail, listing, log
from ev_energy.simulator._content._catalogue import product_of
from ev_energy.simulator._content._households import number_of_cpid
from ev_energy.simulator._journeys import reconnect_url
from ev_energy.simulator._store._tables import Rows

if TYPE_CHECKING:
    from ev_energy.simulator._api._routes import Call, Routes
    from ev_energy.simulator._store._tables import Collection

_ACTIONS: Final = frozenset(action.value for action in EVSEOCPPLogAction)
_ERRORS: Final = frozenset(code.value for code in EVSEOCPPCallResponseErrorCode)
_OCPP_FILTERS: Final = {
    "action__in": among("action", _ACTIONS),
    "direction": spelt("direction", {"SENT": "Sent", "RECEIVED": "Received"}),
    "error_code": equals("response.error_code"),
    "error_code__in": among("response.error_code", _ERRORS),
}


def _listed(call: Call) -> Collection:
    """Return the EVSEs to look through: a serial number belongs to one of very few."""
    evses = collection_at(call)
    if "cpid" not in call.query or call.viewer.user_id is not None:
        return evses
    table = call.world.tables["evses"]
    return Rows(table, table.perhaps(number_of_cpid(call.query["cpid"])))


def _update(call: Call) -> Reply:
    row = call.row("evses", "evse_id")
    given = {name: call.body[name] for name in call.body.keys() & {"location"}}
    changed = call.world.change(row, **given)
    return Reply(call.show(call.world.tables["evses"].seen_by(changed, call.viewer)))


def _delete(call: Call) -> Reply:
    row = call.row("evses", "evse_id")
    call.world.do(row, "point_gone")
    call.world.tables["evses"].remove(row["id"])
    return Reply(status=204)


def _reconnect(call: Call) -> Reply:
    row = call.row("evses", "evse_id")
    about = {"device_id": row["id"], "client_id": call.viewer.client_id or ""}
    return Reply({"url": reconnect_url(call.root, "evses", about)}, 201)


def _vpp_modes(call: Call) -> Reply:
    product = product_of(call.world, call.row("evses", "evse_id"))
    return Reply({
        "target_power": product.bidirectional,
        "import_max_power": True,
        "export_max_power": product.bidirectional,
        "charge_mode": product.telemetry,
    })  # fmt: skip


def _connectivity(call: Call) -> Reply:
    row = call.row("evses", "evse_id")
    chance, product = call.world.chance, product_of(call.world, row)
    mobile = product.telemetry and chance.odds(60, row["id"], "sim")
    signal = -chance.between(58, 80, row["id"], "signal")
    releases = call.world.tables["evse_firmware_versions"]
    versions = [release["version"] for release in releases if release["_model"] is product]
    digits = f"{chance.number(row['id'], 'iccid') % 10**13:013}"
    return Reply(call.show({
        "signal_strength_rssi_dbm": signal if mobile else None,
        "lowest_signal_strength_rssi_dbm_7d": signal - 14 if mobile else None,
        "highest_signal_strength_rssi_dbm_7d": signal + 6 if mobile else None,
        "connection_reliability_30d": chance.between(82, 100, row["id"], "reliability"),
        "ip_address": f"10.193.{chance.between(0, 255, row['id'], 3)}.7" if mobile else None,
        "iccid": f"894411{digits}" if mobile else None,
        "firmware_version": versions[-1] if row["_reports"] else None,
        "latest_status_log": row["latest_status_log"],
    }))  # fmt: skip


EVSES: Final[Routes] = {
    ("GET", "/evses"): listing(_listed),
    ("GET", "/evses/{evse_id}"): detail(),
    ("PATCH", "/evses/{evse_id}"): _update,
    ("DELETE", "/evses/{evse_id}"): _delete,
    ("POST", "/evses/{evse_id}/reconnect"): _reconnect,
    ("GET", "/evses/{evse_id}/vpp_modes"): _vpp_modes,
    ("GET", "/evses/{evse_id}/connectivity"): _connectivity,
    ("GET", "/evses/{evse_id}/status_logs"): log("sampled_at"),
    ("GET", "/evses/{evse_id}/status_logs/{sampled_at}"): detail(),
    ("GET", "/evses/{evse_id}/command_logs"): log("logged_at"),
    ("GET", "/evses/{evse_id}/command_logs/{logged_at}"): detail(),
    ("GET", "/evses/{evse_id}/error_logs"): log("sampled_at"),
    ("GET", "/evses/{evse_id}/error_logs/{sampled_at}"): detail(),
    ("GET", "/evses/{evse_id}/ocpp_logs"): log("sampled_at", filters=_OCPP_FILTERS),
    ("GET", "/evses/{evse_id}/ocpp_logs/{sampled_at}"): detail(),
}
