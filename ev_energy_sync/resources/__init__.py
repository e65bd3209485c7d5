"""The endpoints, one module a family, generated from ``ev_energy.resources``."""
