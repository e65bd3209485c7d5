"""The commands of ``python -m ev_energy``."""
