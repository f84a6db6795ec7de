"""What a session says of itself, by the names under which it is kept in the session."""

from typing import Final

BEGUN_AT: Final = "begun_at"
PROVED_AT: Final = "proved_at"
PROVIDER_PROVED_AT: Final = "provider_proved_at"
"""When the identity provider has proved who somebody is, and a code of their authenticator app has still to follow."""
ADDRESS: Final = "address"
USER_AGENT: Final = "user_agent"
AGENT_MAX: Final = 300
"""How much is kept of what a browser says of itself."""
