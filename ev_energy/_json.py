"""JSON of no known shape: problem documents, replies of the token endpoint."""

from __future__ import annotations

import json
from typing import Any, cast


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in *body*; None if it holds anything else (a proxy's HTML page, say)."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None
