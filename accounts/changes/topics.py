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
    """What is said of many rows, and of how many."""

    words: str
    count: int

    @property
    def key(self) -> str:
        """What names it in an address: the same as of each text that it was made of."""
        return key_of(self.words)


def topics(texts: Iterable[str]) -> tuple[Topic, ...]:
    """Return what texts have in common, commonest first: those that differ in numbers, or after a colon, are one topic."""
    return tuple(sorted(shared((text,) for text in texts), key=lambda topic: -topic.count))


def shared(told: Iterable[Sequence[str]]) -> tuple[Topic, ...]:
    """Return the topics of what is told of each of many rows, in the order in which they come up, with the number of rows."""
    heads: dict[str, str] = {}
    found: dict[str, dict[str, None]] = defaultdict(dict)
    counts: Counter[str] = Counter()
    for texts in told:
        for text in texts:
            if text not in heads:
                heads[text] = _head(text)
                found[heads[text]][text] = None
        counts.update({heads[text] for text in texts})
    return tuple(
        # A single text says it best itself; of several, the plural is what they have in common.
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
    # The count beside it is the number that a reader of many looks for.
    return said[2].upper() + said[3:] if _COUNTED.match(said) else said
