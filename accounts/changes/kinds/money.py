"""Amounts of US dollars as kinds keep them: JSON texts of at most two decimals, the shortest that say the amount.

The mirror keeps cents, so what is read is brought to cents before it is compared with what was planned from the mirror.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from accounts.changes.kinds.kind import State
from accounts.changes.kinds.number_fields import AmountField
from riskadmin.web.formats import money

CENT: Final = Decimal("0.01")

USD_MAX: Final = Decimal("9999999999999.99")
"""Both ways: the most digits that Tradovate's doubles hold to the cent (tradovate.encoding.DIGITS_MAX)."""


class UsdField(AmountField):
    """An amount that can be planned with."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=15, **options)


def usd_text(amount: Decimal | None) -> str | None:
    """Return an amount as kinds keep it; halves of a cent are rounded away from zero, as the mirror's columns do."""
    if amount is None:
        return None
    try:
        cents = amount.quantize(CENT, ROUND_HALF_UP)
    except InvalidOperation:  # more digits than any amount of money has: it is compared as it came
        return format(amount, "f")
    return format(cents.normalize(), "f") if cents else "0"


def usd(text: Any) -> Decimal | None:
    """Return the amount that a text says to the cent, or None for what is no such amount."""
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
    """Return an amount among a change's parameters; None when it is missing or none."""
    return usd(parameters.get(name))


def usd_words(text: str | None, *, always_signed: bool = False) -> str:
    """Return an amount as people read it."""
    return "not set" if text is None else money(Decimal(text), always_signed=always_signed)
