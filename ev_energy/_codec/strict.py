"""The strict pass: JSON bytes straight to models, by msgspec.

msgspec builds attrs classes natively and validates on the way, but ignores members that a class
does not have. Therefore the members in the models are counted, and so are the keys in the JSON.
A second pass of msgspec that refuses unknown keys makes a page take up to 22 % longer.
"""

from __future__ import annotations

import types
from typing import Any

import msgspec

from ev_energy._codec.fields import is_model
from ev_energy._codec.member_count import build, count_keys_inside
from ev_energy._codec.msgspec_types import msgspec_type
from ev_energy._codec.raw_json import JSON_ERRORS, count_keys, failure_of
from ev_energy._runtime.build_lock import built_once
from ev_energy.models._enums import OpenEnum, unknown_values


class StrictDecoder:
    """Decodes JSON that matches a model, or a list of it."""

    def __init__(self, model: Any, *, as_list: bool, expanded: bool) -> None:
        target = msgspec_type(model, expanded=expanded)
        if as_list:
            target = types.GenericAlias(list, (target,))
        self._decode = msgspec.json.Decoder[Any](target).decode
        self._is_map = not is_model(model)

    def decode(self, body: bytes) -> tuple[Any, list[OpenEnum], bool]:
        """Decode *body*; `DecodeFailure` where it is not JSON.

        Returns the models, or None where *body* deviates from them; the unknown enum values in
        them; and whether they are complete: no member of *body* has to be restored.
        """
        unknown: list[OpenEnum] = []
        token = unknown_values.set(unknown)
        try:
            built, members = build(self._decode, body)
        except msgspec.ValidationError:
            return None, unknown, False
        except JSON_ERRORS as error:
            raise failure_of(error) from None
        finally:
            unknown_values.reset(token)
        if self._is_map:
            members += count_keys_inside(built)
        return built, unknown, members == count_keys(body)


@built_once
def strict_decoder(model: Any, as_list: bool, expanded: bool) -> StrictDecoder:
    """Return the decoder of *model*. Unless *expanded*, it refuses expanded links."""
    return StrictDecoder(model, as_list=as_list, expanded=expanded)


def convert(data: object, type_: Any) -> Any:
    """Convert JSON that is parsed already; `msgspec.ValidationError` where it deviates."""
    target = msgspec_type(type_)

    def convert_natively(data: object) -> Any:
        return msgspec.convert(data, target)

    return build(convert_natively, data)[0]


def convert_strictly(data: object, type_: Any) -> tuple[Any, list[OpenEnum]]:
    """Convert like `convert`, and return the unknown enum values too.

    The result is None where the JSON deviates from the models.
    """
    unknown: list[OpenEnum] = []
    token = unknown_values.set(unknown)
    try:
        return convert(data, type_), unknown
    except msgspec.ValidationError:
        return None, unknown
    finally:
        unknown_values.reset(token)
