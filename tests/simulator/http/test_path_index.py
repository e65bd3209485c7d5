"""The template of a path is that with literal segments where several match."""

from __future__ import annotations

import pytest

from ev_energy.simulator.http._path_index import PathIndex

INDEX = PathIndex(
    (
        "/",
        "/users",
        "/users/{user_id}",
        "/users/{user_id}/locations/{location_id}",
        "/users/current/{part}/history",
        "/users/current",
        "/rebates/{rebate_id}",
        "/rebates/{rebate_id}:submit",
    )
)


@pytest.mark.parametrize(
    ("path", "template", "parameters"),
    [
        ("", "/", {}),
        ("/", "/", {}),
        ("/users", "/users", {}),
        ("/users/", "/users", {}),
        ("/users/a", "/users/{user_id}", {"user_id": "a"}),
        ("/users/a/", "/users/{user_id}", {"user_id": "a"}),
        ("/users/current", "/users/current", {}),
        ("/users/current/x/history", "/users/current/{part}/history", {"part": "x"}),
        # The literal segment leads nowhere here, so it is a parameter.
        (
            "/users/current/locations/b",
            "/users/{user_id}/locations/{location_id}",
            {"user_id": "current", "location_id": "b"},
        ),
        ("/rebates/a:submit", "/rebates/{rebate_id}:submit", {"rebate_id": "a"}),
        ("/rebates/a:submit:submit", "/rebates/{rebate_id}:submit", {"rebate_id": "a:submit"}),
        ("/rebates/a:cancel", "/rebates/{rebate_id}", {"rebate_id": "a:cancel"}),
        ("/rebates/:submit", "/rebates/{rebate_id}", {"rebate_id": ":submit"}),
        ("/users/a%2Fb%252F", "/users/{user_id}", {"user_id": "a/b%2F"}),
        ("/users/a\nb", "/users/{user_id}", {"user_id": "a\nb"}),
    ],
)
def test_path_has_a_template(path: str, template: str, parameters: dict[str, str]) -> None:
    assert INDEX.find(path) == (template, parameters)


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/user",
        "/users//",
        "//users",
        "/users/a/b",
        "/users/{a}",
        "/users/a/locations/",
        "/Users",
    ],
)
def test_path_has_no_template(path: str) -> None:
    assert INDEX.find(path) is None
