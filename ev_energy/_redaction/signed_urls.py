"""URLs that grant access by what they contain, such as presigned ones, in JSON values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from ev_energy._runtime.lazy_pattern import lazy_pattern

#: A parameter of a query or fragment that is a signature or a credential, such as
#: ``X-Amz-Signature``, ``sig`` and ``access_token``; or a password before the host.
_GRANT: Final = lazy_pattern(
    r"[?&#;](?:(?:[\w.%-]*[-_.])?(?:signature|sig|token|secret|credential|password)"
    r"|(?:api[-_]?)?key)="
    r"|://[^/?#\s@]*:[^/?#\s@]+@",
    re.IGNORECASE,
)


def mask_signed_urls(value: Any, mask: object) -> Any:
    """Return a JSON *value* with *mask* in place of each URL that grants access, also inside it.

    Such a URL is a secret as a whole. Values without one are returned as they are.
    """
    if isinstance(value, str):
        return mask if "://" in value and _GRANT.search(value) else value
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        found = {name: mask_signed_urls(one, mask) for name, one in members.items()}
        return found if any(found[name] is not one for name, one in members.items()) else members
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        masked = [mask_signed_urls(one, mask) for one in items]
        return masked if any(a is not b for a, b in zip(masked, items, strict=True)) else items
    return value
