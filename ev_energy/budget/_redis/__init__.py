"""The budget of many processes, kept in Redis."""
