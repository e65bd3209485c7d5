"""Streams of changes: read a listing again and again, and hand over each change of it once."""
