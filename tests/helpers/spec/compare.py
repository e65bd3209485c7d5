"""What is the same as JSON and as a model, whatever its spelling."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any

from ev_energy.models._base import Model, model_fields
from ev_energy.models._refs import Ref


def tree(value: Any) -> Any:
    """Everything in *value*, for comparing: links compare by their place alone."""
    if isinstance(value, Model):
        fields = {f.name: tree(getattr(value, f.name)) for f in model_fields(type(value))}
        return type(value).__name__, fields, dict(value.extra)
    if isinstance(value, Ref):
        return "Ref", value.into.__name__, tree(value.resource or value.url)
    if isinstance(value, tuple | list):
        return type(value).__name__, [tree(one) for one in value]
    if isinstance(value, dt.datetime):
        return "datetime", value.isoformat(), value.utcoffset()
    return type(value).__name__, value


def same(sent: Any, written: Any) -> bool:  # noqa: C901, PLR0911  (one return a kind)
    """Whether *written* says what *sent* says: spelling and nulls aside."""
    if isinstance(sent, dict) and isinstance(written, dict):
        names = {name for name, value in sent.items() if value is not None}
        return names <= written.keys() and all(same(sent[n], written[n]) for n in names)
    if isinstance(sent, dict) and isinstance(written, list):  # one by itself, of several
        return len(written) == 1 and same(sent, written[0])
    if isinstance(sent, list) and isinstance(written, list):
        return len(sent) == len(written) and all(map(same, sent, written))
    if isinstance(sent, bool) or isinstance(written, bool):
        return sent is written
    if sent == written:
        return True
    if isinstance(sent, int) and isinstance(written, float):
        return float(sent) == written
    for parse in (_instant, dt.time.fromisoformat, uuid.UUID):
        try:
            there, here = parse(sent), parse(written)
        except (ValueError, TypeError, AttributeError):
            continue
        if isinstance(there, dt.datetime):  # nothing smaller than a microsecond is kept
            return abs(there - here) <= dt.timedelta(microseconds=1)
        return bool(there == here)
    try:
        return decimal.Decimal(str(sent)) == decimal.Decimal(written)
    except (decimal.InvalidOperation, TypeError, ValueError):
        return False


def _instant(text: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
