"""The changes that can be requested for accounts selected in a list.

The package of changes, which these pages reach by URL only, registers its kinds here as it starts.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RequestButton:
    """A kind of change by its name in URLs, the button's words, and the capability that it takes."""

    kind: str
    words: str
    capability: str


_offered: dict[str, RequestButton] = {}


def offer(button: RequestButton) -> None:
    """Offer a kind of change in lists, after those that are offered already."""
    _offered[button.kind] = button


def offered() -> tuple[RequestButton, ...]:
    """Return what is offered, in order."""
    return tuple(_offered.values())
