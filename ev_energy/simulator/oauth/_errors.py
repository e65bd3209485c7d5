"""How a request can fail: at an endpoint, on a page, or on the way back to the application."""

from __future__ import annotations


class TokenRefusedError(Exception):
    """A request to an endpoint that failed, with its RFC 6749 error code."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": code, "error_description": description}


class StrayRequestError(Exception):
    """An authorization request that may not be sent back to where it says it came from."""


class ReturnedError(Exception):
    """An authorization request that failed; the application is told at its redirect URI."""

    def __init__(self, uri: str, state: str | None, code: str, description: str) -> None:
        super().__init__(description)
        self.uri = uri
        self.pairs = [("error", code), ("error_description", description)]
        if state is not None:
            self.pairs.append(("state", state))
