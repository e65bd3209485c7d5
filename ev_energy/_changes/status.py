"""What a stream knows about itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs


@attrs.frozen(kw_only=True)
class StreamStatus:
    """The status of a stream, for a dashboard or an alarm. All times are in UTC."""

    through: datetime | None
    """When the latest finished pass began, in the server's time: the stream has handed over what
    was readable then. None before the first one."""
    lag: timedelta | None
    """How long ago that was."""
    open: int
    """The number of sub-sessions that have not ended."""
    remembered: int
    """The number of sub-sessions in the state."""
    requests: int
    """The number of requests of the last hour."""
    next_pass: datetime | None
    """When the next pass is due, in the server's time; None before the stream was opened."""
    webhooks_received: int
    """The number of events that were offered or taken from the inbox by this process."""
    webhooks_missed: int
    """The number of beginnings and ends that polling found and no webhook had told, since this
    process received its first webhook."""
    gaps: Sequence[str]
    """What was handed over late or again because a listing or the past differed: the latest 100
    that this process has found."""
    has_server_time: bool
    """Whether replies have a ``Date`` header. Without one, this machine's time minus five minutes
    stands for the server's."""
    error: Exception | None
    """The error because of which the stream waits and tries again; None after a success."""
