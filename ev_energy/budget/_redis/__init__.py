"""A budget that all processes of an application share, in Redis."""
