"""What rich and `repr` show of models and pages."""

from __future__ import annotations

from typing import Any

import pytest
from rich.pretty import pretty_repr
from yarl import URL

from ev_energy import Page, Ref, Request, Response, errors
from ev_energy.models import EVSE, EnergyUsage, EVSEMake, RebateEvidenceUpload, UsageInterval, User

ROOT = "https://api.ev.energy/v2"


def test_rich_shows_the_fields_that_are_not_none_in_one_line_each() -> None:
    evse = EVSE.from_dict(
        {
            "id": "evse01",
            "url": "u",
            "cpid": "x" * 300,
            "model": {"id": "emod01", "url": f"{ROOT}/evse_models/emod01", "name": "EVWC"},
            "user": f"{ROOT}/users/user01",
            "location": {"latitude": 51.5, "longitude": -0.1},
            "new": {"a": [1]},
            "other": 5,
        }
    )
    assert pretty_repr(evse, expand_all=True).splitlines() == [
        "EVSE(",
        "    id='evse01',",
        "    url='u',",
        f"    cpid='{'x' * 200}'… (300 characters),",
        "    model=Ref(",
        "        'emod01',",
        "        EVSEModel,",
        "        is_expanded=True",
        "    ),",
        "    user=Ref(",
        "        'user01',",
        "        User",
        "    ),",
        "    location=LatLong(",
        "        latitude=51.5,",
        "        longitude=-0.1",
        "    ),",
        "    extra=<map of new, other>",
        ")",
    ]
    assert f"cpid='{'x' * 300}'" in repr(evse)
    assert "name='EVWC'" in repr(evse)


@pytest.mark.parametrize(
    ("groups", "shown"),
    [
        ((), "()"),
        (("a", "b"), "('a', 'b')"),
        (("a",) * 11, "<11 str>"),
        (("a" * 201,), "<1 str>"),
        (("a", 1) * 6, "<12 items>"),
    ],
)
def test_rich_shows_short_lists_only(groups: Any, shown: str) -> None:
    assert (
        pretty_repr(User(id="u", url="u", evses=groups)) == f"User(id='u', url='u', evses={shown})"
    )


def test_rich_shows_how_many_models_a_list_has() -> None:
    usage = EnergyUsage(intervals=(UsageInterval(interval_seconds=1800),) * 48)
    assert pretty_repr(usage) == "EnergyUsage(intervals=<48 UsageInterval>)"


@pytest.mark.parametrize(
    ("extra", "shown"),
    [
        ({"a": 1, "b": None}, "{'a': 1, 'b': None}"),
        ({"a": [1], "b": 2}, "<map of a, b>"),
        ({"k" * 50: [1]}, f"<map of {'k' * 40}…>"),
        (
            {f"k{n}": n for n in range(12)},
            "<map of k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, and 2 more>",
        ),
    ],
)
def test_rich_shows_the_names_of_unknown_fields(extra: Any, shown: str) -> None:
    assert pretty_repr(User(id="u", url="u", extra=extra), max_width=200) == (
        f"User(id='u', url='u', extra={shown})"
    )


def test_rich_masks_secrets() -> None:
    upload = RebateEvidenceUpload(id="rbtf01", presigned_url=f"{ROOT}/s3cret")
    assert pretty_repr(upload) == "RebateEvidenceUpload(id='rbtf01', presigned_url=***)"


def test_rich_shows_which_resource_a_link_leads_to() -> None:
    assert pretty_repr(Ref(f"{ROOT}/users/user01/", User)) == "Ref('user01', User)"
    make = EVSEMake(id="emak01", url=f"{ROOT}/evse_makes/emak01", name="Shire")
    assert pretty_repr(Ref(make, EVSEMake)) == "Ref('emak01', EVSEMake, is_expanded=True)"


def test_page_shows_how_many_items_it_has() -> None:
    evses = [EVSE(id=f"evse{n}", url="u", cpid="c") for n in range(100)]
    url = URL(f"{ROOT}/evses?email=eve@x.example&page_size=100")
    page = Page(items=evses, url=url, response=Response(200, "OK", {}, b""), next_url=url)
    shown = f"{ROOT}/evses?email=***&page_size=100"
    fields = ["items=<100 EVSE>", f"url={shown}", f"next_url={shown}", "previous_url=None"]
    assert repr(page) == f"Page({', '.join(fields)})"
    assert pretty_repr(page, max_width=400) == repr(page)
    assert "items=<0 items>, " in repr(Page(items=[], url=url, response=page.response))


def test_rich_shows_what_is_known_about_an_error() -> None:
    request = Request("GET", URL(f"{ROOT}/users?email=eve@x.example"), template="/users")
    response = Response(404, "Not Found", {"x-request-id": "r-1"}, b"")
    error = errors.NotFoundError(request, response, detail="no such user", type="not-found")
    assert pretty_repr(error, max_width=400) == (
        f"NotFoundError({str(error)!r}, status=404, type='not-found', outcome='refused', "
        "request_id='r-1')"
    )
    assert pretty_repr(errors.CursorError("no")) == "CursorError('no', outcome='not_sent')"
