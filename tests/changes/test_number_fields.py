"""Numbers as people and spreadsheets write them: what has one meaning is taken, what may have two is refused with both."""

from decimal import Decimal, InvalidOperation

import pytest
from django.core.exceptions import ValidationError
from django.forms import DecimalField, FloatField, IntegerField
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from riskadmin.web.number_fields import AmountField, CountField, NumberUnit, PercentField, plain_number

USD, PCT, COUNT = NumberUnit.USD, NumberUnit.PCT, NumberUnit.COUNT


def refusal(text: str, unit: NumberUnit = USD) -> str:
    with pytest.raises(ValidationError) as caught:
        plain_number(text, unit)
    return str(caught.value.message)


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("", ""),
        (" \u00a0", ""),
        ("1500", "1500"),
        ("1500.", "1500"),
        (".5", "0.5"),
        ("+1500", "+1500"),
        ("-1500.50", "-1500.50"),
        ("\N{MINUS SIGN}1500", "-1500"),
        ("1500,5", "1500.5"),
        ("1500,50", "1500.50"),
        ("0,500", "0.500"),
        ("0.125", "0.125"),
        ("1234.567", "1234.567"),
        ("1,200.00", "1200.00"),
        ("1.200,00", "1200.00"),
        ("1,234,567", "1234567"),
        ("1.234.567", "1234567"),
        ("1,234,567.8", "1234567.8"),
        ("1 500", "1500"),
        ("1\u00a0500,00", "1500.00"),
        ("12\u202f345\u202f678.90", "12345678.90"),
        ("$1,500", "1500"),
        ("-$1,500.25", "-1500.25"),
        ("$ 900", "900"),
        ("US$1,500", "1500"),
        ("USD 900", "900"),
        ("900 USD", "900"),
        ("1.200,50 $", "1200.50"),
        ("'1500", "1500"),
        ('="1500"', "1500"),
        ("\ufeff1500\u200b", "1500"),
    ],
)
def test_an_amount_with_one_meaning_is_taken(written: str, taken: str) -> None:
    assert plain_number(written, USD) == taken


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("1.500", "1.500 can mean 1500 or 1.5. Write 1500 or 1.5."),
        ("1,500", "1,500 can mean 1500 or 1.5. Write 1500 or 1.5."),
        ("-1,500", "1,500 can mean 1500 or 1.5. Write 1500 or 1.5."),
        ("USD 1,500", "1,500 can mean 1500 or 1.5. Write 1500 or 1.5."),
        ("1.500 $", "1.500 can mean 1500 or 1.5. Write 1500 or 1.5."),
        ("$1.500", "1.500 can mean 1500 or 1.5. Write 1500 or 1.5."),
        ("33.333", "33.333 can mean 33333 or 33.333. Write 33333, or no more than two decimals."),
        ("(1500)", f"Brackets mean less than zero in spreadsheets. Write a minus before the digits. {USD.value}"),
        ("1500-", f"Write the minus before the digits. {USD.value}"),
        ("1'500", "Write it without ' between the digits: 1500."),
        ("2%", f"This is an amount in dollars, not a percentage. {USD.value}"),
        ("1500,", USD.value),
        ("1,50,000", USD.value),
        ("1,2,3", USD.value),
        ("1.2.3", USD.value),
        ("1 50", USD.value),
        ("0,500,000", USD.value),
        ("€1500", USD.value),
        ("1500 EUR", USD.value),
        ("CAD 1500", USD.value),
        ("A$1500", USD.value),
        ("1.5k", USD.value),
        ("- 1500", USD.value),
        ("--1500", USD.value),
        ("0x10", USD.value),
        ("inf", USD.value),
        ("Infinity", USD.value),
        ("#REF!", USD.value),
        ("$", USD.value),
        (".", USD.value),
        ("\u0661\u0665", "Write it with the digits 0 to 9: 15."),
    ],
)
def test_any_other_is_refused_with_how_to_write_it(written: str, reason: str) -> None:
    assert refusal(written) == reason


def test_percentages_and_counts_have_signs_of_their_own() -> None:
    assert [plain_number(text, PCT) for text in ("2%", "2.5 %", "2,5", "-1")] == ["2", "2.5", "2.5", "-1"]
    assert refusal("$2", PCT) == f"This is a percentage, not an amount in dollars. {PCT.value}"
    assert refusal("33.333", PCT) == "33.333 can mean 33333 or 33.333. Write 33333 or 33.3330."
    assert plain_number("33.3330", PCT) == "33.3330"
    assert plain_number("33.333", PCT, at_most=Decimal(100)) == "33.333"
    assert plain_number("1 000", COUNT) == "1000"
    assert refusal("5.000", COUNT) == "5.000 can mean 5000 or 5. Write 5000 or 5."
    assert refusal("$5", COUNT) == COUNT.value


def test_fields_read_by_these_rules() -> None:
    assert AmountField().clean("$1,200.50") == Decimal("1200.50")
    assert PercentField(max_value=Decimal(100)).clean("2,5 %") == Decimal("2.5")
    assert CountField().clean("5.0") == 5
    with pytest.raises(ValidationError, match="can mean 1000 or 1"):
        CountField().clean("1.000")


@pytest.mark.django_db
@pytest.mark.parametrize("name", KINDS)
def test_every_number_that_a_kind_asks_for_is_read_by_these_rules(name: str) -> None:
    form = KINDS[name].parameters_form
    numbers = [each for each in (form() if form else ()) if isinstance(each.field, DecimalField | IntegerField | FloatField)]
    assert [each.name for each in numbers if not isinstance(each.field, AmountField | PercentField | CountField)] == []


@given(st.text("0123456789.,' $%-+eE\u00a0\u2019", max_size=14) | st.text(max_size=6))
def test_what_is_taken_has_the_digits_that_were_written(written: str) -> None:
    try:
        taken = plain_number(written, USD)
    except ValidationError:
        return
    digits = [each for each in written if each.isdigit()]
    assert [each for each in taken if each.isdigit()] in (digits, ["0", *digits])
    if taken:
        try:
            assert Decimal(taken).is_finite()
        except InvalidOperation:
            pytest.fail(f"{written!r} became {taken!r}")


@given(value=st.decimals(min_value=0, max_value=10**9, places=2))
def test_an_amount_is_the_same_however_it_is_written(value: Decimal) -> None:
    english = f"{value:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    french = english.translate(str.maketrans(",.", "\u202f,"))
    assert {Decimal(plain_number(each, USD)) for each in (english, german, french, f"${english}", f"{value}")} == {value}
