"""Calls of the API: from an operation and its arguments to a decoded result."""
