"""Signatures as Svix makes them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

_PREFIX: Final = "whsec_"


def make_secret(key: bytes) -> str:
    """Return the text that a key goes by."""
    return _PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """Return the key that a secret means, with its prefix or without; else `ValueError`."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"A secret is {_PREFIX} and Base64: {error}") from None
    if not key:
        raise ValueError("An empty secret keeps nothing secret")
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of one delivery."""
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.digest(key_of(secret), content, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()
