"""Signatures as Svix makes them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

_PREFIX: Final = "whsec_"


def make_secret(key: bytes) -> str:
    """Return a key as a secret."""
    return _PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """Return the key of a secret with or without prefix; `ValueError` if it is malformed."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"secret: must be {_PREFIX} and Base64: {error}") from None
    if not key:
        raise ValueError("secret: must not be empty")
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of one delivery."""
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.digest(key_of(secret), content, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()
