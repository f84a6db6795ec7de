"""What has no meaning in a text that was copied or came out of a spreadsheet: invisible characters, odd spaces, quotes. Pure.

Nothing here guesses at a meaning: it only takes away what has none.
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


def visible(text: str) -> str:
    """Return a text without characters that show nothing, with one plain space for each run of spaces, and none around it."""
    if text.isascii():
        return " ".join(text.split()) if "  " in text or text != text.strip() or "\t" in text else text
    return " ".join("".join(each for each in text if unicodedata.category(each) != "Cf").split())


def plain(text: str) -> str:
    """Return what a spreadsheet's cell says, without the marks that make it a text: ="1500" and '1500 both say 1500."""
    shown = visible(text)
    excel = _EXCEL_TEXT.fullmatch(shown)
    if excel:
        return visible(excel[1])
    return shown[1:].lstrip() if shown[:1] in {"'", "\N{RIGHT SINGLE QUOTATION MARK}"} else shown


def bare_names(text: str) -> tuple[str, ...]:
    """Return what a name or id may be without what people and chat programs put around it, least taken away first.

    Quotes go first, then brackets, signs such as # and @, and stops behind it; dashes become hyphens. Look the text itself up
    before these: a name may have any of them.
    """
    cell = plain(text)
    unquoted = cell.strip(_QUOTES).strip()
    bare, before = unquoted.translate(_DASHES), None
    while bare != before:
        before = bare
        bare = bare.strip(_QUOTES + _BRACKETS).rstrip(".:!?").strip().removeprefix("#").removeprefix("@")
    return tuple(each for each in dict.fromkeys((cell, unquoted, bare)) if each != text)


def other_digits(text: str) -> bool:
    """Say whether a text has digits other than 0 to 9, such as the wide ones of East Asian keyboards."""
    return not text.isascii() and any(each.isdigit() and not each.isascii() for each in text)


def in_plain_digits(text: str) -> str:
    """Return a text with the digits 0 to 9 and plain signs in place of wide ones and those of other scripts."""
    shown = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.digit(each)) if each.isdigit() else each for each in shown)
