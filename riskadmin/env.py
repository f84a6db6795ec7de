"""Reading settings from the environment, so that a bad value is refused at start with the variable's name."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")

reader = environ.Env()


def _read(name: str, cast: Callable[..., T], default: T | None, wanted: str) -> T:
    options = {} if default is None else {"default": default}
    try:
        return cast(name, **options)
    except ImproperlyConfigured as error:
        message = f"Set the environment variable {name}: {wanted}. It has no default."
        raise ImproperlyConfigured(message) from error
    except ValueError as error:
        message = f"The environment variable {name} must be {wanted}."
        raise ImproperlyConfigured(message) from error


def text(name: str, *, default: str | None = None) -> str:
    """Return the variable's text, or `default`; without either, refuse to start."""
    return _read(name, reader.str, default, "a text")


def secret(name: str, *, default: str = "") -> str:
    """Return the variable's text, or the stripped content of the file that `<name>_FILE` names (container secrets)."""
    path = reader.str(f"{name}_FILE", default="")
    if not path:
        return str(reader.str(name, default=default))
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"The environment variable {name}_FILE names a file that can't be read: {error}."
        raise ImproperlyConfigured(message) from error


def flag(name: str, *, default: bool) -> bool:
    """Return True or False; anything but true/false, yes/no, on/off, 1/0 is refused, so that a typo can't mean False."""
    value = reader.str(name, default=str(default)).strip().lower()
    if value in {"true", "yes", "on", "1"}:
        return True
    if value in {"false", "no", "off", "0"}:
        return False
    message = f"The environment variable {name} must be true or false."
    raise ImproperlyConfigured(message)


def number(name: str, *, default: int, at_least: int, at_most: int) -> int:
    """Return a whole number within the bounds given."""
    wanted = f"a whole number from {at_least:,} to {at_most:,}"
    value = _read(name, reader.int, default, wanted)
    if not at_least <= value <= at_most:
        message = f"The environment variable {name} must be {wanted}."
        raise ImproperlyConfigured(message)
    return value


def names(name: str, *, default: str = "") -> list[str]:
    """Return the comma-separated names, without blanks."""
    return [part.strip() for part in reader.str(name, default=default).split(",") if part.strip()]


def api_url(name: str, *, extra_hosts: list[str]) -> str:
    """Return the base URL of one Tradovate environment, with `/v1` and without a closing slash, or "" when unset.

    Only https to a host of Tradovate's, or loopback, or what `extra_hosts` lists, is accepted: the access token goes there.
    """
    url = reader.str(name, default="").strip().rstrip("/")
    if not url:
        return ""
    parts = urlsplit(url)
    host = parts.hostname or ""
    loopback = host in {"127.0.0.1", "localhost", "::1"}
    known = host in {"demo.tradovateapi.com", "live.tradovateapi.com", *extra_hosts}
    if not (loopback or known):
        message = (
            f"The environment variable {name} names the host {host or url!r}; list it in TRADOVATE_EXTRA_HOSTS if it is meant."
        )
        raise ImproperlyConfigured(message)
    if not loopback and host not in extra_hosts and parts.scheme != "https":
        message = f"The environment variable {name} must start with https://."
        raise ImproperlyConfigured(message)
    if not parts.path.endswith("/v1"):
        message = f"The environment variable {name} must end with /v1, as Tradovate documents its addresses."
        raise ImproperlyConfigured(message)
    return str(url)
