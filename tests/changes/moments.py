"""Times for property tests, in UTC."""

from datetime import UTC, datetime

from hypothesis import strategies as st


def moments(*, until: int = 2030) -> st.SearchStrategy[datetime]:
    """Any time from 2020 to the beginning of a year; Hypothesis takes bounds without a zone, and adds it."""
    return st.datetimes(datetime(2020, 1, 1), datetime(until, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
