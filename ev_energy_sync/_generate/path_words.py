"""The module ``ev_energy/_api/path_words.py``, written from the operation table."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Final

from ev_energy._operations import Operation

_SEPARATORS: Final = re.compile(r"[/:]")


def path_words_module(operations: Sequence[Operation]) -> str:
    """Return the text of ``ev_energy/_api/path_words.py``."""
    parts = {part for operation in operations for part in _SEPARATORS.split(operation.path)}
    words = " ".join(sorted(part for part in parts if part and part[0] != "{"))
    lines = "\n".join(textwrap.wrap(words, 100, break_long_words=False, break_on_hyphens=False))
    return f'''\
"""The words in the paths of the API's operations, which are no ids."""

from __future__ import annotations

from typing import Final

_TABLE: Final = """
{lines}
"""

PATH_WORDS: Final = frozenset(_TABLE.split())
'''
