"""Time in the simulated world: its clock, instants as text, and microseconds."""
