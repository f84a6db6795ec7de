"""Lists of ids and names as people paste them: from chats, documents, code and spreadsheets. Pure.

Bullets and numbering before a line are not names. The text after them is split as far as possible without knowing names.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from accounts.changes.kinds.spec import Unit
from riskadmin.web.pasted_text import AMOUNT, visible

_ACCOUNT_PARTS: Final = re.compile(rf"(?:{AMOUNT}|[^,;|\t\r])+")
_TRADER_PARTS: Final = re.compile(rf"(?:{AMOUNT}|[^,;\t\r])+")
"""What is between two delimiters; the commas in an amount of money are none."""
_BULLET: Final = re.compile(r"(?:[^\w\s\"'\[({#@]+\s+)?(?:\[[ xX]?\]\s+)?(?=\S)")
_NUMBERING: Final = re.compile(r"[(\[]?[0-9]{1,3}[.):\]]+\s+(?=\S)")
_PREFIX_AND_TAB: Final = re.compile(r"(\s*(?:[^\w\s\"'\[({#@]+|[(\[]?[0-9]{1,3}[.):\]]+))\t+")
_COUNTED: Final = re.compile(r"\s*([0-9]{1,5})\t\s*(?=\S)")
"""A number and a tab: numbering, where it counts the lines, such as a table's first column."""


@dataclass(frozen=True, kw_only=True)
class Pasted:
    """The text between two delimiters of a line: perhaps one name with spaces, perhaps several `words` with one each.

    `as_written` still has the bullet or number before it, and invisible characters.
    """

    line: int
    text: str
    as_written: str
    words: tuple[str, ...]


def pasted(text: str, unit: Unit) -> tuple[list[Pasted], bool]:
    """Return the parts of a pasted text, and whether numbers before tabs were left out, because they count the lines."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    counted = _is_counted([line for _, line in lines])
    found: list[Pasted] = []
    for number, line in lines:
        found_prefix = _PREFIX_AND_TAB.match(line)
        rest = f"{found_prefix[1]} {line[found_prefix.end() :]}" if found_prefix else line
        rest = _COUNTED.sub("", rest, count=1) if counted else rest
        parts = _ACCOUNT_PARTS if unit == Unit.ACCOUNT else _TRADER_PARTS
        for part in parts.findall(rest.strip()):
            plain = _without_prefix(visible(part))
            if plain:
                words = tuple(plain.split()) if unit == Unit.ACCOUNT else (plain,)
                found.append(Pasted(line=number, text=plain, as_written=part.strip(), words=words))
    return found, counted


def _is_counted(lines: Sequence[str]) -> bool:
    numbers = [int(found[1]) if (found := _COUNTED.match(line)) else 0 for line in lines]
    return len(numbers) > 1 and numbers == list(range(1, len(numbers) + 1))


def _without_prefix(part: str) -> str:
    found = _BULLET.match(part)
    rest = part[found.end() :] if found else part
    found = _NUMBERING.match(rest)
    return rest[found.end() :] if found else rest


def is_word(text: str) -> bool:
    """Say whether a text has a letter or digit: dashes and dots between names name nothing."""
    return any(each.isalnum() for each in text)


def is_remark(words: Sequence[str]) -> bool:
    """Say whether words that match nothing are a remark next to the names, and not names themselves."""
    said = [word for word in words if is_word(word)]
    return len(said) > 1 and not all(any(each.isdigit() for each in word) for word in said)
