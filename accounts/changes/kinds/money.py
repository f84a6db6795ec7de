"""Amounts of US dollars as kinds store them: JSON texts with at most two decimals, in their shortest form.

The mirror stores cents, so what is read is rounded to cents before it is compared with what was planned from the mirror.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from accounts.changes.kinds.number_fields import AmountField
from accounts.changes.kinds.stored import State
from riskadmin.web.formats import money

CENT: Final = Decimal("0.01")

USD_MAX: Final = Decimal("9999999999999.99")
"""Both ways: the most digits that Tradovate's doubles hold to the cent (tradovate.encoding.DIGITS_MAX)."""


class UsdField(AmountField):
    """An amount that can be used for planning."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=15, **options)


def usd_text(amount: Decimal | None) -> str | None:
    """Return an amount as kinds store it; halves of a cent are rounded away from zero, as in the mirror's columns."""
    if amount is None:
        return None
    try:
        cents = amount.quantize(CENT, ROUND_HALF_UP)
    except InvalidOperation:  # more digits than any amount of money has: it is compared as received
        return format(amount, "f")
    return format(cents.normalize(), "f") if cents else "0"


def usd(text: Any) -> Decimal | None:
    """Return the amount in a text to the cent, or None if it is not an amount."""
    if not isinstance(text, str):
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if not amount.is_finite() or abs(amount) > USD_MAX or amount != amount.quantize(CENT):
        return None
    return amount


def usd_parameter(parameters: State, name: str) -> Decimal | None:
    """Return an amount among a change's parameters; None if it is missing or not an amount."""
    return usd(parameters.get(name))


def usd_words(text: str | None, *, always_signed: bool = False) -> str:
    """Return an amount as displayed."""
    return "not set" if text is None else money(Decimal(text), always_signed=always_signed)
