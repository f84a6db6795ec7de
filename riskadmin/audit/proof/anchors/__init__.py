"""Anchors: places outside of the database to which checkpoints are handed, so that a replaced or cut trail is noticed."""
