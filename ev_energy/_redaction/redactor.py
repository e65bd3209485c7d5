"""The secrets of one client, and their removal from text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Final

from ev_energy._redaction.scrub import scrub

#: Shorter texts are not secrets, and would be found in every message.
_SHORTEST_SECRET: Final = 8


class Redactor:
    """Replaces the secrets of one client: its credentials, its proxies' and its tokens.

    The token manager updates the tokens, so that whatever shows text needs no reference to it.
    """

    def __init__(self, fixed_secrets: Callable[[], Iterable[str]] = tuple) -> None:
        self._fixed_secrets = fixed_secrets
        self._tokens: Sequence[str] = ()

    @cached_property
    def _fixed(self) -> Sequence[str]:
        # Every encoding of every secret: too much work for a client that is only created.
        return _long_enough(self._fixed_secrets())

    @property
    def secrets(self) -> Sequence[str]:
        """Every text to hide."""
        return (*self._fixed, *self._tokens)

    def set_tokens(self, tokens: Iterable[str]) -> None:
        """Replace the tokens that are hidden besides the fixed secrets."""
        self._tokens = _long_enough(tokens)

    def redact(self, text: str) -> str:
        """Return *text* without the secrets, in case a server repeated one."""
        return scrub(text, self.secrets)


def _long_enough(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if len(text) >= _SHORTEST_SECRET)
