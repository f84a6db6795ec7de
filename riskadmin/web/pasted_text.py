"""Remove what has no meaning in text copied from elsewhere or a spreadsheet: invisible characters, odd spaces, quotes. Pure.

Nothing here guesses at a meaning.
"""

import re
import unicodedata
from typing import Final

MINUS_SIGN: Final = "\N{MINUS SIGN}"

_EXCEL_TEXT: Final = re.compile(r'="([^"]*)"')
"""How exports keep a spreadsheet from reading an id as a number: ="4200001"."""

_DASHES: Final = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"), "-")
_QUOTES: Final = "\"'`\N{ACUTE ACCENT}\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u300c\u300d"
_BRACKETS: Final = "[](){}<>\u3010\u3011"

_COMMAS: Final = r"[0-9]{1,3}(?:,[0-9]{3})+"
_STOPS: Final = r"[0-9]{1,3}(?:\.[0-9]{3})+"
_NUMBER: Final = rf"(?:{_COMMAS}(?:\.[0-9]{{1,2}})?|{_STOPS}(?:,[0-9]{{1,2}})?|[0-9]+[.,][0-9]{{1,2}}|[0-9]+)"
_MARK: Final = r"(?:[-+\u2212][$\u20ac\u00a3]?|[$\u20ac\u00a3][-+\u2212]?)"
AMOUNT: Final = rf"(?<![\w.,])(?:{_MARK}{_NUMBER}|{_COMMAS}\.[0-9]{{1,2}}|{_STOPS},[0-9]{{1,2}})(?!\w|\.[0-9])"
"""The pattern of an amount of money: a number with a sign or currency, or with thousands separators and decimals."""
_AMOUNT: Final = re.compile(AMOUNT)


def visible(text: str) -> str:
    """Return a text without invisible characters, with one plain space for each run of spaces, and none at its ends."""
    if text.isascii():
        return " ".join(text.split()) if "  " in text or text != text.strip() or "\t" in text else text
    return " ".join("".join(each for each in text if unicodedata.category(each) != "Cf").split())


def plain(text: str) -> str:
    """Return the value of a spreadsheet's cell without the marks that make it a text: ="1500" and '1500 both give 1500."""
    shown = visible(text)
    excel = _EXCEL_TEXT.fullmatch(shown)
    if excel:
        return visible(excel[1])
    return shown[1:].lstrip() if shown[:1] in {"'", "\N{RIGHT SINGLE QUOTATION MARK}"} else shown


def bare_names(text: str) -> tuple[str, ...]:
    """Return possible spellings of a name or id without what people and chat programs put around it, least removed first.

    Quotes are removed first, then brackets, signs such as # and @, and full stops at the end; dashes become hyphens. Look
    up the text itself before these: a name may contain any of them.
    """
    cell = plain(text)
    unquoted = cell.strip(_QUOTES).strip()
    bare, before = unquoted.translate(_DASHES), None
    while bare != before:
        before = bare
        bare = bare.strip(_QUOTES + _BRACKETS).rstrip(".:!?").strip().removeprefix("#").removeprefix("@")
    return tuple(each for each in dict.fromkeys((cell, unquoted, bare)) if each != text)


def is_amount(text: str) -> bool:
    """Return whether a text is an amount of money, such as -2,024.25 or $1,200: its commas separate nothing."""
    return _AMOUNT.fullmatch(text) is not None


def other_digits(text: str) -> bool:
    """Return whether a text has digits other than 0 to 9, such as the full-width ones of East Asian keyboards."""
    return not text.isascii() and any(each.isdigit() and not each.isascii() for each in text)


def in_plain_digits(text: str) -> str:
    """Return a text with the digits 0 to 9 and plain signs in place of full-width ones and those of other scripts."""
    shown = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.digit(each)) if each.isdigit() else each for each in shown)
