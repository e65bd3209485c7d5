"""The charging life of a fleet, as arithmetic: nothing is stored, everything can be asked."""
