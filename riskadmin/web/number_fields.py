"""Form fields for numbers as people and spreadsheets write them. Pure, apart from Django's fields.

A number with only one reading is accepted: "$1,200.00", "1500,50", "1 500". One with two readings, such as "1.500", is refused
with both; so is anything that a spreadsheet may have shortened. No amount silently becomes a thousandth or a hundred times
itself.
"""

import re
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError

from riskadmin.web.pasted_text import MINUS_SIGN, in_plain_digits, other_digits, plain


class NumberUnit(Enum):
    """What a number measures; the value says how it is written."""

    USD = "Write dollars in digits, with a point before the cents: 1500 or 1500.50."
    PCT = "Write the percentage in digits: 2 or 2.5 for two, or two and a half, percent."
    COUNT = "Write a whole number in digits, such as 5."


_PLAIN: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]{1,2})?")
_SIGNED: Final = re.compile(r"([+-]?)(.*)", re.DOTALL)
_DOLLARS_BEFORE: Final = re.compile(r"([+-]?)(US\$|USD|\$)\s?(?=.)", re.IGNORECASE)
_DOLLARS_AFTER: Final = re.compile(r"(?<=[0-9.,])\s?(US\$|USD|\$)", re.IGNORECASE)
_SCIENTIFIC: Final = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+[eE][+-]?[0-9]+")
_ONE_SEPARATOR: Final = re.compile(r"([0-9]*)([.,])([0-9]*)")
_GROUPED: Final = re.compile(r"([1-9][0-9]{0,2})(?:( )[0-9]{3}(?: [0-9]{3})*|([.,])[0-9]{3}(?:\3[0-9]{3})+)")
_ONE_GROUP: Final = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")
_GROUPED_WITH_DECIMALS: Final = re.compile(r"([1-9][0-9]{0,2}(?:([., ])[0-9]{3})(?:\2[0-9]{3})*)(?!\2)[.,]([0-9]+)")
_MARKS_BETWEEN_DIGITS: Final = re.compile(r"(?<=[0-9])['_`\N{ACUTE ACCENT}\N{RIGHT SINGLE QUOTATION MARK}\u02bc](?=[0-9])")

_GROUP: Final = 3
_SHOWN_EXPONENT_MAX: Final = 15


def plain_number(text: str, unit: NumberUnit, *, at_most: Decimal | None = None) -> str:
    """Return a number as digits with a point, or "" if nothing is written. Raises ValidationError with how to write it.

    `at_most` is the highest number that the field takes: a reading above it can't be the intended one.
    """
    if _PLAIN.fullmatch(text):
        return text
    written = plain(text).replace(MINUS_SIGN, "-")
    if not written:
        return ""
    if other_digits(written):
        raise ValidationError(f"Write it with the digits 0 to 9: {in_plain_digits(written)}.")
    number, says_dollars = _without_unit(written, unit)
    _refuse_doubtful_marks(number, unit)
    found = _SIGNED.fullmatch(number)
    sign, digits = (found[1], found[2]) if found else ("", number)
    return sign + _digits(digits, unit, comma_groups=says_dollars, at_most=at_most)


def _without_unit(written: str, unit: NumberUnit) -> tuple[str, bool]:
    """Return the number alone, and whether it has a dollar sign before it: then its comma separates thousands."""
    if unit is NumberUnit.PCT:
        if "$" in written:
            raise ValidationError(f"This is a percentage, not an amount in dollars. {unit.value}")
        return written.removesuffix("%").rstrip(), False
    if written.endswith("%") and unit is NumberUnit.USD:
        raise ValidationError(f"This is an amount in dollars, not a percentage. {unit.value}")
    if unit is NumberUnit.COUNT:
        return written, False
    before = _DOLLARS_BEFORE.match(written)
    if before:
        return before[1] + written[before.end() :], before[2] in {"$", "US$"}
    after = _DOLLARS_AFTER.search(written)
    if after and after.end() == len(written):
        return written[: after.start()], False
    return written, False


