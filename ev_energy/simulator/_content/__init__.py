"""What there is in the world: homes, cars, chargers, tariffs, programs, and what they report."""
