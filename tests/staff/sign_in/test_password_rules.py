"""Which passwords are refused: those built from words that anybody would try here, common ones, and breached ones."""

import hashlib
from pathlib import Path

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from pytest_django.fixtures import Settings

from riskadmin.staff.models import Staff
from riskadmin.staff.sign_in.password_rules import is_listed

SUE = Staff(username="sue.miller", first_name="Susanne", last_name="Miller-Long", email="susanne@firm.example")


@pytest.mark.parametrize(
    "password", ["Riskadmin2026!", "Susanne.Miller-Long1", "tradovate-sue.miller", "FirmTrading2026", "password1234", "x" * 11]
)
def test_it_is_refused(password: str, settings: Settings) -> None:
    settings.PASSWORD_FORBIDDEN_WORDS = [*settings.PASSWORD_FORBIDDEN_WORDS, "Firm Trading", "firmtrading"]
    with pytest.raises(ValidationError):
        validate_password(password, SUE)


@pytest.mark.parametrize("password", ["correct horse battery", "riskadmin correct horse", "ünïcödé wörds ärè fïnè", "x7" * 500])
def test_it_is_accepted(password: str) -> None:
    validate_password(password, SUE)


def test_breached_passwords_are_found_in_a_sorted_file(tmp_path: Path, settings: Settings) -> None:
    words = [f"a breached password {number}" for number in range(300)]
    hashes = sorted(hashlib.sha1(word.encode()).hexdigest().upper() for word in words)
    file = tmp_path / "breached.txt"
    file.write_text("".join(f"{each}:{number}\r\n" for number, each in enumerate(hashes)))

    assert all(is_listed(file, word) for word in words)
    assert not any(is_listed(file, f"another password {number}") for number in range(300))
    settings.PASSWORD_BREACH_FILE = str(file)
    with pytest.raises(ValidationError, match="stolen"):
        validate_password(words[7])
    validate_password("another password 7")

    file.write_text("")
    assert not is_listed(file, words[7])
    settings.PASSWORD_BREACH_FILE = str(tmp_path / "missing")
    with pytest.raises(OSError, match="missing"):
        validate_password(words[7])