def _refuse_doubtful_marks(number: str, unit: NumberUnit) -> None:
    if _SCIENTIFIC.fullmatch(number):
        shown = _written_out(number)
        meant = f" If this is the whole number, write {shown}." if shown else ""
        raise ValidationError(f"Spreadsheets shorten numbers in this way, and digits may be lost. Write all of them.{meant}")
    if number.startswith("(") and number.endswith(")"):
        raise ValidationError(f"Brackets mean less than zero in spreadsheets. Write a minus before the digits. {unit.value}")
    if len(number) > 1 and number.endswith("-"):
        raise ValidationError(f"Write the minus before the digits. {unit.value}")
    mark = _MARKS_BETWEEN_DIGITS.search(number)
    if mark:
        shown = _MARKS_BETWEEN_DIGITS.sub(",", number)
        meant = f": {shown.replace(',', '')}" if _GROUPED.fullmatch(shown) or _ONE_GROUP.fullmatch(shown) else ""
        raise ValidationError(f"Write it without {mark[0]} between the digits{meant}.")


def _written_out(number: str) -> str:
    try:
        value = Decimal(number.replace(",", "."))
    except InvalidOperation:
        return ""
    return format(value, "f") if abs(value.adjusted()) < _SHOWN_EXPONENT_MAX else ""


def _digits(digits: str, unit: NumberUnit, *, comma_groups: bool, at_most: Decimal | None) -> str:
    """Return the digits with a point, according to the possible meanings of their separators."""
    if digits.isascii() and digits.isdigit():
        return digits
    one = _ONE_SEPARATOR.fullmatch(digits)
    if one and (one[1] or one[3]):
        whole, separator, rest = one.groups()
        may_group = len(rest) == _GROUP and 1 <= len(whole) <= _GROUP and whole[0] != "0"
        if may_group and separator == "," and comma_groups:
            return whole + rest
        if may_group and (at_most is None or Decimal(whole + rest) <= at_most):
            raise ValidationError(_two_meanings(digits, whole, rest, unit))
        if rest or separator == ".":
            return f"{whole or '0'}.{rest}" if rest else whole
    if _GROUPED.fullmatch(digits):
        return re.sub("[., ]", "", digits)
    both = _GROUPED_WITH_DECIMALS.fullmatch(digits)
    if both:
        return f"{re.sub('[., ]', '', both[1])}.{both[3]}"
    raise ValidationError(unit.value)


def _two_meanings(digits: str, whole: str, rest: str, unit: NumberUnit) -> str:
    decimal = f"{whole}.{rest}".rstrip("0").rstrip(".")
    meanings = f"{digits} can mean {whole}{rest} or {decimal}."
    if not rest.endswith("0"):  # with three decimals it would be ambiguous again
        if unit is not NumberUnit.PCT:
            return f"{meanings} Write {whole}{rest}, or no more than two decimals."
        decimal = f"{whole}.{rest}0"
    return f"{meanings} Write {whole}{rest} or {decimal}."


class _NumberField:
    """Shared by the fields below: a text is converted to digits and a point before Django reads it."""

    unit: NumberUnit
    max_value: Any

    def to_python(self, value: Any) -> Any:
        """Return the number. Raises ValidationError with how to write it."""
        if isinstance(value, str):
            value = plain_number(value, self.unit, at_most=None if self.max_value is None else Decimal(self.max_value))
        return super().to_python(value)  # type: ignore[misc]  # Django's field, beside this one


def _number_input() -> forms.TextInput:
    # A number input shows nothing for "1,200.00", so the typed text would be lost when the form comes back.
    return forms.TextInput({"inputmode": "decimal", "autocomplete": "off"})


class AmountField(_NumberField, forms.DecimalField):
    """An amount of US dollars."""

    unit = NumberUnit.USD

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"widget": _number_input(), "decimal_places": 2, **options})


class PercentField(_NumberField, forms.DecimalField):
    """A percentage: 2.5 is two and a half percent."""

    unit = NumberUnit.PCT

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"widget": _number_input(), "decimal_places": 4, **options})


class CountField(_NumberField, forms.IntegerField):
    """A whole number."""

    unit = NumberUnit.COUNT

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"widget": _number_input(), **options})
