"""Secrets that a text may hold by mistake, such as an address with a password in an error message."""

import re
from typing import Final

HIDDEN: Final = "[hidden]"

_SECRETS: Final = (
    # scheme://user:password@host
    re.compile(r"(?P<kept>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?=@)", re.IGNORECASE),
    re.compile(r"(?P<kept>\bBearer\s+)[^\s\"',]+", re.IGNORECASE),
    # password=…, "accessToken": "…", sec: …
    re.compile(
        r"(?P<kept>\b(?:password|passwd|secret|token|access_?token|api_?key|p-ticket|sessionid|csrftoken|sec)"
        r"[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}]+",
        re.IGNORECASE,
    ),
)


def scrubbed(text: str) -> str:
    """Return a text without what looks like a password or a token."""
    for secret in _SECRETS:
        text = secret.sub(rf"\g<kept>{HIDDEN}", text)
    return text
