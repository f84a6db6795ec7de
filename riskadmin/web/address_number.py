"""Whole numbers in an address or a hidden field, which anyone may edit."""

from typing import Final

DIGITS_MAX: Final = 18
"""More are no number of a row, and are not parsed."""


def number_in(text: str) -> int | None:
    """Return the whole number that a text is, in plain digits; None if it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX else None
