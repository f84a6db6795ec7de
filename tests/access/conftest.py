"""The people of the tests of changes."""

from tests.changes.conftest import second_supervisor, sent, supervisor, support

__all__ = ["second_supervisor", "sent", "supervisor", "support"]
