"""`make bench`: how fast and how sparing it is, measured on servers and a simulator of its own, as ratios of one run."""
