"""What a session says of itself, by the names under which it is kept in the session."""

from typing import Final

BEGUN_AT: Final = "begun_at"
PROVED_AT: Final = "proved_at"
ADDRESS: Final = "address"
USER_AGENT: Final = "user_agent"
AGENT_MAX: Final = 300
"""How much is kept of what a browser says of itself."""
