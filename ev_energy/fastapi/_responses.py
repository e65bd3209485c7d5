"""A response that writes models at once, as the API writes them."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

import msgspec
from starlette.responses import JSONResponse

from ev_energy._codec.to_builtins import Form, to_builtins

_TEXT: Final = Form(text=True)


def _refuse(value: object) -> NoReturn:
    name = type(value).__name__
    hint = "; await its collect() first" if hasattr(value, "collect") else ""
    raise TypeError(f"EvEnergyResponse cannot write {name} as JSON{hint}")


_encode: Final = msgspec.json.Encoder(enc_hook=_refuse).encode


class EvEnergyResponse(JSONResponse):
    """JSON of models, of lists, tuples, dictionaries and dataclasses with them, and of pages.

    It is the JSON of `Model.to_dict`: fields that are None are left out unless the API always sends
    them, and fields that the SDK does not know are written too. FastAPI sends a response that a
    route returns as it is, without ``response_model_exclude`` and the like, which takes two thirds
    of the time of a return annotation:

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


def _scalar(value: object) -> object:
    return msgspec.to_builtins(value, enc_hook=_refuse)
