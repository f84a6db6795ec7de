"""Tradovate's reason codes as a form offers them. Those for brokerage use have a group of their own (seed 001)."""

from typing import Final

from riskadmin.audit.wording import REASON_WORDS
from riskadmin.tradovate.vocabulary import ReasonCode

BROKERAGE: Final = "For brokerage account management"

CODE_CHOICES: Final[list[tuple[str, str | list[tuple[str, str]]]]] = [
    *((code, words) for code, words in REASON_WORDS.items() if not ReasonCode(code).is_for_brokerage),
    (BROKERAGE, [(code, words) for code, words in REASON_WORDS.items() if ReasonCode(code).is_for_brokerage]),
]
