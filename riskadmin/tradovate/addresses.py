"""The addresses a client may call: Tradovate's documented hosts, this machine, and those listed in a setting."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from riskadmin.tradovate.errors import WrongEnvironment
from riskadmin.tradovate.vocabulary import Environment

DOCUMENTED_HOSTS = {
    "demo.tradovateapi.com": Environment.DEMO,
    "live.tradovateapi.com": Environment.LIVE,
}


class AddressRefused(ValueError):
    """Credentials may not be sent to this base URL."""


def checked_base_url(base_url: str, environment: Environment, *, extra_hosts: Collection[str] = ()) -> str:
    """Return ``base_url`` without a trailing slash, or refuse it.

    Raises ``AddressRefused`` for a host that is not allowed, or plain HTTP to a documented one, and ``WrongEnvironment``
    for the documented host of the other environment.
    """
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    if parts.scheme not in {"http", "https"} or not host:
        raise AddressRefused("a base URL needs http or https and a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise AddressRefused("a base URL has no user, query or fragment")
    documented = DOCUMENTED_HOSTS.get(host)
    if documented is not None:
        if parts.scheme != "https":
            raise AddressRefused(f"{host} is spoken to by https only")
        if documented is not environment:
            raise WrongEnvironment(f"{host} is Tradovate's {documented} host, not {environment}")
    elif not _is_loopback(host) and host not in {extra.strip().lower() for extra in extra_hosts}:
        raise AddressRefused(f"{host} is not an allowed host")
    return base_url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
