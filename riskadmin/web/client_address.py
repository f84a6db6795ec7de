"""The address a request came from, as recorded in the audit trail."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The client's IP address in canonical form, or None when no trusted one is known.

    `X-Forwarded-For` is trusted only as far as `settings.TRUSTED_PROXIES` (addresses or networks) reaches: read from its
    right end, each entry counts only if a trusted proxy reported it. What a client writes into the header itself is further
    left and is never used.
    """
    proxies = _networks(tuple(settings.TRUSTED_PROXIES))
    address = _parsed(request.META.get("REMOTE_ADDR", ""))
    reported = request.headers.get("X-Forwarded-For", "").split(",")
    while address is not None and reported and any(address in proxy for proxy in proxies):
        before = _parsed(reported.pop())
        if before is None:
            break
        address = before
    return None if address is None else str(address)


def is_among(address: str | None, entries: Sequence[str]) -> bool:
    """Whether a client's address is one of these addresses, or in one of these networks."""
    parsed = _parsed(address or "")
    return parsed is not None and any(parsed in network for network in _networks(tuple(entries)))


@lru_cache(maxsize=8)
def _networks(entries: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(entry, strict=False) for entry in entries)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address as proxies write it: it may have a port, brackets, a zone, or be an IPv4 address in IPv6 form."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
