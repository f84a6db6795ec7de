"""Backups of PostgreSQL, each with a manifest that a restored copy is compared with. Redis needs none: it keeps nothing."""
