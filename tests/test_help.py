"""What `help` and a notebook's `?` show of models, enums, families and methods."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import pydoc
import re
from collections.abc import Iterator
from enum import Enum
from itertools import takewhile
from types import ModuleType
from typing import Any

import attrs
import pytest

import ev_energy
import ev_energy_sync
from ev_energy import _field_docs, models
from ev_energy._lazy_exports import Lazy, MembersDoc
from ev_energy._operations import operation_table
from ev_energy._records.units import SUFFIXES
from ev_energy.models._base import model_fields
from ev_energy.models.charging import ChargingSubSession, ChargingSubSessionMode
from ev_energy.models.charging_assessment import ChargingSubSessionAssessmentMetrics
from ev_energy.models.evses import EVSE
from ev_energy.models.regions import RegionDetail
from ev_energy.models.tariffs import TariffDetail
from ev_energy.models.users import Location, LocationWrite
from ev_energy.models.vehicles import (
    Vehicle,
    VehicleClass,
    VehicleIntegrated,
    VehicleStatusLog,
)
from ev_energy.simulator import Simulator

PACKAGES = (ev_energy, ev_energy_sync)
FAMILIES = [name for name, value in vars(ev_energy.Client).items() if isinstance(value, Lazy)]
CLASSES = [
    value
    for name in dir(models)
    if isinstance(value := getattr(models, name), type) and "__doc__" in vars(value)
]
ATTRS = [cls for cls in CLASSES if attrs.has(cls) and cls is not models.Model]
ENUMS = [cls for cls in CLASSES if issubclass(cls, Enum) and cls is not models.OpenEnum]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_help_of_every_class_of_models_has_its_documentation(cls: type[Any]) -> None:
    pytest.importorskip("pydantic", reason="needs pydantic: pip install -e '.[test]'")
    assert doc(cls).splitlines()[0] in shown(cls)


def doc(of: object) -> str:
    text = inspect.getdoc(of)
    assert text is not None
    return text


def shown(of: object) -> str:
    """Return what `help` prints."""
    return pydoc.plain(pydoc.render_doc(of))


def entry(of: object, head: str) -> str:
    """Return the lines below the line *head* that belong to it."""
    lines = doc(of).splitlines()
    below = lines[lines.index(f"    {head}") + 1 :]
    return "\n".join(line.strip() for line in takewhile(lambda line: line[:5].isspace(), below))


def test_field_has_its_type_unit_and_meaning() -> None:
    assert entry(Vehicle, "battery_size_watt_hours: int (Wh)") == (
        "Nominal capacity from the integration, the trim or the user, in steps of 10."
    )
    assert entry(Vehicle, "maximum_charge_limit_percentage: int | None (percent)").startswith(
        "The highest state of charge that smart charging aims for, 50 to 100.\nNone if it was"
    )
    assert entry(VehicleStatusLog, "sampled_at: datetime | None (aware)").startswith("When the")


def test_field_without_a_docstring_has_its_type() -> None:
    assert "\n    smart_charging_enabled: bool\n" in doc(Vehicle)
    assert "\n    odometer_meters: int | None (metres)\n" in doc(VehicleStatusLog)


@pytest.mark.parametrize(
    ("cls", "head"),
    [
        (TariffDetail, "current_price: int | None (minor units of the currency)"),
        (ChargingSubSession, "savings_cost: int | None (minor units of the currency)"),
        (ChargingSubSession, "co2_intensity_grams_per_kilowatt_hour: int | None (g/kWh)"),
        (ChargingSubSessionAssessmentMetrics, "vehicle_data_uptime: int | None (percent)"),
        (models.SupportTicketSourceStatsBreakdown, "percentage: float (fraction, 0 to 1)"),
        (models.PriceSummary, "price: Decimal | str | None (major units of the currency)"),
        (models.LatLong, "latitude: float (degrees)"),
        (models.Times, "start: time | str | None"),
        (TariffDetail, "valid_from: date | None"),
    ],
)
def test_units_and_types_are_plain(cls: type[Any], head: str) -> None:
    assert f"\n    {head}\n" in f"{doc(cls)}\n"


def test_number_whose_name_lacks_the_unit_has_one() -> None:
    for name in SUFFIXES:
        model, field = name.split(".")
        heads = [line for line in doc(getattr(models, model)).splitlines() if f" {field}: " in line]
        assert len(heads) == 1
        assert heads[0].endswith(")"), heads


def test_link_says_what_it_leads_to_and_how_to_get_it() -> None:
    assert entry(Vehicle, "trim: Ref[VehicleTrim] | None") == (
        "Link to `VehicleTrim`: it has `id` and `url`, and `value` if the call asked for the\n"
        'resource itself with expand=["trim"].'
    )


def test_field_lists_the_values_of_its_enum() -> None:
    assert entry(Vehicle, "integrated: VehicleIntegrated") == (
        "One of 'UNINTEGRATED', 'ACTIVE', 'INACTIVE'."
    )
    assert entry(EVSE, "lifecycle_state: EVSELifecycleState | None") == (
        "None before the first step was recorded.\n"
        "One of 'CREATED_LINKED', 'INSTALLED', 'COMMISSIONED', 'DECOMMISSIONED', 'UNKNOWN',\n"
        "'PROBABLY_INSTALLED', 'UNPAIRED', 'PENDING', 'ENROLLED'."
    )


def test_enum_lists_its_values_and_their_meanings() -> None:
    text = doc(VehicleIntegrated)
    assert text.startswith("Whether ev.energy is connected to a vehicle.\n\nThe API may add")
    assert entry(VehicleIntegrated, "ACTIVE = 'ACTIVE'") == "Connected, and the connection works."
    assert entry(models.EVSEOCPPLogAction, "RESERVE_NOW = 'ReserveNow'") == (
        "The server reserves a connector for an id tag."
    )
    assert doc(VehicleClass).endswith(
        "Values:\n    PASSENGER = 'PASSENGER'\n    COMMERCIAL = 'COMMERCIAL'"
    )
    assert "INACTIVE = <VehicleIntegrated.INACTIVE: 'INACTIVE'>" in shown(VehicleIntegrated)


@pytest.mark.parametrize("enum", [ChargingSubSessionMode, VehicleIntegrated, VehicleClass])
def test_help_of_an_enum_shows_its_values_and_their_meanings(enum: type[Enum]) -> None:
    assert "\nValues:\n" in doc(enum)
    # pydoc marks each line of a class.
    lines = [line.removeprefix(" |").strip() for line in shown(enum).splitlines()]
    assert "\n".join(line.strip() for line in doc(enum).splitlines()) in "\n".join(lines)


def test_value_of_a_request_shows_what_is_left_out() -> None:
    text = doc(LocationWrite)
    assert "\n    city: str | Unset | None = UNSET\n" in text
    assert "One of 'UNSET'" not in text


def test_help_of_a_model_shows_its_fields() -> None:
    text = shown(Vehicle)
    assert "battery_size_watt_hours: int (Wh)" in text
    assert "Nominal capacity from the integration" in text


def test_instance_has_the_same_help() -> None:
    vehicle = Vehicle.from_dict({"id": "vhcl01"})
    assert doc(vehicle) == doc(Vehicle)
    assert "battery_size_watt_hours: int (Wh)" in shown(vehicle)


def test_subclass_of_a_user_has_the_fields_that_it_inherits() -> None:
    @models.model
    class Mine(EVSE):
        """An EVSE with a plate."""

        plate: str | None = None

    class Plain(EVSE):
        pass

    assert doc(Mine).startswith("An EVSE with a plate.\n\nA field with")
    assert "\n    plate: str | None" in doc(Mine)
    assert "\n    lock_mode: EVSELockMode | None\n" in doc(Mine)
    assert doc(Plain) == doc(EVSE)


@pytest.mark.parametrize("cls", [RegionDetail, TariffDetail])
def test_inherited_fields_keep_their_meaning(cls: type[Any]) -> None:
    assert doc(cls.__base__).partition("Fields:\n")[2].splitlines()[0] in doc(cls)


def test_every_field_and_every_value_is_shown_once() -> None:
    assert len(ATTRS) > 150
    assert len(ENUMS) > 50
    for cls in ATTRS:
        heads = [
            line[4:] for line in doc(cls).splitlines() if line[:4].isspace() and line[4:5].strip()
        ]
        names = [head.partition(":")[0] for head in heads if ": " in head]
        assert [n for n in names if n.isidentifier()] == [f.name for f in model_fields(cls)], cls
    for enum in ENUMS:
        lines = doc(enum).splitlines()
        for name, value in enum.__members__.items():
            assert lines.count(f"    {name} = {value.value!r}") == 1, enum


def test_without_the_source_fields_have_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> str:
        raise OSError("could not get source code")

    _field_docs._docs_of_module.cache_clear()
    monkeypatch.setattr(inspect, "getsource", refuse)
    try:
        assert "\n    battery_size_watt_hours: int (Wh)\n    effective" in doc(Vehicle)
        assert "\n    ACTIVE = 'ACTIVE'\n    INACTIVE" in doc(VehicleIntegrated)
    finally:
        _field_docs._docs_of_module.cache_clear()


def test_dictionary_of_a_class_has_the_docstring_of_the_source() -> None:
    written = vars(Vehicle)["__doc__"]
    assert type(written) is MembersDoc
    assert written == "One physical electric vehicle."
    assert _field_docs.summary(Vehicle) == "One physical electric vehicle."


def test_classes_and_values_can_be_pickled() -> None:
    for one in (Vehicle, ChargingSubSessionMode.SMART, Location.from_dict({"city": "Leeds"})):
        assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize("package", PACKAGES)
def test_family_on_the_client_class_is_its_class(package: ModuleType) -> None:
    assert package.Client.evses.__module__ == f"{package.__name__}.resources.evses"
    assert package.Client.evses.__name__ == "Evses"


@pytest.mark.parametrize(
    ("package", "start"), [(ev_energy, "await "), (ev_energy_sync, "")], ids=["async", "blocking"]
)
def test_family_lists_its_methods(package: ModuleType, start: str) -> None:
    evses = package.Client.evses
    assert doc(evses).startswith("Charge points and their logs.\n\nLog entries are listed")
    assert entry(evses, "list(*, cpid, page_size, expand) -> Pager[EVSE]") == (
        "List EVSEs; with *cpid*, the one with exactly that charge point identity.\n"
        "GET /evses, scope evse:read.\n"
        "expand takes 'user', 'model', 'model.make', 'latest_status_log', 'ct_clamp'."
    )
    head = "ocpp_logs(evse_id, *, sampled_at__gte, sampled_at__lte, action, action__in, direction,"
    assert entry(evses, head).startswith(
        "error_code, error_code__in, page_size, expand) -> LogPager[EVSEOCPPLog]\nList the OCPP"
    )
    assert entry(evses, f"{start}delete(evse_id) -> None") == (
        "Decommission an EVSE: disconnect it from ev.energy.\n"
        "DELETE /evses/{evse_id}, scope evse:write."
    )
    assert "GET /evses, scope evse:read." in shown(evses)
    # Python 3.13 puts each argument of a long signature on a line of its own.
    assert re.search(r"\n \|  list\([\s|]*self,[\s|]*\*,[\s|]*cpid:", shown(evses))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_family_lists_every_method(package: ModuleType) -> None:
    assert len(FAMILIES) > 50
    for name in FAMILIES:
        family = getattr(package.Client, name)
        methods = [m for m in vars(family) if not m.startswith("_")]
        heads = _heads(doc(family))
        assert list(heads) == methods, name


def _heads(text: str) -> Iterator[str]:
    for line in text.rpartition("Methods:\n")[2].splitlines():
        if line.startswith("    ") and not line.startswith("     "):
            yield line.removeprefix("    await ").strip().partition("(")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_method_of_a_client_has_its_signature_and_docstring(package: ModuleType) -> None:
    client = package.Client("token")
    text = shown(client.evses.list)
    joined = re.sub(r"\s+", " ", text).replace("( ", "(")
    assert "list(*, cpid: 'str | None' = None, page_size: 'int' = 100" in joined
    assert "GET /evses, scope evse:read." in text
    assert doc(client.evses) == doc(package.Client.evses)
    assert "GET /evses, scope evse:read." in shown(client.evses)
    assert shown(client.evses).count("expand takes 'user', 'model',") > 2
    if package is ev_energy_sync:
        client.close()


@pytest.mark.parametrize("package", PACKAGES)
def test_help_of_a_method_lists_what_it_can_expand(package: ModuleType) -> None:
    client = package.Client("token")
    assert doc(client.evses.get).endswith(
        "GET /evses/{evse_id}, scope evse:read.\n\n"
        "expand takes 'user', 'model', 'model.make', 'latest_status_log', 'ct_clamp'."
    )
    listed = "expand takes 'user', 'model', 'model.make', 'latest_status_log', 'ct_clamp'."
    assert f"    {listed}\n" in shown(client.evses.list)
    assert f"    {listed}\n" in shown(package.Client.evses.get)
    assert doc(client.evses.delete).endswith("DELETE /evses/{evse_id}, scope evse:write.")
    if package is ev_energy_sync:
        client.close()


ASYNC_READING = (
    "it is not awaited. Iterate over it with ``async for``, or await its collect(limit=...), "
    "page() or first()."
)


@pytest.mark.parametrize(
    ("package", "reading"),
    [
        (
            ev_energy,
            ASYNC_READING,
        ),
        (
            ev_energy_sync,
            "iterate over it with ``for``, or call its collect(limit=...), page() or first().",
        ),
    ],
    ids=["async", "blocking"],
)
def test_help_of_a_listing_says_how_it_is_read(package: ModuleType, reading: str) -> None:
    size = " page_size is the number of items in one request, 1 to 100."
    usage = f"Returns a listing: {reading}{size}"
    assert f" GET /evses, scope evse:read. {usage} expand takes 'user'," in one_line(
        shown(package.Client.evses.list)
    )
    assert doc(package.Client.cpms_providers.list).count("page_size") == 0
    found = 0
    for name in FAMILIES:
        for method in vars(getattr(package.Client, name)).values():
            if inspect.isfunction(method) and not method.__name__.startswith("_"):
                is_listing = "Pager[" in str(inspect.signature(method).return_annotation)
                assert (f"Returns a listing: {reading}" in one_line(doc(method))) == is_listing
                found += is_listing
    assert found > 50


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("package", PACKAGES)
def test_help_of_a_package_leads_to_its_parts(package: ModuleType) -> None:
    said = doc(package)
    assert said.startswith("A client for the ev.energy v2 API, ")
    parts = "the families of operations, `models` the classes of replies, and `errors` what calls"
    assert f"`Client` has {parts} raise" in one_line(said)
    assert "https://ev-energy.example/docs" in said


@pytest.mark.parametrize("package", PACKAGES)
def test_example_of_a_package_runs(
    package: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = doc(package).splitlines()
    example = "\n".join(line for line in lines if line.startswith("    "))
    assert f"    from {package.__name__} import Client\n" in example
    with Simulator.in_thread(seed=1, vehicles=2) as simulator:
        monkeypatch.setenv("EV_ENERGY_BASE_URL", simulator.base_url)
        monkeypatch.setenv("EV_ENERGY_CLIENT_ID", simulator.client_id)
        monkeypatch.setenv("EV_ENERGY_CLIENT_SECRET", simulator.client_secret)
        namespace: dict[str, Any] = {}
        start = "async def main():" if package is ev_energy else "def main():"
        exec(f"{start}\n{example}", namespace)
        if package is ev_energy:
            asyncio.run(namespace["main"]())
        else:
            namespace["main"]()
    assert capsys.readouterr().out.count("vhcl") == 2


@pytest.mark.parametrize("package", PACKAGES)
def test_every_method_with_expand_lists_its_values(package: ModuleType) -> None:
    found = 0
    for name in FAMILIES:
        for method in vars(getattr(package.Client, name)).values():
            if inspect.isfunction(method) and "expand" in inspect.signature(method).parameters:
                assert re.search(r"\n\nexpand takes '[a-z'_., \n]+'\.$", doc(method)), method
                found += 1
    assert found == sum(bool(operation.expand) for operation in operation_table())


@pytest.mark.parametrize("package", PACKAGES)
def test_help_of_the_client_lists_the_operations(package: ModuleType) -> None:
    text = shown(package.Client)
    assert "GET /evses, scope evse:read." in text
    assert "Lazy object" not in text
    assert f" |  evses = <class '{package.__name__}.resources.evses.Evses'>" in text
