"""The generator: ``python -m ev_energy_sync._generate [--check]``."""
