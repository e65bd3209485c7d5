"""Event loops, threads, forks and clocks: one resource per event loop, safe after a fork."""
