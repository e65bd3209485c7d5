"""The secrets of one client, and their removal from text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from ev_energy._redaction.scrub import MIN_LENGTH, scrub


class Redactor:
    """Masks the secrets of one client: its credentials, those of its proxies, and its tokens.

    The token manager updates the tokens, so that code that shows text needs no reference to it.
    """

    def __init__(self, fixed_secrets: Callable[[], Iterable[str]] = tuple) -> None:
        self._fixed_secrets = fixed_secrets
        self._tokens: Sequence[str] = ()

    @cached_property
    def _fixed(self) -> Sequence[str]:
        # On first use: computing every encoding is too much work for a client that is only created.
        return _long_enough(self._fixed_secrets())

    @property
    def secrets(self) -> Sequence[str]:
        """The texts to mask."""
        return (*self._fixed, *self._tokens)

    def set_tokens(self, tokens: Iterable[str]) -> None:
        """Replace the tokens that are masked besides the fixed secrets."""
        self._tokens = _long_enough(tokens)

    def redact(self, text: str) -> str:
        """Return *text* with the secrets masked, in case a server repeated one."""
        return scrub(text, self.secrets)


def _long_enough(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if len(text) >= MIN_LENGTH)
