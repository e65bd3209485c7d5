"""Where things are kept, who owns what, and what time it is."""
