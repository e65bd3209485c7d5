"""All kinds of faults by name, what they do, and what can be told them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import attrs

from ev_energy.simulator.faults import _connections, _drift, _large, _refusals
from ev_energy.simulator.faults import _corrupted_replies as _spoilt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ev_energy.simulator.faults._kind import Kind


KINDS: Final[Mapping[str, type[Kind]]] = {
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
    "wrong_content_type": _spoilt.WrongContentType,
    "not_json": _spoilt.NotJson,
    "wrong_shape": _spoilt.WrongShape,
    "empty_body": _spoilt.EmptyBody,
    "missing_link": _spoilt.MissingLink,
    "broken_link": _spoilt.BrokenLink,
    "link_loop": _spoilt.LinkLoop,
    "foreign_link": _spoilt.ForeignLink,
    "huge_header": _spoilt.HugeHeader,
    "many_headers": _spoilt.ManyHeaders,
    "clock_skew": _spoilt.ClockSkew,
    "giant_body": _large.GiantBody,
    "gzip_bomb": _large.GzipBomb,
    "deep_json": _large.DeepJson,
    "unknown_members": _drift.UnknownMembers,
    "missing_members": _drift.MissingMembers,
    "new_enum_value": _drift.NewEnumValue,
}


def kinds() -> dict[str, dict[str, Any]]:
    """Return, for every kind, what it does and what it can be told, as JSON."""
    return {name: _described(kind) for name, kind in KINDS.items()}


def _described(kind: type[Kind]) -> dict[str, Any]:
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


def make(name: object, details: Mapping[str, Any]) -> Kind:
    """Return a kind with what it was told; `ValueError` names what is wrong."""
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"kind: {name!r} is none of {', '.join(KINDS)}")
    known = [field.name for field in attrs.fields(kind)]
    for detail in details:
        if detail not in known:
            there = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"{detail}: {name} has no such detail; {there}")
    return kind(**details)
