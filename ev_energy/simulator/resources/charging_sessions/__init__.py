"""Charging sessions and sub-sessions: nothing of them is stored."""
