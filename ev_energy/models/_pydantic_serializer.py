"""The attribute by which pydantic writes a value that stands in a field of type `Any`."""

from __future__ import annotations

from typing import Any, cast

from attrs.exceptions import NotAnAttrsClassError


class PydanticSerializer:
    """A class attribute whose value is made when pydantic asks for it, by ``hasattr``.

    So the models need no pydantic, and importing them does not import it.
    """

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        """Return the serializer of *owner*."""
        try:
            from ev_energy._pydantic import serializer_of
        except ModuleNotFoundError as missing:  # tools that list attributes expect this error
            raise AttributeError("__pydantic_serializer__ needs pydantic") from missing
        try:
            # Without the cast, mypy takes the hash of the class for that of its instances.
            return serializer_of(cast("Any", owner))
        except NotAnAttrsClassError as error:  # help() reads the attribute of base classes, too
            raise AttributeError(f"{owner.__name__} has no values of its own") from error
