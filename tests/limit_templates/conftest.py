"""People, as for changes."""

from tests.changes.conftest import policy, second_supervisor, sent, supervisor, support

__all__ = ["policy", "second_supervisor", "sent", "supervisor", "support"]
