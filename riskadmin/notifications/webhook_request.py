"""One request to a webhook: its body in the shape that the receiver wants, its signature, and where it may go.

The signature is that of Standard Webhooks (standardwebhooks.com), so that receivers can verify it with an existing library.
"""

import hmac
import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.utils import timezone
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress

from riskadmin.notifications.models import Message, Shape
from riskadmin.notifications.undelivered import NotDelivered

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  (no secret)
TIMEOUT_S: Final = (5.0, 10.0)
"""How long a connection, and then an answer, is waited for."""

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class AddressRefused(ValueError):
    """Messages may not be posted to this address; the message says why."""


def new_secret() -> str:
    """Return a new secret for signatures, as receivers write it."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(32)).decode()


def checked_host(url: str) -> str:
    """Return the host of an address that messages may be posted to. Raises AddressRefused.

    What the host's name leads to is checked with every request, on the address that is then connected to.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise AddressRefused("This is not an address. Write it like https://hooks.example.com/path.") from error
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("Leave out the user and password: the signature proves who sent the message.")
    is_local = settings.DEBUG and parts.scheme == "http" and host in LOOPBACK
    if not host or (parts.scheme != "https" and not is_local):
        raise AddressRefused("Write an address that begins with https://.")
    return host


def post(message: Message, *, url: str, secret: str, shape: str) -> None:
    """Post a message once. Returns when the receiver has answered with success; raises NotDelivered otherwise.

    Redirects are not followed, proxies of the environment are not used, and no error repeats the address.
    """
    try:
        checked_host(url)
    except AddressRefused as error:
        raise NotDelivered(str(error)) from error
    body = body_of(message, shape)
    headers = {"Content-Type": "application/json", "User-Agent": "riskadmin", **signed(message.key, body, secret)}
    config = Config(
        ip_filter_enable=not settings.WEBHOOK_PRIVATE_ADDRESSES,
        ip_filter_allow_loopback_ips=settings.DEBUG,
        never_redirect=True,
        default_timeout=TIMEOUT_S,
    )
    try:
        with HTTPSession(config) as session:
            session.trust_env = False
            # Streamed: the answer's body is of no interest, and may be endless.
            with session.post(url, data=body, headers=headers, stream=True, allow_redirects=False) as response:
                status = response.status_code
    except InvalidIPAddress as error:
        raise NotDelivered("Its host is at a private address, which WEBHOOK_PRIVATE_ADDRESSES doesn't allow.") from error
    except requests.Timeout as error:
        raise NotDelivered(f"It did not answer within {TIMEOUT_S[1]:g} s.") from error
    except requests.RequestException as error:
        raise NotDelivered(f"It can't be reached ({type(error).__name__}).") from error
    if not requests.codes.ok <= status < requests.codes.multiple_choices:
        raise NotDelivered(f"It answered with HTTP status {status}.")


def signed(message_id: str, body: bytes, secret: str) -> dict[str, str]:
    """Return the headers that prove who sent a body, and when."""
    at = str(int(timezone.now().timestamp()))
    content = b".".join((message_id.encode(), at.encode(), body))
    digest = hmac.digest(b64decode(secret.removeprefix(SECRET_PREFIX)), content, "sha256")
    return {"webhook-id": message_id, "webhook-timestamp": at, "webhook-signature": f"v1,{b64encode(digest).decode()}"}


def body_of(message: Message, shape: str) -> bytes:
    """Return what is posted."""
    return json.dumps(_BODIES[Shape(shape)](message), ensure_ascii=False).encode()


def _json(message: Message) -> dict[str, Any]:
    return {
        "type": message.topic,
        "timestamp": message.created_at.isoformat(),
        "data": {"subject": message.subject, "text": message.text, "url": message.url},
    }


def _slack(message: Message) -> dict[str, Any]:
    # Plain text: whatever a comment contains, it makes no links and mentions no one.
    blocks = [{"type": "section", "text": {"type": "plain_text", "text": part}} for part in _parts(message)]
    button = {"type": "button", "text": {"type": "plain_text", "text": "Open in riskadmin"}, "url": message.url}
    fallback = message.subject.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": fallback, "blocks": [*blocks, {"type": "actions", "elements": [button]}]}


def _teams(message: Message) -> dict[str, Any]:
    # Runs of text, not text blocks, which would be read as Markdown.
    body = [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": part}]} for part in _parts(message)]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": "Open in riskadmin", "url": message.url}],
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


def _parts(message: Message) -> list[str]:
    """Return subject and text, each short enough for a block at Slack (3,000 characters)."""
    return [part[:2900] for part in (message.subject, message.text) if part]


_BODIES: Final[dict[Shape, Callable[[Message], dict[str, Any]]]] = {
    Shape.JSON: _json,
    Shape.SLACK: _slack,
    Shape.TEAMS: _teams,
}
