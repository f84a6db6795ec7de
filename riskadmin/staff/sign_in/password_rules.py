"""Passwords that are refused besides Django's rules: those made of words that anybody would try here, and breached ones."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Final

from django.conf import settings
from django.core.exceptions import ValidationError

from riskadmin.staff.models import Staff, plain_username

LEFT_MIN: Final = 8
"""How many characters a password must have besides such words."""
WORD_MIN: Final = 3
"""Shorter words, such as initials, are a part of many others."""
LINE_MAX: Final = 128


class OwnWordsValidator:
    """Refuses a password that is too short without the firm's and the product's words, and the person's own names."""

    def validate(self, password: str, user: Staff | None = None) -> None:
        """Raise ValidationError for such a password."""
        left = plain_username(password)
        for word in sorted(_words_of(user), key=len, reverse=True):
            left = left.replace(word, "")
        if len(left) < LEFT_MIN:
            raise ValidationError(
                "This password is made of words that anybody would try first, such as a name or the firm's. Add other words.",
                code="password_own_words",
            )

    def get_help_text(self) -> str:
        """Return what people are shown beside the field."""
        return "Don't build it from your name or the firm's."


class BreachedPasswordValidator:
    """Refuses a password whose SHA-1 is in PASSWORD_BREACH_FILE, if there is one: sorted lines, as Pwned Passwords has them."""

    def validate(self, password: str, user: Staff | None = None) -> None:  # noqa: ARG002  (Django passes it)
        """Raise ValidationError for such a password. Raises OSError when the file can't be read."""
        if settings.PASSWORD_BREACH_FILE and is_listed(Path(settings.PASSWORD_BREACH_FILE), password):
            raise ValidationError(
                "This password was stolen elsewhere and is known to attackers. Use another.", code="password_breached"
            )

    def get_help_text(self) -> str:
        """Return nothing: people can't know."""
        return ""


def is_listed(path: Path, password: str) -> bool:
    """Return whether a password is in a file of sorted lines that each begin with the SHA-1 of one, in upper case."""
    wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    with path.open("rb") as file:
        low, high = 0, file.seek(0, os.SEEK_END)
        while low < high:  # the line that is looked for begins within [low, high)
            middle = (low + high) // 2
            begins, found = _line_at(file, middle)
            if found < wanted and found:
                low = max(begins + len(found), middle + 1)
            else:
                high = middle
        return _line_at(file, low)[1] == wanted


def _line_at(file: BinaryIO, position: int) -> tuple[int, bytes]:
    """Return where the first line that begins at or after a position begins, and its hash; empty at the end of the file."""
    file.seek(max(0, position - 1))
    if position > 0:
        file.readline(LINE_MAX)
    return file.tell(), file.readline(LINE_MAX).strip().partition(b":")[0].upper()


def _words_of(user: Staff | None) -> set[str]:
    words = [*settings.PASSWORD_FORBIDDEN_WORDS]
    if user is not None:
        words += [user.username, *user.first_name.split(), *user.last_name.split(), *user.email.replace("@", " ").split()]
    return {plain for word in words if len(plain := plain_username(word)) >= WORD_MIN}
