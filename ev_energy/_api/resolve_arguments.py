"""Reading the arguments of ``client.resolve()``: which resources of which classes they name."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, cast, get_args

from yarl import URL

from ev_energy._api.resolved import Key
from ev_energy._api.resource_paths import RESOURCE_PATHS
from ev_energy._api.urls import expand_values
from ev_energy._arguments import describe_type
from ev_energy._codec.id_check import kind_at, kind_of_url
from ev_energy._codec.text import id_text
from ev_energy._redaction.scrub import printable
from ev_energy._redaction.show import redact_link
from ev_energy.models._base import Model, model_fields
from ev_energy.models._refs import Ref

#: The families whose path is ``/family/{id}``, by the class of their resources.
FAMILIES: Final[Mapping[str, str]] = {
    name: path.split("/")[1]
    for name, (path, _) in RESOURCE_PATHS.items()
    if path.count("/") == 2 and path.endswith("}")  # noqa: PLR2004  (the family and the id)
}
#: The classes that only single requests return, by those of the listings, which have less detail.
DETAILED: Final[Mapping[str, str]] = {
    name: model for name, (_, model) in RESOURCE_PATHS.items() if model != name
}
_MAX_SHOWN_CHARS: Final = 100


class ArgumentReader:
    """Reads the arguments of `Client.resolve`.

    Args:
        into: The class of all resources; None if the arguments tell it.
        expand: The links to expand.
        family_named: Returns a family of operations by its name.
        require_own_link: Raises an error for links to other servers.
    """

    def __init__(
        self,
        into: type[Model] | None,
        expand: Sequence[str],
        family_named: Callable[[str], Any],
        require_own_link: Callable[[str], URL],
    ) -> None:
        _require_class(into)
        self._expand, self._family_named = expand, family_named
        self._require_own_link = require_own_link
        self._into = None if into is None else into.__name__
        self._own_origins: set[str] = set()
        """Scheme and authority of the links so far, as they were written."""
        self._classes: dict[str, str] = {}
        if self._into is not None:
            self._class_to_request(self._into)  # raises an error for a wrong `expand`

    def key(self, number: int, item: Any) -> Key | None:
        """Return what identifies the resource of an argument; None if the argument is None."""
        if item is None:
            return None
        name = f"items[{number}]"
        kind = self._into or self._named_class(name, item)
        if kind not in FAMILIES:
            raise ValueError(f"{name}: {_cannot_be_resolved(kind)}")
        id_ = id_text(name, cast("object", item), kind_at(f"/{FAMILIES[kind]}/{{}}"))
        link = item if isinstance(item, str) and "://" in item else getattr(item, "url", None)
        # An unexpanded link always has a URL; a resource that the caller made may have none.
        if link or (isinstance(item, Ref) and not cast("Ref[Model]", item).is_expanded):
            self._check_origin(str(link))
        return Key(self._class_to_request(kind), id_)

    def _check_origin(self, link: str) -> None:
        origin = "/".join(link.split("/", 3)[:3])
        if origin not in self._own_origins:  # parsing thousands of URLs would block the event loop
            self._require_own_link(link)
            self._own_origins.add(origin)

    def _named_class(self, name: str, item: Any) -> str:
        """Return the name of the class of the resource that an argument names."""
        if isinstance(item, Ref):
            return cast("Ref[Model]", item).into.__name__
        if isinstance(item, Model):
            return type(item).__name__
        if not isinstance(item, str):
            kind = describe_type(item)
            raise TypeError(f"{name} must be an id, a Ref, a model or a URL, not {kind}")
        if "://" in item:
            if (found := kind_of_url(item)) is not None:
                return found.model
            what = "is a URL that does not tell the class of the resource"
        else:
            what = "is a bare id"
        shown = printable(redact_link(item) if "://" in item else item, _MAX_SHOWN_CHARS)
        raise ValueError(f"{name}={shown!r} {what}: pass its class, such as into=models.Vehicle")

    def _class_to_request(self, kind: str) -> str:
        """Return *kind*, or its class with more detail if only that has the links to expand."""
        found = self._classes.get(kind)
        if found is None:
            found = self._classes[kind] = self._check_expand(kind)
        return found

    def _check_expand(self, kind: str) -> str:
        if not self._expand:
            return kind
        family = self._family_named(FAMILIES[kind])
        allowed = _expand_type(family.get)
        if allowed is None:
            raise ValueError(f"expand: {kind} has no links that can be expanded")
        expand_values(allowed, self._expand)
        return kind if can_list(family, self._expand) else DETAILED.get(kind, kind)


def can_list(family: Any, expand: Sequence[str]) -> bool:
    """Return whether *family* has a listing in which the links *expand* can be expanded."""
    listing = getattr(family, "list", None)
    return listing is not None and set(expand) <= {*get_args(_expand_type(listing))}


def _expand_type(method: Any) -> Any:
    """Return the ``Literal`` of the values that *method* takes as ``expand``; None without it."""
    annotation = method.__annotations__.get("expand")
    if annotation is None:
        return None
    (name,) = re.findall(r"\[(\w+)\]", annotation)
    return getattr(sys.modules[method.__module__], name)


def is_of_class(kind: str, resource: object) -> bool:
    """Return whether *resource* is a *kind*, or has more detail than that."""
    return any(cls.__name__ == kind for cls in type(resource).__mro__)


def without_detail(kind: str, resource: Any) -> Any:
    """Return *resource* as a *kind*, so that its class does not depend on the request."""
    if kind not in DETAILED or type(resource).__name__ == kind:
        return resource
    (cls,) = [cls for cls in type(resource).__mro__ if cls.__name__ == kind]
    fields = {field.name: getattr(resource, field.name) for field in model_fields(cls)}
    return cls(**fields, extra=resource.extra)


def listed_ids(resource: Any) -> Iterable[str]:
    """Return the ids that may name a listed resource: none, if the server sent none of use.

    The id of a few resources is not the one in their URL, and links have that one.
    """
    ids: list[object] = [getattr(resource, "id", None)]
    with suppress(TypeError, ValueError):
        ids.append(id_text("id", resource))
    return [id_ for id_ in ids if isinstance(id_, str)]


def require_iterable(items: object) -> None:
    """Raise `TypeError` unless *items* can be a list of ids and links."""
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise TypeError(f"items must be a list of ids or links, not {describe_type(items)}")


def _require_class(into: object) -> None:
    kind = describe_type(into)
    if into is None:
        return
    if not isinstance(into, type) or not issubclass(into, Model):
        raise TypeError(f"into must be a class of models, such as models.Vehicle, not {kind}")
    if into.__name__ not in FAMILIES:
        raise ValueError(f"into={into.__name__}: {_cannot_be_resolved(into.__name__)}")


def _cannot_be_resolved(kind: str) -> str:
    advice = (
        "fetch each with client.fetch(ref), or request its parent with expand="
        if kind in RESOURCE_PATHS
        else "request its parent with expand=, or call a method that returns it"
    )
    return f"{kind} is not a resource with an id of its own, so it cannot be resolved: {advice}"
