"""Proof of the trail: a Merkle tree over its rows, signed checkpoints, and exports that a stranger can verify (ADR 33)."""
