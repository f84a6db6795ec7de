"""Text from elsewhere, made visible: characters that show nothing, or that turn the order of others, are marked. Pure.

A name given at Tradovate could otherwise make an account's number on a page read as another one.
"""

import re
import unicodedata
from typing import Final

_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control and format characters (zero-width ones and those that set a direction among them), and separators of lines."""

_BLANK: Final = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that Unicode counts as letters or marks although fonts show nothing for them."""

_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_ISOLATE, _END_OF_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_LINES: Final = frozenset("\n\t")


def is_invisible(character: str) -> bool:
    """Say whether a character shows nothing, or only sets the direction of others. Spaces and line endings are not such."""
    if character in _LINES:
        return False
    return unicodedata.category(character) in _CATEGORIES or bool(_BLANK.match(character))


def is_empty(text: str) -> bool:
    """Say whether a text shows nothing at all. The one check of every text that has to be filled in."""
    return all(each.isspace() or is_invisible(each) for each in text)


def marked(text: str) -> str:
    """Return a text with each invisible character replaced by its number, as [U+202E]."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"[U+{ord(each):04X}]" if is_invisible(each) else each for each in text)


def marked_sentence(text: str) -> str:
    """Return a sentence that may quote a text, marked. The isolates that `isolated` put around a name stay."""
    return "".join(each if each in {_ISOLATE, _END_OF_ISOLATE} else marked(each) for each in text)


def isolated(name: str) -> str:
    """Return a name for the middle of a plain text: marked, and if it runs from right to left, isolated from what follows."""
    shown = marked(name)
    if shown.isascii() or not any(unicodedata.bidirectional(each) in _RIGHT_TO_LEFT for each in shown):
        return shown
    return f"{_ISOLATE}{shown}{_END_OF_ISOLATE}"
