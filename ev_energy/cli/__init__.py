"""The command line: ``python -m ev_energy``."""
