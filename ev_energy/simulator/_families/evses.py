"""EVSEs and their logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ev_energy.models.evse_logs import EVSEOCPPCallResponseErrorCode, EVSEOCPPLogAction
from ev_energy.simulator._bodies import members, point_errors
from ev_energy.simulator._filters import equals, one_of, spelt, within
from ev_energy.simulator._households import remove_evse
from ev_energy.simulator._pages import page_url
from ev_energy.simulator._problems import invalid
from ev_energy.simulator._routes import Reply, Route, detail, listing

if TYPE_CHECKING:
    from ev_energy.simulator._catalogue import Product
    from ev_energy.simulator._routes import Call, Routes

#: What operations that answer an EVSE expand.
EVSE_EXPANDS: Final = ("user", "model", "model.make", "latest_status_log", "ct_clamp")
_LOG: Final = ("evse", "evse.model", "evse.model.make", "evse.user")
_WRITES: Final = ("evse:write",)
_OCPP_FILTERS: Final = within("sampled_at") | {
    "action": one_of("action", EVSEOCPPLogAction),
    "action__in": one_of("action", EVSEOCPPLogAction, several=True),
    "direction": spelt("direction", {"SENT": "Sent", "RECEIVED": "Received"}),
    "error_code": one_of("response.error_code", EVSEOCPPCallResponseErrorCode),
    "error_code__in": one_of("response.error_code", EVSEOCPPCallResponseErrorCode, several=True),
}


def _update(call: Call) -> Reply:
    row = call.row("evses", "evse_id")
    body = members(call.body)
    if "location" in body:
        location = body["location"]
        if location is not None:
            if errors := point_errors(location):
                raise invalid({"location": errors}, slug="validation-failed-update-evse")
            location = {name: location[name] for name in ("latitude", "longitude")}
        row["location"] = location
    return Reply(call.show(row))


def _delete(call: Call) -> Reply:
    remove_evse(call.world, call.row("evses", "evse_id"))
    return Reply(status=204)


def _reconnect(call: Call) -> Reply:
    row = call.row("evses", "evse_id")
    request = call.world.chance.uuid("reconnect", row["id"])
    return Reply({"url": page_url(call.root, "reconnect", {"request": request})}, 201)


def _vpp_modes(call: Call) -> Reply:
    product: Product = call.row("evses", "evse_id")["_product"]
    return Reply({
        "target_power": product.bidirectional,
        "import_max_power": True,
        "export_max_power": product.bidirectional,
        "charge_mode": product.telemetry,
    })  # fmt: skip


def _connectivity(call: Call) -> Reply:
    row = call.row("evses", "evse_id")
    chance, product = call.world.chance, row["_product"]
    mobile = product.telemetry and chance.odds(60, row["id"], "sim")
    signal = -chance.between(58, 80, row["id"], "signal")
    releases = call.world.tables["evse_firmware_versions"].rows()
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
    ("GET", "/evses"): listing("evse:read", expand=EVSE_EXPANDS, filters={"cpid": equals("cpid")}),
    ("GET", "/evses/{evse_id}"): detail("evse:read", expand=EVSE_EXPANDS),
    ("PATCH", "/evses/{evse_id}"): Route(_update, _WRITES, expand=EVSE_EXPANDS),
    ("DELETE", "/evses/{evse_id}"): Route(_delete, _WRITES),
    ("POST", "/evses/{evse_id}/reconnect"): Route(_reconnect, _WRITES),
    ("GET", "/evses/{evse_id}/vpp_modes"): Route(_vpp_modes, ("evse:read",)),
    ("GET", "/evses/{evse_id}/connectivity"): Route(
        _connectivity, ("evse:read",), expand=("latest_status_log",)
    ),
    ("GET", "/evses/{evse_id}/status_logs"): listing(
        "evse:read", expand=_LOG, filters=within("sampled_at")
    ),
    ("GET", "/evses/{evse_id}/status_logs/{sampled_at}"): detail("evse:read", expand=_LOG),
    ("GET", "/evses/{evse_id}/command_logs"): listing(
        "debug:read", expand=_LOG, filters=within("logged_at")
    ),
    ("GET", "/evses/{evse_id}/command_logs/{logged_at}"): detail("debug:read", expand=_LOG),
    ("GET", "/evses/{evse_id}/error_logs"): listing(
        "debug:read", expand=_LOG, filters=within("sampled_at")
    ),
    ("GET", "/evses/{evse_id}/error_logs/{sampled_at}"): detail("debug:read", expand=_LOG),
    ("GET", "/evses/{evse_id}/ocpp_logs"): listing(
        "debug:read", expand=_LOG, filters=_OCPP_FILTERS
    ),
    ("GET", "/evses/{evse_id}/ocpp_logs/{sampled_at}"): detail("debug:read", expand=_LOG),
}
