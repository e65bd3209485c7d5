"""The addresses of the pages, for the operations that lead to them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping


def onboarding_url(root: str, kind: str, about: Mapping[str, str]) -> str:
    """Return the URL of the page that begins a journey, on the host that serves ``root``.

    ``about`` needs ``user_id`` and ``client_id``; ``make_id``, ``model_id`` and ``trim_id``
    shorten the way, and ``redirect_uri`` says where it ends.
    """
    return f"{root.removesuffix('/v2')}/onboarding/{kind}/?{urlencode(about)}"


def reconnect_url(root: str, kind: str, about: Mapping[str, str]) -> str:
    """Return the URL of the page on which something is connected again.

    ``about`` needs ``device_id`` and ``client_id``; ``expires_at`` is an instant after which the
    page is of no use, and ``redirect_uri`` says where the way ends.
    """
    return f"{root.removesuffix('/v2')}/onboarding/{kind}/reconnect/?{urlencode(about)}"


def legacy_id(uid: str) -> int:
    """Return the number that stands beside an id for those who still ask for numbers."""
    return zlib.crc32(uid.encode())
