"""What log lines carry and how they are written. Used by every package, and imports none."""
