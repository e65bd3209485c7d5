"""Which reply a model was decoded from.

The models of a reply share one `_Mark` in the slot of their unknown fields: they do not grow, and a
page of a hundred models costs one small object. A mark leads to a `ResponseInfo`, which the latest
replies of the process have. Older marks lead nowhere, so that models that are merely kept do not
keep the headers of their replies alive. Closing a client forgets nothing, since its results are
used afterwards.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from ev_energy._arguments import describe_type
from ev_energy._messages import Page, ResponseInfo
from ev_energy.models._base import EXTRA, NO_EXTRA, Model, NoExtra, ReplyFields

#: Replies that are remembered; each takes about three kilobytes.
MAX_REPLIES: Final = 1_000
#: Characters in the headers of a reply with which it counts as large, and such replies that are
#: remembered: headers may have a hundred kilobytes and more.
_LARGE: Final = 5_000
MAX_LARGE_REPLIES: Final = 10


class _Mark(NoExtra):
    """The empty unknown fields of the models of one reply."""

    __slots__ = ("info",)

    info: ResponseInfo | None
    """None once the reply is forgotten."""

    def __reduce__(self) -> Any:
        return dict, ()


# Appending and taking from the other end are atomic, so threads need no lock. Each thread takes at
# most one mark for one that it has added.
_recent: Final[deque[_Mark]] = deque()
_recent_large: Final[deque[_Mark]] = deque()
_read_extra: Final[Callable[[Model], Mapping[str, Any]]] = operator.attrgetter(EXTRA)
# The method of the slot: setting an attribute of a frozen class by its name takes longer.
_set_extra: Final[Callable[[Model, Mapping[str, Any]], None]] = vars(Model)[EXTRA].__set__


def mark(models: Iterable[Model], info: ResponseInfo) -> None:
    """Let `response_of` return *info* for each of *models*, which are new."""
    found = _Mark()
    found.info = info
    is_large = sum(map(len, info.headers.values())) >= _LARGE
    recent, limit = (_recent_large, MAX_LARGE_REPLIES) if is_large else (_recent, MAX_REPLIES)
    recent.append(found)
    if len(recent) > limit:
        recent.popleft().info = None
    for model in models:
        extra = _read_extra(model)
        if extra is NO_EXTRA:
            _set_extra(model, found)
        else:
            fields = ReplyFields(extra)
            fields.plain, fields.mark = extra, found
            _set_extra(model, fields)


def replace_info(models: Iterable[object], info: ResponseInfo) -> None:
    """Let `response_of` return *info* for each of *models* that tells its reply."""
    for model in models:
        found = _mark_of(model) if isinstance(model, Model) else None
        if found is not None and found.info is not None:
            found.info = info


def response_of(obj: Model | Page[Any]) -> ResponseInfo | None:
    """Return the reply that a call returned *obj* from, without its body.

    *obj* is the model that a call returned, an item of a listing, or a `Page`. All items of a page
    have the same reply.

    None for a model that is nested in another one, such as an expanded link; for one that your code
    made, copied, changed or unpickled; and for one whose reply is forgotten: the last 1,000 replies
    of the process are remembered, whichever clients they are of and also once these are closed; of
    replies with more than 5,000 characters in their headers, the last 10. A page keeps its reply.

    Raises:
        TypeError: *obj* is neither a model nor a page.
    """
    if isinstance(obj, Page):
        return obj.info
    if not isinstance(cast("object", obj), Model):
        raise TypeError(f"obj must be a model or a Page, not {describe_type(obj)}")
    found = _mark_of(obj)
    return None if found is None else found.info


def _mark_of(model: Model) -> _Mark | None:
    extra = _read_extra(model)
    found = extra.mark if isinstance(extra, ReplyFields) else extra
    return found if isinstance(found, _Mark) else None
