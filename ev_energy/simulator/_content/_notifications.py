"""What users were told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ev_energy.simulator._content._notification_texts import MESSAGES, language_of_country, texts_of
from ev_energy.simulator._content._rounds import Rounds, rounds_table
from ev_energy.simulator._store._instants import ANCHOR, read_instant, write_instant

if TYPE_CHECKING:
    from datetime import datetime

    from ev_energy.simulator._store._rows import Row, Viewer
    from ev_energy.simulator._store._world import World

_ROUNDS: Final = len(MESSAGES)
_ROUND: Final = timedelta(days=24)
#: So many of the last ones nobody has read yet.
_UNREAD: Final = 2


def add_notifications(world: World) -> None:
    """Open the table of notifications: each user got each kind once."""
    chance, homes = world.chance, world.homes

    def make(home: int, which: int, number: int, made_at: datetime) -> Row:
        message = MESSAGES[(which + home) % _ROUNDS]
        old = which < _ROUNDS - _UNREAD
        seen = old and (home == 0 or chance.odds(75, "notification read", number))
        country = homes.kind(home).city.country
        return {
            "message_id": message.id,
            "category": str(message.category),
            "event_time": write_instant(made_at),
            **texts_of(message.id, language_of_country(country)),
            "external_link": message.link,
            "_heals_after": message.heals_after,
            "_seen_after": chance.between(2, 4000, "seen after", number) if seen else None,
        }

    def view(row: Row, _viewer: Viewer) -> Row:
        event = read_instant(row["event_time"])
        shown = {name: value for name, value in row.items() if name != "user"}
        instants = {
            "read_at": _later(event, row["_seen_after"], 1),
            "resolved_at": _later(event, row["_heals_after"], 60),
        }
        now = write_instant(world.now)
        past = {name: at for name, at in instants.items() if at is not None and at <= now}
        return shown | past | {name: row[name] for name in ("read_at",) if name in row}

    rounds = Rounds(homes.count, homes.count, _ROUNDS, ANCHOR - _ROUNDS * _ROUND, _ROUND)
    rounds_table(world, "notifications", "notf", rounds, make, view=view)


def _later(event: datetime, count: int | None, minutes: int) -> str | None:
    return None if count is None else write_instant(event + timedelta(minutes=count * minutes))
