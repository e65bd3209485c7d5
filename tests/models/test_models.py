"""Models as values."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ev_energy import UNSET, Ref, to_records
from ev_energy.errors import NotExpandedError
from ev_energy.models import (
    EVSE,
    EVSELockMode,
    EVSEMake,
    EVSEModel,
    Location,
    Region,
    RegionDetail,
    Tariff,
    User,
)

ROOT = "https://api.ev.energy/v2"
DATA: dict[str, Any] = {
    "id": "evse01",
    "url": f"{ROOT}/evses/evse01",
    "cpid": "SHIR1",
    "model": {"id": "emod01", "url": f"{ROOT}/evse_models/emod01", "name": "EVWC", "make": "m"},
    "user": f"{ROOT}/users/user01/",
    "latest_status_log": {"url": "l", "sampled_at": "2024-01-01T11:11:11.111100Z"},
    "lock_mode": "SMART",
    "location": {"latitude": 51.5, "longitude": -0.1, "altitude": 11},
    "new": {"a": [1]},
}


def test_model_goes_to_json_and_back_unchanged() -> None:
    evse = EVSE.from_dict(DATA)
    assert evse.to_dict() == DATA
    assert type(evse.to_dict()["lock_mode"]) is str
    assert EVSE.from_dict(evse.to_dict()) == evse
    assert evse.extra == {"new": {"a": [1]}}
    assert evse.location is not None
    assert evse.location.extra == {"altitude": 11}


def test_models_copy_pickle_compare_and_print() -> None:
    evse = EVSE.from_dict(DATA)
    for copied in (copy.copy(evse), copy.deepcopy(evse), pickle.loads(pickle.dumps(evse))):
        assert copied == evse
        assert copied.to_dict() == DATA
        assert type(copied) is EVSE
    assert EVSE.from_dict({**DATA, "cpid": "other"}) != evse
    assert EVSE.from_dict({k: v for k, v in DATA.items() if k != "new"}) != evse
    assert evse != DATA
    assert "cpid='SHIR1'" in repr(evse)
    assert "extra={'new': {'a': [1]}}" in repr(evse)
    assert len({evse, EVSE.from_dict(DATA)}) == 1


def test_model_is_immutable_and_can_be_evolved() -> None:
    evse = EVSE.from_dict(DATA)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        evse.cpid = "x"  # type: ignore[misc]  # that is the point
    assert attrs.evolve(evse, cpid="x").cpid == "x"
    assert attrs.evolve(evse, cpid="x").model == evse.model


def test_model_can_be_constructed_directly() -> None:
    evse = EVSE(
        id="evse01", url=f"{ROOT}/evses/evse01", cpid="c", user=Ref(f"{ROOT}/users/u", User)
    )
    assert evse.user is not None
    assert evse.user.id == "u"
    assert evse.model is None
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'cpid'"):
        EVSE(id="evse01", url="u")  # type: ignore[call-arg]  # that is the point
    with pytest.raises(TypeError, match="unexpected keyword argument 'cpidd'"):
        EVSE(id="evse01", url="u", cpid="c", cpidd="d")  # type: ignore[call-arg]  # as above


def test_expanded_link_without_an_id_has_an_empty_one() -> None:
    evse = EVSE.from_dict({"id": "evse01", "user": {"email": "x@example.com"}})
    assert evse.user is not None
    assert (evse.user.id, evse.user.url) == ("", "")
    [record] = to_records([evse])
    assert record["user.id"] is None


def test_link_has_the_same_attributes_expanded_or_not() -> None:
    evse = EVSE.from_dict(DATA)
    assert evse.model is not None
    assert evse.user is not None
    assert (evse.model.url, evse.model.id) == (f"{ROOT}/evse_models/emod01", "emod01")
    assert (evse.user.url, evse.user.id) == (f"{ROOT}/users/user01/", "user01")
    assert evse.model.is_expanded
    assert evse.model.value.name == "EVWC"
    assert evse.model.into is EVSEModel
    assert not evse.user.is_expanded
    assert evse.user.resource is None
    with pytest.raises(NotExpandedError, match=r"pass expand=\[\.\.\.\] to get the User"):
        _ = evse.user.value


def test_links_with_the_same_url_are_equal() -> None:
    evse = EVSE.from_dict(DATA)
    assert evse.user == Ref(f"{ROOT}/users/user01", User)
    assert hash(evse.user) == hash(Ref(f"{ROOT}/users/user01", User))
    assert evse.model == Ref(f"{ROOT}/evse_models/emod01", EVSEModel)
    assert evse.user != Ref(f"{ROOT}/users/user02", User)
    assert evse.user != f"{ROOT}/users/user01"


def test_expanded_link_without_a_url_has_an_id() -> None:
    evse = EVSE.from_dict({**DATA, "model": {"id": "emod01", "name": "EVWC"}})
    assert evse.model is not None
    assert (evse.model.url, evse.model.id) == ("", "emod01")


def test_timestamps_are_aware_and_naive_ones_are_read_as_utc() -> None:
    for text in ("2024-01-01T11:11:11.1111", "2024-01-01T11:11:11.1111Z"):
        user = User.from_dict({"id": "u", "url": "u", "joined_at": text})
        assert user.joined_at == datetime(2024, 1, 1, 11, 11, 11, 111100, UTC)


def test_prices_are_decimals_and_times_of_day_are_times() -> None:
    tariff = Tariff.from_dict(
        {
            "id": "t",
            "url": "t",
            "supplier": "s",
            "name": "n",
            "currency": "GBP",
            "daily_prices": {"peak": {"price": "0.10", "times": [{"start": "18:00:00"}]}},
        }
    )
    assert tariff.daily_prices is not None
    assert tariff.daily_prices.peak.price == Decimal("0.10")
    assert str(tariff.daily_prices.peak.price) == "0.10"
    times = tariff.daily_prices.peak.times
    assert times is not None
    assert times[0].start is not None
    assert times[0].start.hour == 18


def test_open_enum_keeps_unknown_values() -> None:
    known, unknown = EVSELockMode("SMART"), EVSELockMode("NEW")
    assert known is EVSELockMode.SMART
    assert known.known
    assert not unknown.known
    assert unknown == "NEW" == str(unknown)
    assert unknown == EVSELockMode("NEW")
    assert hash(unknown) == hash("NEW")
    assert pickle.loads(pickle.dumps(unknown)) == unknown
    assert list(EVSELockMode) == ["UNLOCKED", "SMART", "LOCKED"]
    with pytest.raises(ValueError, match="5 is not a valid"):
        EVSELockMode(5)


def test_truth_value_of_unset_is_an_error() -> None:
    with pytest.raises(TypeError, match="compare with `is UNSET`"):
        bool(UNSET)
    assert repr(UNSET) == "UNSET"
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET


def test_location_of_a_list_and_of_one_user_is_the_same_class() -> None:
    location = Location.from_dict(
        {"city": "London", "current_carbon_intensity_grams_per_kilowatt_hour": 300}
    )
    assert location.current_carbon_intensity_grams_per_kilowatt_hour == 300
    assert Location.from_dict({"city": "London"}).extra == {}


def test_model_is_a_frozen_attrs_class() -> None:
    make = EVSEMake(id="1", url="u", name="Acme")
    assert attrs.has(EVSEMake)
    assert [field.name for field in attrs.fields(EVSEMake)][:3] == ["id", "url", "name"]
    assert attrs.fields(EVSEMake).icon.default is None
    assert attrs.fields(EVSEMake).name.default is attrs.NOTHING
    assert attrs.fields_dict(EVSEMake)["icon"].type == "str | None"
    assert attrs.evolve(make, name="Other") == EVSEMake(id="1", url="u", name="Other")
    assert attrs.asdict(make)["name"] == "Acme"
    for change in (lambda: setattr(make, "name", "x"), lambda: delattr(make, "name")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            change()
    with pytest.raises(AttributeError):
        _ = attrs.fields(EVSEMake).nonesuch
    with pytest.raises(AttributeError):
        object.__setattr__(make, "nonesuch", 1)  # models have slots


def test_derived_model_has_the_fields_of_both() -> None:
    detail = RegionDetail.from_dict({"id": "r", "name": "n", "geometry": None})
    assert isinstance(detail, Region)
    assert [field.name for field in attrs.fields(RegionDetail)][-2:] == ["geometry", "_extra"]
    assert detail.name == "n"
    assert pickle.loads(pickle.dumps(detail)) == detail
