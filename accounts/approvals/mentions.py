"""People who are named in a comment as @username."""

import re
from typing import Final

from riskadmin.staff.models import Staff
from riskadmin.staff.queries import people

# Not after a letter or digit: that is an e-mail address.
_NAMED: Final = re.compile(r"(?<![\w@.+-])@([a-z0-9][a-z0-9@.+_-]*)", re.IGNORECASE)
_PUNCTUATION: Final = ".-+_@"


class UnknownMention(ValueError):
    """A text names somebody who does not exist, or can no longer sign in; the message is for people."""


def mentioned(text: str) -> list[Staff]:
    """Return the people whom a text names, each once, in order. Raises UnknownMention."""
    found: dict[int, Staff] = {}
    active = {person.username: person for person in people().filter(is_active=True)} if "@" in text else {}
    for name in _NAMED.findall(text):
        username = name.lower()
        person = active.get(username) or active.get(username.rstrip(_PUNCTUATION))
        if person is None:
            raise UnknownMention(f"There is no active person called @{name}. Write the name that they sign in with.")
        found.setdefault(person.pk, person)
    return list(found.values())
