"""The API as the command uses it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import requests

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
TIMEOUT_S: Final = (5, 60)
OK: Final = range(200, 300)


class Failed(Exception):
    """The command can't go on; the message says why, and whether anything was requested."""


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    body: Mapping[str, Any]

    def checked(self) -> Mapping[str, Any]:
        """Return the body of a success. Raises Failed with the reason of a refusal, and the errors of each field."""
        if self.status in OK:
            return self.body
        fields = "".join(f"\n  {name}: {' '.join(errors)}" for name, errors in (self.body.get("fields") or {}).items())
        raise Failed(f"Refused ({self.status}): {self.body.get('detail', 'no reason was given')}{fields}")


class Api(Protocol):
    """Sends one request to the API."""

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """Return the answer. Raises Failed if there is none."""
        ...


class HttpApi:
    """The API at an address, with a token. A token is sent over TLS only, or to this machine."""

    def __init__(self, address: str, token: str) -> None:
        """Check the address; nothing is sent yet. Raises Failed."""
        parts = urlsplit(address)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise Failed(f"RISKADMIN_URL must begin with https://, and {address!r} does not.")
        self._address = f"{parts.scheme}://{parts.netloc}/api/v1"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """Return the answer. Redirects are not followed: they would carry the token elsewhere."""
        try:
            response = self._session.request(
                method, self._address + path, params=query, json=body, timeout=TIMEOUT_S, allow_redirects=False
            )
            found = response.json()
        except requests.JSONDecodeError as error:
            raise Failed(f"The answer can't be read (status {response.status_code}). Is RISKADMIN_URL right?") from error
        except requests.RequestException as error:
            raise Failed(
                f"riskadmin can't be reached: {type(error).__name__}. Whether it got the request is not known."
            ) from error
        return Answer(status=response.status_code, body=found)


def from_environment() -> HttpApi:
    """Return the API that RISKADMIN_URL names, with the token in RISKADMIN_TOKEN_FILE or RISKADMIN_TOKEN. Raises Failed."""
    address, kept, token = (os.environ.get(f"RISKADMIN_{name}", "") for name in ("URL", "TOKEN_FILE", "TOKEN"))
    if kept:
        try:
            token = Path(kept).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Failed(f"RISKADMIN_TOKEN_FILE can't be read: {error.strerror}.") from error
    if not address or not token:
        raise Failed("Set RISKADMIN_URL, and RISKADMIN_TOKEN_FILE to the file of an access token.")
    return HttpApi(address, token)
