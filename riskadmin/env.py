"""Read settings from the environment. A bad value is refused at start with the variable's name."""

import json
import logging
import os
import re
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import environ
import redis
from django.core.exceptions import ImproperlyConfigured

from riskadmin.tradovate.addresses import checked_base_url
from riskadmin.tradovate.errors import WrongEnvironment
from riskadmin.tradovate.vocabulary import Environment

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEKLY: Final = re.compile(
    r"(?P<first>[a-z]{3})(\s*-\s*(?P<last>[a-z]{3}))?\s+(?P<begins>\d\d:\d\d)"
    r"\s*-\s*((?P<ends_on>[a-z]{3})\s+)?(?P<ends>\d\d:\d\d)"
)


def text(name: str, *, default: str | None = None) -> str:
    """Return the variable's text, or `default`. Without either, refuse to start."""
    # Read as it is: django-environ would take a value that begins with "$" for another variable's name.
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"Set the environment variable {name}. It has no default.")
    return value


def secret(name: str, *, default: str = "") -> str:
    """Return the variable's text, or the stripped content of the file that `<name>_FILE` names (container secrets)."""
    path = text(f"{name}_FILE", default="")
    if not path:
        return text(name, default=default)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"The environment variable {name}_FILE names a file that can't be read: {error}.") from error


def flag(name: str, *, default: bool) -> bool:
    """Return True or False. Only true/false, yes/no, on/off, 1/0 are accepted, so that a typo can't mean False."""
    value = text(name, default=str(default)).strip().lower()
    if value in {"true", "yes", "on", "1"}:
        return True
    if value in {"false", "no", "off", "0"}:
        return False
    raise _refusal(name, "true or false")


def number(name: str, *, default: int, at_least: int, at_most: int) -> int:
    """Return a whole number within the bounds given."""
    wanted = f"a whole number from {at_least:,} to {at_most:,}"
    try:
        value = int(text(name, default=str(default)))
    except ValueError as error:
        raise _refusal(name, wanted) from error
    if not at_least <= value <= at_most:
        raise _refusal(name, wanted)
    return value


def names(name: str, *, default: str = "", at_least_one: bool = False) -> list[str]:
    """Return the comma-separated names, without blanks."""
    found = [part.strip() for part in text(name, default=default).split(",") if part.strip()]
    if at_least_one and not found:
        raise _refusal(name, "one name or more, separated by commas")
    return found


def networks(name: str) -> list[str]:
    """Return the comma-separated addresses and networks (`10.0.0.0/8`), none by default."""
    found = names(name)
    try:
        for each in found:
            ip_network(each, strict=False)
    except ValueError as error:
        raise _refusal(name, f"addresses or networks: {error}") from error
    return found


def limit_caps(name: str) -> dict[str, dict[str, Decimal]]:
    """Return the limit caps of a JSON object: `{"field": {"max": 10000, "max_pct_of_size": 10}}`; none by default."""
    wanted = 'a JSON object such as {"daily_loss_auto_liq_usd": {"max": 10000, "max_pct_of_size": 10}}, each number above 0'
    try:
        found = json.loads(text(name, default="") or "{}", parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)
    except ValueError as error:
        raise _refusal(name, wanted) from error
    caps = found if isinstance(found, dict) else {"": found}
    for cap in caps.values():
        is_known = isinstance(cap, dict) and cap and cap.keys() <= {"max", "max_pct_of_size"}
        if not is_known or not all(isinstance(value, Decimal) and value > 0 for value in cap.values()):
            raise _refusal(name, wanted)
    return caps


def _no_number(value: str) -> Decimal:
    raise ValueError(f"{value} is no number")


def zone(name: str, *, default: str) -> str:
    """Return the name of a time zone."""
    value = text(name, default=default)
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError) as error:  # not a key, a directory, unknown
        raise _refusal(name, f"the name of a time zone, such as {default}") from error
    return value


