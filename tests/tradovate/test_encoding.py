"""Requests as text: strict JSON, and every number exactly as it was written."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskadmin.tradovate.encoding import number, to_json
from riskadmin.tradovate.reading import parse_json

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**8), max_value=10**8)
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | DECIMALS | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


@given(BODIES)
def test_what_is_written_is_read_back(body: object) -> None:
    assert parse_json(to_json(body)) == body


@given(DECIMALS)
def test_a_number_keeps_its_digits(value: Decimal) -> None:
    text = to_json(value)
    assert Decimal(text).as_tuple() == value.as_tuple()
    assert Decimal(json.dumps(json.loads(text))) == value, "as a double, which is what Tradovate holds"


@pytest.mark.parametrize("value", [1.5, float("nan"), b"x", object(), {1, 2}])
def test_what_has_no_exact_text_is_never_sent(value: object) -> None:
    with pytest.raises(TypeError):
        to_json({"a": [value]})


@pytest.mark.parametrize(
    "text", ["0", "-0.00", "0.1", "100000000000000", "123456789012345", "12345678901234.5", "1E-14", "1.500000000000000000"]
)
def test_numbers_that_a_double_holds(text: str) -> None:
    assert number("limit", Decimal(text)) is not None


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-Infinity", "1E+15", "1234567890123456", "0.1234567890123456", "1E-15"])
def test_numbers_that_it_does_not_hold(text: str) -> None:
    with pytest.raises(ValueError, match="limit is no number of at most 15 digits"):
        number("limit", Decimal(text))
