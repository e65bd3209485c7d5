"""Whether what the simulator answers is what the official description declares.

Nothing here knows how the simulator works: it sees requests and replies, and the description.
"""

from __future__ import annotations

import sys
from pathlib import Path

# The readers of the description live with the tests of the models; the tests are no package.
sys.path.append(str(Path(__file__).parent.parent / "spec"))
