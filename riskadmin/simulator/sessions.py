"""Access tokens: valid for ninety minutes, two sessions per user over both hosts. A third session closes the oldest."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from enum import Enum, auto

from riskadmin.simulator.json_text import encode
from riskadmin.simulator.settings import Settings
from riskadmin.simulator.store import PUT_SESSION, Store


class TokenState(Enum):
    """The state of a bearer token."""

    GOOD = auto()
    EXPIRED = auto()
    EVICTED = auto()
    UNKNOWN = auto()


@dataclass(slots=True)
class Token:
    """One access token. Tokens from a renewal share the session they renew."""

    token: str
    user_id: int
    session: str
    opened_ms: int
    expires_ms: int
    closed: bool = False
    evicted: bool = False


class Sessions:
    """Every token ever issued, by its text."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tokens: dict[str, Token] = {body["token"]: Token(**body) for body in store.bodies("session")}

    def state(self, text: str, now_ms: int) -> tuple[TokenState, int | None]:
        """Return a token's state and, when it is valid, its user."""
        token = self._tokens.get(text)
        if token is None:
            return TokenState.UNKNOWN, None
        if token.closed or token.expires_ms <= now_ms:
            return (TokenState.EVICTED if token.evicted and token.expires_ms > now_ms else TokenState.EXPIRED), None
        return TokenState.GOOD, token.user_id

    def open(self, user_id: int, now_ms: int, settings: Settings) -> Token:
        """Start a session, and close the user's oldest ones above the permitted number."""
        sessions: dict[str, int] = {}
        for token in self._tokens.values():
            if token.user_id == user_id and not token.closed and token.expires_ms > now_ms:
                sessions[token.session] = token.opened_ms
        oldest_first = sorted(sessions, key=lambda name: sessions[name])
        for name in oldest_first[: max(0, len(sessions) - settings.sessions_per_user + 1)]:
            self._close(name)
        return self._issue(user_id, secrets.token_hex(8), now_ms, now_ms, settings)

    def renew(self, text: str, now_ms: int, settings: Settings) -> Token:
        """Return a new token of the same session. ``text`` must be a valid token."""
        old = self._tokens[text]
        if settings.renewal_closes_old_token:
            old.closed = True
            self._save(old)
        return self._issue(old.user_id, old.session, old.opened_ms, now_ms, settings)

    def close_all(self) -> int:
        """End every session, as a sign-out by the vendor does. Return how many tokens ended."""
        living = [token for token in self._tokens.values() if not token.closed]
        for token in living:
            token.closed = True
            self._save(token)
        return len(living)

    def listed(self) -> list[dict[str, object]]:
        """Return every token with its state, the newest last."""
        return [asdict(token) for token in self._tokens.values()]

    def _issue(self, user_id: int, session: str, opened_ms: int, now_ms: int, settings: Settings) -> Token:
        expires_ms = now_ms + settings.token_life_s * 1000
        token = Token(secrets.token_urlsafe(48), user_id, session, opened_ms, expires_ms)
        self._tokens[token.token] = token
        self._save(token)
        return token

    def _close(self, session: str) -> None:
        for token in self._tokens.values():
            if token.session == session:
                token.closed = token.evicted = True
                self._save(token)

    def _save(self, token: Token) -> None:
        self._store.later(PUT_SESSION, (token.token, encode(asdict(token)).decode()))
