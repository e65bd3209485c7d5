"""The details of a fault: validators that also describe what they accept."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

import attrs
from yarl import URL

if TYPE_CHECKING:
    from attrs import Attribute


@attrs.frozen
class Detail(ABC):
    """An attrs validator that describes what it accepts."""

    about: str
    """The purpose of the detail."""
    optional: bool = attrs.field(default=False, kw_only=True)
    """Whether None is accepted."""

    @property
    @abstractmethod
    def description(self) -> str:
        """The accepted values besides None, in words."""

    @abstractmethod
    def accepts(self, value: object) -> bool:
        """Return whether a value other than None is valid."""

    @property
    def takes(self) -> str:
        """All accepted values, as a phrase after "must be"."""
        return f"{self.description}, or null" if self.optional else self.description

    def __call__(self, _kind: Any, attribute: Attribute[Any], value: object) -> None:
        """Raise `ValueError` unless the value is valid."""
        if not (self.optional if value is None else self.accepts(value)):
            raise ValueError(f"{attribute.name}: must be {self.takes}, not {value!r}")


@attrs.frozen
class Number(Detail):
    """A number within limits."""

    minimum: float = 0
    maximum: float = math.inf
    whole: bool = False

    @property
    def description(self) -> str:
        """The limits, in words."""
        limits = f"{self.minimum:,} or more"
        if self.maximum < math.inf:
            limits = f"from {self.minimum:,} to {self.maximum:,}"
        return f"a whole number, {limits}" if self.whole else f"a number, {limits}"

    def accepts(self, value: object) -> bool:
        """Return whether the value is within the limits; a bool is not a number here."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.minimum <= value <= self.maximum


@attrs.frozen
class Choice(Detail):
    """One of several texts."""

    options: tuple[str, ...]

    @property
    def description(self) -> str:
        """The options, in words."""
        return f"one of {', '.join(self.options)}"

    def accepts(self, value: object) -> bool:
        """Return whether the value is one of them."""
        return value in self.options


@attrs.frozen
class Flag(Detail):
    """True or false."""

    @property
    def description(self) -> str:
        """Both values, in words."""
        return "true or false"

    def accepts(self, value: object) -> bool:
        """Return whether the value is a bool."""
        return isinstance(value, bool)


@attrs.frozen
class Text(Detail):
    """A text that is valid in a header."""

    @property
    def description(self) -> str:
        """The accepted characters, in words."""
        return "a text of printable ASCII characters"

    def accepts(self, value: object) -> bool:
        """Return whether the text can be sent and does not end the header."""
        return isinstance(value, str) and value.isascii() and value.isprintable()


@attrs.frozen
class Address(Text):
    """The URL of another site."""

    @property
    def description(self) -> str:
        """The accepted form, in words."""
        return "an absolute http or https URL"

    def accepts(self, value: object) -> bool:
        """Return whether the value is an absolute URL of HTTP."""
        if not (isinstance(value, str) and super().accepts(value)):
            return False
        try:
            url = URL(value)
        except ValueError:
            return False
        return url.scheme in {"http", "https"} and bool(url.host)


@attrs.frozen
class Names(Detail):
    """A list of names."""

    @property
    def description(self) -> str:
        """The accepted form, in words."""
        return "a list of texts"

    def accepts(self, value: object) -> bool:
        """Return whether the value is a list of texts; a text itself would count as letters."""
        if not isinstance(value, list | tuple):
            return False
        return all(isinstance(name, str) for name in cast("list[object]", value))


@attrs.frozen
class Errors(Detail):
    """Errors by member of the request, as in ``field_errors``."""

    @property
    def description(self) -> str:
        """The accepted form, in words."""
        return "an object of member names"

    def accepts(self, value: object) -> bool:
        """Return whether the value is an object."""
        return isinstance(value, dict)
