"""One call over the wire."""
