"""The encoding of request bodies."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ev_energy import UNSET, Ref
from ev_energy._codec.encode import encode
from ev_energy._codec.text import Link
from ev_energy.models import CountryCode, LatLong, LocationWrite, Tariff

ROOT = "https://api.ev.energy/v2"


def _no_id(name: str) -> bool:
    return not name.endswith("_id")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(_no_id), inner),
    max_leaves=20,
)


def sent(**body: object) -> Any:
    return json.loads(encode(body, ROOT))


def test_unset_is_left_out_and_none_is_null() -> None:
    assert sent(a=UNSET, b=None, c=0, d=False) == {"b": None, "c": 0, "d": False}


@given(st.dictionaries(st.text().filter(_no_id), JSON))
def test_json_values_are_encoded_unchanged(body: dict[str, Any]) -> None:
    assert json.loads(encode(body, ROOT)) == body


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_number_that_json_cannot_express_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="latitude must be a finite number"):
        encode({"location": LatLong(latitude=number, longitude=0.0)}, ROOT)


@pytest.mark.parametrize(
    "tariff",
    [
        "tari01",
        f"{ROOT}/tariffs/tari01",
        Ref(f"{ROOT}/tariffs/tari01", Tariff),
    ],
)
def test_id_url_or_link_is_sent_as_a_url_where_the_api_expects_one(tariff: Any) -> None:
    location = LocationWrite(tariff=tariff)
    assert sent(default_location=location) == {
        "default_location": {"tariff": f"{ROOT}/tariffs/tari01"}
    }
    assert sent(t=Link("/tariffs", None)) == {"t": None}


def test_nested_object_leaves_out_unset_fields() -> None:
    location = LocationWrite(
        address_1="1 High Street",
        address_2=None,
        city="London",
        postal_code="N1 1AA",
        country_code=CountryCode.GB,
        coordinates=LatLong(latitude=51.5, longitude=-0.1),
    )
    assert sent(default_location=location)["default_location"] == {
        "address_1": "1 High Street",
        "address_2": None,
        "city": "London",
        "postal_code": "N1 1AA",
        "country_code": "GB",
        "coordinates": {"latitude": 51.5, "longitude": -0.1},
    }


def test_address_is_cleared_or_given_completely() -> None:
    LocationWrite(address_1=None, city=None, postal_code=None, country_code=None)
    LocationWrite(tariff=None)
    with pytest.raises(ValueError, match="default_location: with city given, address_1, postal_c"):
        LocationWrite(city="London")
    with pytest.raises(ValueError, match="country_code must be given too"):
        LocationWrite(address_1="a", city="b", postal_code="c", country_code=None)


def test_timestamps_are_sent_in_utc_and_naive_ones_are_refused() -> None:
    assert sent(at=datetime(2024, 1, 1, tzinfo=UTC)) == {"at": "2024-01-01T00:00:00.000000Z"}
    with pytest.raises(ValueError, match="at is a naive datetime"):
        encode({"at": datetime(2024, 1, 1)}, ROOT)


def test_value_that_json_cannot_express_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="thing is an object, which cannot be sent"):
        encode({"thing": object()}, ROOT)
