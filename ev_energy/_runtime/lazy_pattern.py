"""Regular expressions that are compiled when they are first used.

The modules of a first reply have some forty, of which it uses a few. Compiling all of them would
take 6 % of what the SDK adds to the time until that reply.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, AnyStr, cast


class _LazyPattern:
    def __init__(self, compile_now: Callable[[], re.Pattern[Any]]) -> None:
        self._compile_now = compile_now

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._compile_now(), name)  # `re` compiles it once for all names
        setattr(self, name, value)  # the next access does not get here
        return value


def lazy_pattern(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return ``re.compile(pattern, flags)``, compiled on first use."""
    return cast("re.Pattern[AnyStr]", _LazyPattern(functools.partial(re.compile, pattern, flags)))
