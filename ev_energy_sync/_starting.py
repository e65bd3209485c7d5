"""The lock under which loops are started and modules imported; no fork comes in between."""

from __future__ import annotations

import os
import threading
from typing import Final

# A child forked in the middle of an import would wait for ever for the thread that was at it, which
# it does not have: so a fork waits for this. It is reentrant, should an import fork.
starting: Final = threading.RLock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=starting.acquire,
        after_in_parent=starting.release,
        after_in_child=starting.release,
    )
