"""The paths to which a browser may return: on the list, or refused."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_energy.fastapi._return_paths import ReturnPaths
from tests.helpers.tiers import examples as tiers

PATHS = ReturnPaths("/home", ["/chargers", "/garage/*"])
#: Pieces that open redirects are made of.
PIECES = st.sampled_from(
    ["/", "//", "\\", "/\\", "..", ".", "%2e", "%2E%2e", "%2f", "%5C", "%252e", "%0d%0a", "%00",
     "%", "http:", "https://", "javascript:", "data:", "@", ":", "?", "#", "&", ";", "\t", "\n",
     "\r", "\0", " ", "\u2028", "\uff0f", "\u3002", "garage", "/garage/", "/chargers", "/home",
     "admin", "attacker.example", "[", "]", "\ud800", "x"]
)  # fmt: skip
ATTACKS = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=20)


def as_browsers_see_it(location: str) -> tuple[str, str, str]:
    """Return scheme, host and path of a redirect as the URL standard of browsers resolves it."""
    text = "".join(c for c in location if c not in "\t\n\r").strip("\0 ")
    path, mark, query = text.partition("?")
    decoded_dots = path.replace("\\", "/").replace("%2e", ".").replace("%2E", ".")
    parts = urlsplit(urljoin("https://app.example/sign-in/callback", decoded_dots + mark + query))
    return parts.scheme, parts.netloc, parts.path


@tiers(fast=100, slow=3000)
def test_return_path_is_on_the_list_or_refused(examples: int) -> None:
    @settings(max_examples=examples)
    @given(ATTACKS | ATTACKS.map(lambda text: f"/garage/{text}"))
    def check(requested: str) -> None:
        chosen = PATHS.choose(requested)
        if chosen is None:
            return
        assert chosen == requested
        scheme, host, path = as_browsers_see_it(chosen)
        assert (scheme, host) == ("https", "app.example")
        assert path in {"/home", "/chargers"} or path.startswith("/garage/")

    check()


@pytest.mark.parametrize(
    "path",
    ["/home", "/home?a=/b&c=%2F..", "/chargers", "/chargers?x=//y", "/garage/", "/garage/a/b",
     "/garage/evse01?tab=2", "/garage/%C3%A9t%C3%A9", "/garage/a.b/..c", "/garage/a:b@c"],
)  # fmt: skip
def test_path_on_the_list_is_allowed(path: str) -> None:
    assert PATHS.choose(path) == path


def test_default_is_used_without_a_request() -> None:
    assert PATHS.choose(None) == "/home"


@pytest.mark.parametrize(
    "path",
    ["", "home", "/garage", "/garagex", "/homes", "/chargers/", "/garage/%2E%2E/x", "/garage/..",
     "/garage/%2fx", "/garage/%5cx", "/garage/%252e", "/garage/%zz", "/garage/%0a", "/garage/é",
     "/garage/..;/x"],
)  # fmt: skip
def test_path_off_the_list_is_refused(path: str) -> None:
    assert PATHS.choose(path) is None


def test_every_path_can_be_allowed() -> None:
    paths = ReturnPaths("/", ["/*"])
    assert paths.choose("/any/path") == "/any/path"
    assert paths.choose("//attacker.example") is None
    assert paths.choose("/.//attacker.example") is None


def test_wrong_settings_name_the_argument() -> None:
    with pytest.raises(ValueError, match="after: 'https://a.example' is not a path"):
        ReturnPaths("https://a.example", [])
    with pytest.raises(ValueError, match="return_paths"):
        ReturnPaths("/", ["/a\n"])
    with pytest.raises(TypeError, match="return_paths"):
        ReturnPaths("/", "/chargers")
