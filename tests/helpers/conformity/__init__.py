"""Checks that replies of the simulator conform to the official description.

These helpers see requests, replies and the description only, not the simulator's code.
"""
