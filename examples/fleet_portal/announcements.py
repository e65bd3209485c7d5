"""What a screen reader says when an open page has changed."""

from __future__ import annotations

from ev_energy.models import ChargingSubSession

from .fleet import Fleet


def announce(before: Fleet | None, after: Fleet) -> str:
    """Return the sentences about sessions that began or ended; other changes are not announced."""
    if before is None:
        return ""
    was_open = {session.id: session for session in before.open_sessions}
    is_open = {session.id: session for session in after.open_sessions}
    began = [session for id_, session in is_open.items() if id_ not in was_open]
    ended = [session for id_, session in was_open.items() if id_ not in is_open]
    return " ".join(
        [f"A session began: {name_of(after, session)}." for session in began]
        + [f"A session ended: {name_of(after, session)}." for session in ended]
    )


def name_of(fleet: Fleet, session: ChargingSubSession) -> str:
    """Return the name of the vehicle that charges, or else that of the charger."""
    if vehicle := fleet.vehicle_of(session):
        return vehicle.description
    if charger := fleet.charger_of(session):
        return f"Vehicle at {charger.cpid}"
    return "Another vehicle"
