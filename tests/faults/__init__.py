"""`make faults`: seeded random scenarios against real servers and processes, each checked against the simulator's own log."""
