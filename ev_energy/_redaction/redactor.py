"""The secrets of one client, and their removal from text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ev_energy._redaction.scrub import MIN_LENGTH, encodings, scrub


class Redactor:
    """Masks the secrets of one client: its credentials, those of its proxies, and its tokens.

    The token manager updates the tokens, so that code that shows text needs no reference to it.
    """

    def __init__(self, fixed_secrets: Callable[[], Iterable[str]] = tuple) -> None:
        self._fixed_secrets = fixed_secrets
        self._fixed: Sequence[str] | None = None
        self._tokens: Sequence[str] = ()

    def extend(self, secrets: Callable[[], Iterable[str]]) -> Redactor:
        """Return a redactor that masks *secrets* besides the fixed ones of this one."""
        return Redactor(lambda: (*self._fixed_secrets(), *secrets()))

    @property
    def secrets(self) -> Sequence[str]:
        """The texts to mask."""
        # On first use: computing every encoding is too much work for a client that is only created.
        # Without a lock, as `cached_property` has one in Python 3.11, which a forked child may
        # inherit locked. Threads that compute it twice get equal results.
        fixed = self._fixed
        if fixed is None:
            fixed = self._fixed = _long_enough(self._fixed_secrets())
        return (*fixed, *self._tokens)

    def including(self, token: str | None) -> Redactor:
        """Return a redactor that masks *token* too; this one if it knows it, or if it is None.

        A function may return another token for each call: of these, only the latest are known.
        """
        if token is None or token in self.secrets:
            return self
        return Redactor(lambda: (*self.secrets, *encodings(token)))

    def set_tokens(self, tokens: Iterable[str]) -> None:
        """Replace the tokens that are masked besides the fixed secrets."""
        self._tokens = _long_enough(tokens)

    def redact(self, text: str) -> str:
        """Return *text* with the secrets masked, in case a server repeated one."""
        return scrub(text, self.secrets)


def _long_enough(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if len(text) >= MIN_LENGTH)
