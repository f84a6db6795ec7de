"""Reading what a page answers."""

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
