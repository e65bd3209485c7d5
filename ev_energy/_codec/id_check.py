"""Refuse ids that are certainly those of another resource, before a request is spent.

A model and a `Ref` know their class, and a URL of the API tells its collection. A bare id is never
refused: the API does not promise what its ids look like. Nor is a URL of an unknown form: in its
links, the API misspells some collections.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import msgspec

from ev_energy._arguments import with_article
from ev_energy._codec.id_models import ID_MODELS
from ev_energy._redaction.scrub import printable
from ev_energy.models._base import LINK, Model, model_fields
from ev_energy.models._refs import Ref

_MAX_SHOWN_CHARS: Final = 100
#: The API's description has examples of links to the first under the collection of the second.
_MISDIRECTED: Final[Mapping[str, str]] = {
    "InverterModel": "Inverter",
    "RebateEvidenceType": "UserRebate",
    "RebateType": "UserRebate",
}


class IdKind(msgspec.Struct, frozen=True):
    """What an argument names: a resource, or an entry of a log."""

    model: str
    accepted: frozenset[str]
    """The names of the models that may be passed: the model itself, and those that stand for it."""
    collection: str = ""
    """The part of its URL before the id, such as ``/evses/``, if no other resource has the same."""

    @property
    def is_log_entry(self) -> bool:
        """Whether it is named by a timestamp."""
        return self.model.endswith("Log")

    def __str__(self) -> str:
        key = "its timestamp" if self.is_log_entry else "its id"
        return f"{with_article(self.model)}, {key}, its URL or a Ref to it"


def _collection(path: str) -> str:
    return path.split("/")[-2]


_KINDS: Final = {
    path: IdKind(
        models[0], frozenset(models), path.removesuffix("{}") if path.count("{}") == 1 else ""
    )
    for path, models in ID_MODELS.items()
}
_BY_MODEL: Final = {kind.model: kind for kind in _KINDS.values()}
_COLLECTIONS: Final = frozenset(map(_collection, ID_MODELS))


def kind_at(path: str) -> IdKind | None:
    """Return the kind of the last id in *path*, such as ``/evses/{}``; None if any id will do."""
    return _KINDS.get(path)


def kind_of(model: str) -> IdKind:
    """Return the kind of the resources that are a *model*."""
    return _BY_MODEL.get(model) or IdKind(model, frozenset({model}))


def check_id(name: str, kind: IdKind, value: object) -> None:
    """Raise an error if *value*, passed as *name*, certainly names something else than *kind*.

    Raises:
        TypeError: It is a model of another class, or a link to one.
        ValueError: It is the URL of another resource, or of a list.
    """
    if isinstance(value, str):
        if "://" in value:
            _check_url(name, kind, value)
        return
    if isinstance(value, Ref):
        linked: type[object] = cast("Ref[Model]", value).into
        if not _is_accepted(kind, linked):
            raise TypeError(f"{name} must be {kind}, not a Ref to {with_article(linked.__name__)}")
    elif isinstance(value, Model) and not (
        _is_accepted(kind, type(value))
        # A model that is not a kind of its own may stand for a resource, with its URL.
        or (
            type(value).__name__ not in _BY_MODEL
            and kind_of_url(str(getattr(value, "url", ""))) == kind
        )
    ):
        shown = with_article(type(value).__name__)
        raise TypeError(f"{name} must be {kind}, not {shown}{_hint(kind, value)}")


def _is_accepted(kind: IdKind, cls: type[object]) -> bool:
    # By name, so that checking an id imports no models.
    return cls.__name__ == kind.model or any(base.__name__ in kind.accepted for base in cls.__mro__)


def _hint(kind: IdKind, value: Model) -> str:
    """Return the end of the message: the field of *value* that links to a resource of *kind*."""
    for field in model_fields(type(value)):
        link = LINK.search(str(field.type))
        if link is not None and link[1] in kind.accepted:
            return f": pass its .{field.name}"
    return ""


def _check_url(name: str, kind: IdKind, url: str) -> None:
    id_ = url.rpartition(kind.collection)[2].rstrip("/") if kind.collection else ""
    if id_ and "/" not in id_:
        return  # nearly every URL
    found = kind_of_url(url)
    shown = f"{name}={printable(url, _MAX_SHOWN_CHARS)!r}"
    if found is None:
        if _COLLECTIONS.intersection(_segments(url)[-1:]):
            raise ValueError(f"{shown} is the URL of a list, not of {with_article(kind.model)}")
    elif found != kind and _MISDIRECTED.get(kind.model) != found.model:
        raise ValueError(
            f"{shown} is the URL of {with_article(found.model)}, not of {with_article(kind.model)}"
        )


def kind_of_url(url: str) -> IdKind | None:
    """Return the kind of the resource at *url*; None for a URL of any other form."""
    match _segments(url):
        case [*_, parent, _, collection, _] if found := _KINDS.get(
            f"/{parent}/{{}}/{collection}/{{}}"
        ):
            return found
        case [*_, collection, _]:
            return _KINDS.get(f"/{collection}/{{}}")
        case _:
            return None


def _segments(url: str) -> list[str]:
    path = url.partition("://")[2].partition("?")[0].partition("#")[0]
    return [segment for segment in path.split("/")[1:] if segment]
