"""Compare the SDK with code written by hand and with other clients: ``python -m benchmarks``."""

import sys
from pathlib import Path

# The modules also run by themselves, and in child processes, so they import each other by name.
sys.path.insert(0, str(Path(__file__).parent))
