"""Every kind of fault by name, with its description and its details."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.faults import (
    _connections,
    _corrupted_replies,
    _drift,
    _large,
    _refusals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ev_energy.simulator.faults._kind import FaultKind


KINDS: Final[Mapping[str, type[FaultKind]]] = {
    "rate_limited": _refusals.RateLimited,
    "server_error": _refusals.ServerError,
    "problem": _refusals.Problem,
    "redirect": _refusals.Redirect,
    "token_revoked": _refusals.TokenRevoked,
    "reset_before": _connections.ResetBefore,
    "reset_after": _connections.ResetAfter,
    "truncated": _connections.Truncated,
    "bad_chunk": _connections.BadChunk,
    "slow_drip": _connections.SlowDrip,
    "slow_start": _connections.SlowStart,
    "hang": _connections.Hang,
    "duplicate_reply": _connections.DuplicateReply,
    "informational": _connections.Informational,
    "connection_close": _connections.ConnectionClose,
    "wrong_content_type": _corrupted_replies.WrongContentType,
    "not_json": _corrupted_replies.NotJson,
    "wrong_shape": _corrupted_replies.WrongShape,
    "empty_body": _corrupted_replies.EmptyBody,
    "missing_link": _corrupted_replies.MissingLink,
    "broken_link": _corrupted_replies.BrokenLink,
    "link_loop": _corrupted_replies.LinkLoop,
    "foreign_link": _corrupted_replies.ForeignLink,
    "huge_header": _corrupted_replies.HugeHeader,
    "many_headers": _corrupted_replies.ManyHeaders,
    "clock_skew": _corrupted_replies.ClockSkew,
    "giant_body": _large.GiantBody,
    "gzip_bomb": _large.GzipBomb,
    "deep_json": _large.DeepJson,
    "unknown_members": _drift.UnknownMembers,
    "missing_members": _drift.MissingMembers,
    "new_enum_value": _drift.NewEnumValue,
}


def describe(kind: type[FaultKind]) -> dict[str, Any]:
    """Return the description and the details of a kind, as JSON."""
    return {
        "about": (inspect.getdoc(kind) or "").partition("\n")[0],
        "handled": kind.handled,
        "details": {
            field.name: {
                "about": field.validator.about,
                "takes": field.validator.takes,
                "default": field.default,
            }
            for field in attrs.fields(kind)
        },
    }


def make(name: object, details: Mapping[str, Any]) -> FaultKind:
    """Return a kind of fault with these details; `ValueError` names the argument that is wrong."""
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"kind: {name!r} is not one of {', '.join(KINDS)}")
    known = [field.name for field in attrs.fields(kind)]
    for detail in details:
        if detail not in known:
            options = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"{detail}: {name} has no such detail; {options}")
    return kind(**details)
