"""What a detail of a fault may be. Checks and help for people come from the same object."""

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
    """A validator of `attrs` that can say what it takes."""

    about: str
    """What the detail is for."""
    optional: bool = attrs.field(default=False, kw_only=True)
    """Whether None will do."""

    @property
    @abstractmethod
    def what(self) -> str:
        """What it is to be, if not None."""

    @abstractmethod
    def accepts(self, value: object) -> bool:
        """Whether a value other than None will do."""

    @property
    def takes(self) -> str:
        """All it may be, to be read after "must be"."""
        return f"{self.what}, or null" if self.optional else self.what

    def __call__(self, _kind: Any, attribute: Attribute[Any], value: object) -> None:
        """Raise `ValueError` unless the value will do."""
        if not (self.optional if value is None else self.accepts(value)):
            raise ValueError(f"{attribute.name}: must be {self.takes}, not {value!r}")


@attrs.frozen
class Number(Detail):
    """A number within limits."""

    least: float = 0
    most: float = math.inf
    whole: bool = False

    @property
    def what(self) -> str:
        """The limits."""
        limits = f"{self.least:,} or more"
        if self.most < math.inf:
            limits = f"from {self.least:,} to {self.most:,}"
        return f"a whole number, {limits}" if self.whole else f"a number, {limits}"

    def accepts(self, value: object) -> bool:
        """Whether it is within them; true and false are no numbers here."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.least <= value <= self.most


@attrs.frozen
class Choice(Detail):
    """One of some texts."""

    options: tuple[str, ...]

    @property
    def what(self) -> str:
        """The options."""
        return f"one of {', '.join(self.options)}"

    def accepts(self, value: object) -> bool:
        """Whether it is one of them."""
        return value in self.options


@attrs.frozen
class Flag(Detail):
    """True or false."""

    @property
    def what(self) -> str:
        """Both."""
        return "true or false"

    def accepts(self, value: object) -> bool:
        """Whether it is one of the two."""
        return isinstance(value, bool)


@attrs.frozen
class Text(Detail):
    """A text that can stand in a header."""

    @property
    def what(self) -> str:
        """What it must be made of."""
        return "a text of printable ASCII characters"

    def accepts(self, value: object) -> bool:
        """Whether it would neither end the header nor be impossible to send."""
        return isinstance(value, str) and value.isascii() and value.isprintable()


@attrs.frozen
class Address(Text):
    """The URL of another site."""

    @property
    def what(self) -> str:
        """What it must lead to."""
        return "an absolute http or https URL"

    def accepts(self, value: object) -> bool:
        """Whether it leads anywhere."""
        if not (isinstance(value, str) and super().accepts(value)):
            return False
        try:
            url = URL(value)
        except ValueError:
            return False
        return url.scheme in {"http", "https"} and bool(url.host)


@attrs.frozen
class Names(Detail):
    """Some names."""

    @property
    def what(self) -> str:
        """That there may be several."""
        return "a list of texts"

    def accepts(self, value: object) -> bool:
        """Whether they are in a list; a single text would be taken for its letters."""
        if not isinstance(value, list | tuple):
            return False
        return all(isinstance(name, str) for name in cast("list[object]", value))


@attrs.frozen
class Errors(Detail):
    """What is wrong with which member of a request, as ``field_errors`` has it."""

    @property
    def what(self) -> str:
        """Its form."""
        return "an object of member names"

    def accepts(self, value: object) -> bool:
        """Whether it is an object."""
        return isinstance(value, dict)
