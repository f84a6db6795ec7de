"""The list of common passwords holds those that are long enough to be somebody's here."""

import pytest
from django.contrib.auth.password_validation import CommonPasswordValidator, get_default_password_validators, validate_password
from django.core.exceptions import ValidationError

LONG_ENOUGH = 12


def test_it_has_more_than_the_standard_asks_for() -> None:
    [validator] = [each for each in get_default_password_validators() if isinstance(each, CommonPasswordValidator)]
    assert len(validator.passwords) >= 20_000
    assert min(map(len, validator.passwords)) >= LONG_ENOUGH


@pytest.mark.parametrize("password", ["123qweasdzxc", "1qaz2wsx3edc", "QwertyQwerty", "leavemealone"])
def test_they_are_refused(password: str) -> None:
    with pytest.raises(ValidationError) as refused:
        validate_password(password)
    assert [error.code for error in refused.value.error_list] == ["password_too_common"]


def test_others_are_accepted() -> None:
    validate_password("a ferry in the fog")
