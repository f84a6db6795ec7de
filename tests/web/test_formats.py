"""Numbers, money, times and ages as people read them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from riskadmin.web import formats

CHICAGO = ZoneInfo("America/Chicago")
MINUS = formats.MINUS


@pytest.mark.parametrize(
    ("amount", "currency", "signed", "expected"),
    [
        (Decimal(-1200), "USD", False, f"{MINUS}$1,200.00"),
        (Decimal("1234567.891"), "USD", False, "$1,234,567.89"),
        (Decimal(340), "USD", True, "+$340.00"),
        (Decimal(0), "USD", True, "$0.00"),
        (Decimal("-0.001"), "USD", False, "$0.00"),
        (Decimal("-0.005"), "USD", False, "$0.00"),
        (Decimal("0.004"), "USD", True, "$0.00"),
        (50, "CHF", False, "50.00 CHF"),
        (0.1, "EUR", False, "€0.10"),
    ],
)
def test_money(amount: Decimal | float, currency: str, *, signed: bool, expected: str) -> None:
    assert formats.money(amount, currency, always_signed=signed) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1234567, "1,234,567"),
        (Decimal("12.50"), "12.5"),
        (Decimal(100), "100"),
        (Decimal("1E+3"), "1,000"),
        (Decimal("-0.250"), f"{MINUS}0.25"),
        (0, "0"),
    ],
)
def test_numbers_and_percent(value: Decimal | int, expected: str) -> None:
    assert formats.number(value) == expected
    assert formats.percent(value) == f"{expected}%"


def test_times_are_shown_in_the_zone_and_proven_in_utc() -> None:
    at = datetime(2026, 11, 21, 14, 3, 5, 123_456, tzinfo=UTC)
    assert formats.moment(at, CHICAGO) == "2026-11-21 08:03:05"
    assert formats.moment(at, CHICAGO, seconds=False) == "2026-11-21 08:03"
    assert formats.exact_utc(at.astimezone(CHICAGO)) == "2026-11-21 14:03:05.123 UTC"


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (0.5, "between 2026-11-21 08:03:05 and 08:03:35"),
        (3, "between 2026-11-21 08:03 and 08:06"),
        (60 * 24, "between 2026-11-21 08:03 and 2026-11-22 08:03"),
    ],
)
def test_two_times_are_written_as_short_as_distinguishes_them(minutes: float, expected: str) -> None:
    at = datetime(2026, 11, 21, 14, 3, 5, tzinfo=UTC)
    assert formats.between(at, at + timedelta(minutes=minutes), CHICAGO) == expected


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=5, seconds=3), "5 min 3 s"),
        (timedelta(hours=4, minutes=12, seconds=30), "4 h 12 min"),
        (timedelta(hours=4, seconds=30), "4 h"),
        (timedelta(days=3, hours=4, minutes=59), "3 d 4 h"),
        (timedelta(days=400), "400 d"),
        (-timedelta(hours=2), "2 h"),
    ],
)
def test_ages_by_their_two_largest_units(span: timedelta, expected: str) -> None:
    assert formats.duration(span) == expected


@pytest.mark.parametrize(
    ("span", "ago", "ahead"),
    [
        (timedelta(0), "just now", "now"),
        (timedelta(seconds=0.9), "just now", "now"),
        (timedelta(seconds=1), "1 s ago", "in 1 s"),
        (timedelta(minutes=9, seconds=30), "9 min 30 s ago", "in 9 min 30 s"),
        (-timedelta(seconds=1), "just now", "now"),
        (-timedelta(minutes=10), "just now", "now"),
    ],
)
def test_what_has_happened_is_never_said_to_be_as_old_as_another_clock_is_ahead(span: timedelta, ago: str, ahead: str) -> None:
    assert formats.ago(span) == ago
    assert formats.ahead(span) == ahead


@pytest.mark.parametrize(
    ("points", "places", "expected"),
    [
        ("6.002", 0, "6.002%"),
        ("0.9996", 2, "0.9996%"),
        ("30.4", 0, "30%"),
        ("0.126", 2, "0.13%"),
        ("6.0000000001", 0, "6.0000000001%"),
    ],
)
def test_a_share_outside_a_range_is_shown_as_outside_of_it(points: str, places: int, expected: str) -> None:
    assert formats.percent_outside(Decimal(points), 1, 6, places=places) == expected
