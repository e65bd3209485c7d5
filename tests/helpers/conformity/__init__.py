"""Whether what the simulator answers is what the official description declares.

Nothing here knows how the simulator works: it sees requests and replies, and the description.
"""
