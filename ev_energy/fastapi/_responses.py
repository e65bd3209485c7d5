"""A response that writes models at once, as the API writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.responses import JSONResponse

from ev_energy._codec.to_builtins import Form, to_builtins

_encode: Final[Callable[[Any], bytes]] = msgspec.json.Encoder().encode
_TEXT: Final = Form(text=True)


class EvEnergyResponse(JSONResponse):
    """JSON of models, lists or tuples of them, dictionaries with them, pages and links.

    It is the JSON of `Model.to_dict`: fields that are None are left out unless the API always sends
    them, and fields that the SDK does not know are written too. FastAPI sends a response that a
    route returns as it is, without ``response_model_exclude`` and the like, and takes less than
    half of the time::

        @app.get("/evses", response_model=list[EVSE])  # for the documentation
        async def evses(client: ClientDep) -> EvEnergyResponse:
            return EvEnergyResponse(await client.evses.list().collect())

    Raises:
        TypeError: The content has a value that is not JSON.
    """

    def render(self, content: Any) -> bytes:
        """Return the JSON of *content*."""
        try:
            return _encode(to_builtins(content))
        except OverflowError:  # an integer of more than 64 bits
            text = json.dumps(to_builtins(content, _TEXT), separators=(",", ":"), default=_scalar)
            return text.encode()


def _scalar(value: Any) -> Any:
    return msgspec.to_builtins(value)