def weekly(name: str, *, default: str) -> list[tuple[timedelta, timedelta]]:
    """Return weekly spans as begin and end from Monday 00:00: "Mon-Thu 16:00-17:00; Sat 22:00-Sun 06:30"; none for "".

    "Mon-Thu 16:00-17:00" is four spans. A span that ends on another day names that day; after Sunday, the end is past seven
    days.
    """
    found = []
    for part in text(name, default=default).split(";"):
        if not part.strip():
            continue
        try:
            found.extend(_each_week(part.strip().lower()))
        except ValueError as error:
            raise _refusal(
                name,
                'days and times of a week, such as "Mon-Thu 16:00-17:00; Sat 22:00-Sun 06:30", or empty;'
                f" {part.strip()!r} can't be read: {error}",
            ) from error
    return found


def _each_week(part: str) -> list[tuple[timedelta, timedelta]]:
    """Read one part of `weekly`, in lower case. `ValueError` says what is wrong with it."""
    read = WEEKLY.fullmatch(part)
    if read is None:
        raise ValueError("it is not of the form Day HH:MM-HH:MM, Day-Day HH:MM-HH:MM, or Day HH:MM-Day HH:MM")
    first = _day(read["first"])
    last = _day(read["last"] or read["first"])
    begins, ends = _time_of_day(read["begins"]), _time_of_day(read["ends"])
    if read["ends_on"] is None:
        if begins >= ends:
            raise ValueError("it ends before it begins; one that ends on another day names that day")
        days = (timedelta(days=(first + after) % 7) for after in range((last - first) % 7 + 1))
        return [(day + begins, day + ends) for day in days]
    if read["last"]:
        raise ValueError("it names days for its begin, and another one for its end")
    lasts = timedelta(days=(_day(read["ends_on"]) - first) % 7) + ends - begins
    if lasts <= timedelta():
        raise ValueError("it ends before it begins")
    return [(timedelta(days=first) + begins, timedelta(days=first) + begins + lasts)]


def _day(short: str) -> int:
    if short not in DAYS:
        raise ValueError(f"{short.capitalize()} is no day; they are {', '.join(day.capitalize() for day in DAYS)}")
    return DAYS.index(short)


def _time_of_day(text: str) -> timedelta:
    hour, minute = int(text[:2]), int(text[3:])
    found = timedelta(hours=hour, minutes=minute)
    if minute > 59 or found > timedelta(days=1):  # noqa: PLR2004  (an hour's minutes)
        raise ValueError(f"{text} is no time of day")
    return found


def log_level(name: str, *, default: str) -> str:
    """Return the name of a log level."""
    value = text(name, default=default).upper()
    known = logging.getLevelNamesMapping()
    if value not in known:
        raise _refusal(name, f"one of {', '.join(sorted(known, key=known.__getitem__))}")
    return value


def database(name: str, *, default: str) -> dict[str, Any]:
    """Return Django's database settings for a PostgreSQL address."""
    url = text(name, default=default)
    if not url.startswith(("postgresql://", "postgres://")):
        raise _refusal(name, "a postgresql:// address")
    try:
        return dict(environ.Env.db_url_config(url))
    except ValueError as error:
        raise _refusal(name, f"a postgresql:// address: {error}") from error


def redis_url(name: str, *, default: str) -> str:
    """Return the address of a Redis server in redis-py's form."""
    value = text(name, default=default)
    try:
        redis.Redis.from_url(value).close()  # does not connect yet
    except ValueError as error:
        raise _refusal(name, "a redis://, rediss:// or unix:// address") from error
    return value


def api_url(name: str, environment: Environment, *, extra_hosts: list[str]) -> str:
    """Return the base URL of one Tradovate environment, with `/v1` and without a trailing slash, or "" when unset.

    Only https to that environment's own host, a host in `extra_hosts`, or loopback is accepted: the access token is sent
    there, and a call meant for demo must not reach live. The client applies the same rule.
    """
    url = text(name, default="").strip().rstrip("/")
    if not url:
        return ""
    try:
        checked_base_url(url, environment, extra_hosts=extra_hosts)
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError for a port that is not a number
    except (ValueError, WrongEnvironment) as error:
        raise ImproperlyConfigured(
            f"The environment variable {name} is refused: {error}. Other hosts are listed in TRADOVATE_EXTRA_HOSTS."
        ) from error
    if not parts.path.endswith("/v1"):
        raise _refusal(name, "an address that ends with /v1, as Tradovate documents them")
    return url


def _refusal(name: str, wanted: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"The environment variable {name} must be {wanted}.")
