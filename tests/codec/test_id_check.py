"""Which values are refused as the id of another resource, and which must not be."""

from __future__ import annotations

from typing import Any

import pytest

from ev_energy import Ref, models
from ev_energy._codec.id_check import kind_at, kind_of
from ev_energy._codec.id_models import ID_MODELS
from ev_energy._codec.text import id_text
from ev_energy._operations import operation_table
from tests.helpers.names import assert_same_names

ROOT = "https://api.ev.energy/v2"


class Wallbox(models.EVSE):
    """A model of a user's own."""


def made(model: type[models.User] | Any, path: str, **members: object) -> Any:
    return model.from_dict({"id": path.rpartition("/")[2], "url": f"{ROOT}{path}", **members})


@pytest.mark.parametrize(
    ("model", "value"),
    [
        ("EVSE", made(Wallbox, "/evses/thing01")),
        ("EVSE", Ref(f"{ROOT}/evses/thing01", Wallbox)),
        ("Tariff", made(models.TariffDetail, "/tariffs/thing01")),
        ("Region", made(models.RegionDetail, "/regions/thing01")),
        ("UserRebate", made(models.UserRebateCreated, "/user_rebates/thing01")),
        ("RebateEvidenceFile", made(models.RebateEvidenceUpload, "/rebate_evidence_files/thing01")),
        ("Vehicle", made(models.VehicleOnboardingCompleteResponseVehicle, "/vehicles/thing01")),
        # Forms of links that occur in the vendor's examples.
        ("EVSE", "https://api.ev.energy/evses/thing01"),
        ("EVSE", f"{ROOT}/evse/thing01/"),
        ("EVSE", Ref(f"{ROOT}/evse/thing01", models.EVSE)),
        ("VehicleTrim", f"{ROOT}/trim/thing01"),
        ("InverterModel", f"{ROOT}/inverters/thing01"),
        ("InverterModel", made(models.InverterModel, "/inverters/thing01")),
        ("InverterModel", Ref(f"{ROOT}/inverters/thing01", models.InverterModel)),
        ("RebateType", f"{ROOT}/user_rebates/thing01"),
        # A gateway, a query, an id that is the name of a collection, and one of another form.
        ("EVSE", "https://gateway.example/energy/evses/thing01?expand=user"),
        ("EVSE", f"{ROOT}/evses/thing01?back=https://x/users/5"),
        ("EVSE", "thing01"),
        ("User", "thing01"),
    ],
)
def test_value_that_may_be_right_is_accepted(model: str, value: object) -> None:
    assert id_text("id", value, kind_of(model)) == "thing01"


@pytest.mark.parametrize(
    ("model", "value"),
    [
        ("Inverter", made(models.InverterStatusLog, "/inverters/thing01/status_logs/2026")),
        ("Vehicle", made(models.VehicleReconnectionUrl, "/reconnect")),
        ("VehicleModel", made(models.VehicleMake, "/vehicle_makes/thing01")),
        ("EVSE", Ref(f"{ROOT}/evses/thing01", models.User)),
        ("User", Ref(made(models.EVSE, "/evses/thing01"), models.EVSE)),
        ("Inverter", made(models.InverterModel, "/inverters/thing01")),
    ],
)
def test_other_model_is_refused(model: str, value: object) -> None:
    with pytest.raises(TypeError, match="^id must be an? .*, not an? "):
        id_text("id", value, kind_of(model))


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/evses/{}", f"{ROOT}/vehicles/thing01/"),
        ("/evses/{}", "https://gateway.example/energy/vehicles/thing01"),
        ("/inverters/{}", f"{ROOT}/inverter_models/thing01"),
        ("/users/{}/saved_routes/{}", f"{ROOT}/users/thing01"),
        ("/vehicles/{}/status_logs/{}", f"{ROOT}/evses/thing01/status_logs/2026-01-01T00:00:00Z"),
        ("/evses/{}", f"{ROOT}/vehicles/thing01/status_logs"),
    ],
)
def test_other_url_is_refused(path: str, url: str) -> None:
    kind = kind_at(path)
    assert kind is not None
    with pytest.raises(ValueError, match="^id='http.*' is the URL of an? .*, not of an? "):
        id_text("id", url, kind)


def test_every_id_in_a_path_has_a_kind_except_the_regions_of_connectors() -> None:
    unknown = {
        name
        for operation in operation_table()
        for name, accepted in zip(operation.ids, operation.id_models, strict=True)
        if not accepted
    }
    assert unknown == {"region"}


def test_names_of_log_entries_end_in_log() -> None:
    keys = {"sampled_at", "logged_at", "valid_period_start"}
    assert_same_names(
        {
            model
            for operation in operation_table()
            for name, accepted in zip(operation.ids, operation.id_models, strict=True)
            for model in accepted
            if name in keys
        },
        {model for accepted in ID_MODELS.values() for model in accepted if model.endswith("Log")},
        missing="IdKind.is_log_entry takes this model for a log entry",
        unexpected="IdKind.is_log_entry does not take this model for a log entry",
    )
