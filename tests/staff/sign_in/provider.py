"""A real OpenID Connect server on this machine, and the person at it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from django.test import Client
from django.urls import reverse

from riskadmin.local.stack import free_ports, listening
from tests.waiting import wait_until


class Provider:
    """The server, seen by those who sign in there."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._session = requests.Session()
        self._session.trust_env = False

    def knows(self, subject: str, **claims: Any) -> None:
        """Add a person, or change what the server says about them."""
        self._session.put(f"{self.issuer}/users/{subject}", json=claims, timeout=60).raise_for_status()

    def sign_in(self, address: str, subject: str) -> str:
        """Sign in at the address that riskadmin sent the browser to; return the path that the server sends it back to."""
        answer = self._session.post(address, data={"sub": subject}, allow_redirects=False, timeout=60)
        assert answer.status_code == 302, answer.text[:1000]
        back = urlsplit(answer.headers["Location"])
        return f"{back.path}?{back.query}"


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def away(client: Client, sent: dict[str, str] | None = None, *, page: str = "sign_in:sso") -> str:
    """Press the button that leads to the provider; return the address that the browser is led to."""
    leaving = client.post(reverse(page), sent or {})
    assert leaving.status_code == 200, leaving.content.decode()[:2000]
    return str(leaving.context["address"])


def through(client: Client, server: Provider, subject: str = "sub-1", *, page: str = "sign_in:sso", **sent: str) -> Any:
    """Go to the provider, sign in there, and come back."""
    return client.get(server.sign_in(away(client, sent, page=page), subject))


@contextmanager
def provider() -> Iterator[Provider]:
    """Run the server as a process on a free port; it insists on a nonce."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: listening(port))
            yield Provider(f"http://localhost:{port}")
        finally:
            process.terminate()
