"""The parts of `ev_energy.redis`: a budget and a token store that many processes share."""
