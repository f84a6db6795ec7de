"""Amounts of US dollars as kinds store them: JSON texts with at most two decimals, in their shortest form.

The mirror stores cents, so what is read is rounded to cents before it is compared with what was planned from the mirror.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from riskadmin.web.formats import money
from riskadmin.web.number_fields import AmountField

CENT: Final = Decimal("0.01")

USD_MAX: Final = Decimal("9999999999999.99")
"""Both ways: the most digits that Tradovate's doubles hold to the cent (tradovate.encoding.DIGITS_MAX)."""


class UsdField(AmountField):
    """An amount that can be used for planning."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=15, **options)


def usd_text(amount: Decimal) -> str:
    """Return an amount as kinds store it; halves of a cent are rounded away from zero, as in the mirror's columns."""
    try:
        cents = amount.quantize(CENT, ROUND_HALF_UP)
    except InvalidOperation:  # more digits than any amount of money has: it is compared as received
        return format(amount, "f")
    return format(cents.normalize(), "f") if cents else "0"


def to_cents(amount: Decimal) -> Decimal:
    """Return an amount as it is read again once it was stored."""
    return Decimal(usd_text(amount))


def to_cents_if_set(amount: Decimal | None) -> Decimal | None:
    """Return the same, or None for an amount that is not set."""
    return None if amount is None else to_cents(amount)


def usd_parameters(cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was filled in of a form with amounts, as a change's parameters store it."""
    given = {name: value for name, value in cleaned.items() if value is not None and value != ""}
    return {name: usd_text(value) if isinstance(value, Decimal) else value for name, value in given.items()}


def usd(text: Any) -> Decimal | None:
    """Return the amount in a parameter to the cent, or None if it is not an amount."""
    if not isinstance(text, str):
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if not amount.is_finite() or abs(amount) > USD_MAX or amount != amount.quantize(CENT):
        return None
    return amount


def usd_words(amount: Decimal | None, *, always_signed: bool = False) -> str:
    """Return an amount as displayed."""
    return "not set" if amount is None else money(amount, always_signed=always_signed)
