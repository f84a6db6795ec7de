"""What texts about many rows have in common: 10,000 rows are read as a few topics, each with its number of rows."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.text import slugify

_NUMBER: Final = re.compile(r"[-+\N{MINUS SIGN}]?\$?\d[\d,]*(?:\.\d+)?%?")
_COUNTED: Final = re.compile(r"… \S")
_PLURAL: Final = re.compile(r"s\b")


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A text about many rows, and the number of rows."""

    words: str
    count: int

    @property
    def key(self) -> str:
        """Its name in a URL: the same as that of each text that it was made from."""
        return key_of(self.words)


def topics(texts: Iterable[str]) -> tuple[Topic, ...]:
    """Return what texts have in common, most common first: texts that differ in numbers, or after a colon, are one topic."""
    return tuple(sorted(shared((text,) for text in texts), key=lambda topic: -topic.count))


def shared(texts_by_row: Iterable[Sequence[str]]) -> tuple[Topic, ...]:
    """Return the topics of the texts about many rows, in the order in which they occur, with the number of rows."""
    heads: dict[str, str] = {}
    found: dict[str, dict[str, None]] = defaultdict(dict)
    counts: Counter[str] = Counter()
    for texts in texts_by_row:
        for text in texts:
            if text not in heads:
                heads[text] = _head(text)
                found[heads[text]][text] = None
        counts.update({heads[text] for text in texts})
    return tuple(
        # A single text is used as it is; for several, the plural is what they have in common.
        Topic(words=next(iter(same)) if len(same) == 1 else max(map(_shortened, same), key=len), count=counts[head])
        for head, same in found.items()
    )


def key_of(text: str) -> str:
    """Return the key of the topic that a text belongs to: "2 open positions: they stay" is "open-position"."""
    return slugify(_head(text))


def _head(text: str) -> str:
    return _PLURAL.sub("", _shortened(text))


def _shortened(text: str) -> str:
    """Return what texts that differ in numbers have in common: "2 open positions: they stay" is "Open positions"."""
    said = _NUMBER.sub("…", text.partition(":")[0])
    # The count next to it is the number that matters for many rows.
    return said[2].upper() + said[3:] if _COUNTED.match(said) else said
