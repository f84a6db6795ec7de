"""Reading what a page answers."""

import re
from html import unescape
from typing import Protocol


class Answer(Protocol):
    """A response of Django's test client, as far as this folder reads it."""

    @property
    def content(self) -> bytes:
        """The body."""
        ...


def text_of(answer: Answer) -> str:
    """Return the body as text."""
    return answer.content.decode()


def read_aloud(answer: Answer) -> str:
    """Return the words of a page in one line, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text_of(answer))).split())
