"""Behaviour that a change of layout, names or wording must not touch, as files to compare with.

`public_names.txt` lists every public name with its signature, `exchanges.json` what each operation
sends and what becomes of its reply. `changes.json` says what has changed on purpose since they
were written. ``python -m frozen.write --help``, called in the folder of
the tests, writes them anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

# The makers of requests and replies live with the tests of the models; the tests are no package.
sys.path.append(str(Path(__file__).parent.parent / "spec"))
