"""Keeping secrets out of messages, logs, reprs and tracebacks."""
