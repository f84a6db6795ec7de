"""How numbers, money, times and ages are written, the same on every page. Pure functions, text in and out.

The caller shows a value that isn't set (None or ""), as an em dash and never as 0. These functions require a value.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from riskadmin.web.clock import firm_zone

MINUS = "\N{MINUS SIGN}"  # as wide as a plus sign, so that columns stay aligned; a hyphen is not
CURRENCY_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}

Number = Decimal | int | float

PLACES_MAX = 8


def money(amount: Number, currency: str = "USD", *, always_signed: bool = False) -> str:
    """Write an amount with sign and currency: "$50.00", "-$1,200.00" with a true minus, "7.00 CHF".

    A gain or a difference is `always_signed`: it also gets a plus.
    """
    value = round(_decimal(amount), 2)  # before the sign is read: there is no minus zero dollars
    digits = f"{abs(value):,.2f}"
    shown = f"{CURRENCY_SIGNS[currency]}{digits}" if currency in CURRENCY_SIGNS else f"{digits} {currency}"
    return _sign(value, always_signed=always_signed) + shown


def percent(points: Number, *, always_signed: bool = False) -> str:
    """Write percentage points, as stored in `*_pct`: 12.50 is "12.5%"."""
    return number(points, always_signed=always_signed) + "%"


def percent_outside(points: Decimal, low: Number, high: Number, *, places: int = 0) -> str:
    """Write percentage points outside a range with enough places to show that: 6.002 for the range 1 to 6 is "6.002%"."""
    for more in range(places, PLACES_MAX):
        rounded = round(points, more)
        if not low <= rounded <= high:
            return percent(rounded)
    return percent(points)


def number(value: Number, *, always_signed: bool = False) -> str:
    """Write a number with thousands separators and no trailing zeros: "1,234,567", "0.25"."""
    exact = _decimal(value)
    digits = f"{abs(exact):,f}"
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return _sign(exact, always_signed=always_signed) + digits


_PLURALS: Final = {"person": "people", "entry": "entries"}


def counted(count: int, noun: str) -> str:
    """Write how many there are of something: "1 item", "1,200 items"."""
    return f"{count:,} {noun if count == 1 else _PLURALS.get(noun, f'{noun}s')}"


def listed(words: Sequence[str]) -> str:
    """Write words one after the other: "a", "a and b", "a, b and c"; "" without any."""
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def in_zone(at: datetime, zone: tzinfo) -> datetime:
    """Return a time in a zone, or unchanged where the zone has no such time, in the first and the last possible year."""
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at


def moment(at: datetime, zone: ZoneInfo, *, seconds: bool = True) -> str:
    """Write a time in a zone: "2026-11-21 08:03:05". Leave out the seconds where order doesn't matter."""
    return in_zone(at, zone).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def in_firm_zone(at: datetime) -> str:
    """Write a time for a text that is stored, in the firm's zone and with its abbreviation: "2026-11-21 08:03 CST"."""
    zone = firm_zone()
    return f"{moment(at, zone, seconds=False)} {in_zone(at, zone):%Z}"


def between(earliest: datetime, latest: datetime, zone: ZoneInfo) -> str:
    """Write two times that something happened between, as briefly as possible: "between 2026-11-21 10:40 and 10:43"."""
    seconds = moment(earliest, zone, seconds=False) == moment(latest, zone, seconds=False)
    first, last = (moment(at, zone, seconds=seconds) for at in (earliest, latest))
    day, _, time = last.partition(" ")
    return f"between {first} and {time if first.startswith(day) else last}"


def exact_utc(at: datetime) -> str:
    """Write a time for evidence, in UTC with milliseconds: "2026-11-21 14:03:05.123 UTC"."""
    utc = in_zone(at, UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03d} UTC"


def duration(span: timedelta) -> str:
    """Write a duration in its two largest units: "3 d 4 h", "4 h 12 min", "5 min 3 s", "42 s". The sign is dropped."""
    seconds = int(abs(span).total_seconds())
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break  # "3 d 5 s" would be more precise than needed
        if len(parts) == 2:  # noqa: PLR2004  (two units)
            break
    return " ".join(parts) or "0 s"


def ago(span: timedelta) -> str:
    """Write how long ago something happened: "9 min ago", "just now".

    A time in the future, from another clock such as Tradovate's where it is ahead of ours, is "just now".
    """
    return f"{duration(span)} ago" if span >= timedelta(seconds=1) else "just now"


def ahead(span: timedelta) -> str:
    """Write how long it is until something happens: "in 10 min", "now" when the time has come."""
    return f"in {duration(span)}" if span >= timedelta(seconds=1) else "now"


def _decimal(value: Number) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _sign(value: Decimal, *, always_signed: bool) -> str:
    if value < 0:
        return MINUS
    return "+" if always_signed and value > 0 else ""
