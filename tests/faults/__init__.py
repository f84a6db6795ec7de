"""`make faults`: seeded random scenarios against real servers and processes, each judged by the simulator's own log."""
