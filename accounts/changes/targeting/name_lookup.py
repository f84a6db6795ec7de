"""Finding the accounts or traders that an id or a name means, many at once, and explaining why one is not found."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q, TextField

from accounts.access.queries import visible_accounts, visible_traders
from accounts.changes.kinds.spec import Unit
from accounts.changes.targeting.source import Fault
from accounts.models import Account, Trader
from accounts.models.ids import BIGGEST_ID, AnyOf, with_ids
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.pasted_text import bare_names, in_plain_digits, is_amount, other_digits, visible

_NAME_MAX: Final = 64  # the mirror's column
_QUOTED_MAX: Final = 60
_IDS_NAMED: Final = 3

_SHORTENED: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+")
_WITH_DECIMALS: Final = re.compile(r"([0-9]+)[.,]0+")
_WITH_SEPARATORS: Final = re.compile(r"[0-9]{1,3}(?:[.,' \u2019_][0-9]{3})+")
_TOTALS: Final = frozenset(
    {"total", "totals", "sum", "subtotal", "grand total", "summe", "gesamt", "gesamtsumme", "somme", "suma", "totale"}
)


@dataclass(frozen=True, kw_only=True)
class KnownTarget:
    """An account or trader of the mirror, by Tradovate's id; `is_gone` if nothing can be sent for it any more."""

    id: int
    name: str
    is_gone: bool


@dataclass(frozen=True, kw_only=True)
class LookupResult:
    """The result of a name: an id, perhaps with a note on how it was read; or a fault with the reason, and its text."""

    target_id: int | None = None
    words: str = ""
    fault: Fault = Fault.UNKNOWN
    reason: str = ""
    number: int = 0
    """Which of several texts has the fault, counted from 0."""


class Directory:
    """The accounts or traders of one environment that texts may mean: by id, by name as written, else in upper case.

    If a text as written matches nothing, it is tried without the marks around it. Two queries, whatever the number of texts.
    """

    def __init__(self, environment: Environment, unit: Unit, texts: Iterable[str], viewer: Staff | None = None) -> None:
        """Look texts up among what a person has access to."""
        self._unit = unit
        every = set(texts)
        self._bare = {text: bare for text in every if (bare := bare_names(text))}
        every.update(*self._bare.values())
        self._by_id, self._by_name = _read(environment, unit, every, viewer)

    def has(self, text: str) -> bool:
        """Say whether a text matches anything."""
        return bool(self._meant(text))

    def resolve(self, texts: Sequence[str]) -> LookupResult:
        """Return the one open target that all of these texts mean; all of them must agree."""
        meant = [self._meant(text) for text in texts]
        for number, found in enumerate(meant):
            if not found:
                others = [_described(text, known) for text, known in zip(texts, meant, strict=True) if known]
                return LookupResult(reason=not_found(texts[number], self._unit, others), number=number)
        common = {target_id: entry for target_id, entry in meant[0].items() if all(target_id in each for each in meant[1:])}
        if not common:
            said = " and ".join(_described(text, found) for text, found in zip(texts, meant, strict=True))
            return LookupResult(fault=Fault.MISMATCH, reason=f"{said}. Correct one of them, or leave its cell empty")
        return self._only_one(texts[0], list(common.values()))

    def _only_one(self, text: str, found: Sequence[KnownTarget]) -> LookupResult:
        unit = self._unit.value
        gone = "archived or closed" if self._unit == Unit.ACCOUNT else "no longer listed by Tradovate"
        if len(found) == 1:
            if found[0].is_gone:
                return LookupResult(fault=Fault.CLOSED, reason=f"This {unit} is {gone}")
            return LookupResult(target_id=found[0].id, words=self._read_as(text, found[0]))
        said = self._as_found(text)
        by_id = [entry for entry in found if is_id(said) and entry.id == int(said)]
        if by_id:
            other = next(entry for entry in found if entry is not by_id[0])
            return LookupResult(
                fault=Fault.AMBIGUOUS,
                reason=(
                    f"This is the id of {by_id[0].name} and the name of {unit} {other.id}. "
                    f"Write {by_id[0].name} or {other.id} instead, whichever is meant"
                ),
            )
        there = [entry for entry in found if not entry.is_gone]
        if not there:
            return LookupResult(fault=Fault.CLOSED, reason=f"{len(found)} {unit}s have this name, and all are {gone}")
        if len(there) > 1:
            ids = ", ".join(str(entry.id) for entry in there[:_IDS_NAMED])
            return LookupResult(
                fault=Fault.AMBIGUOUS, reason=f"{len(there)} {unit}s have this name. Write the id instead ({ids})"
            )
        others = [str(entry.id) for entry in found if entry.is_gone]
        which = ", ".join(others[:_IDS_NAMED]) + ("" if len(others) <= _IDS_NAMED else f" and {len(others) - _IDS_NAMED} more")
        words = f"{there[0].name} is also the name of {which}, {gone}; the open {unit} {there[0].id} was taken."
        return LookupResult(target_id=there[0].id, words=words)

    def _meant(self, text: str) -> Mapping[int, KnownTarget]:
        return self._exactly(self._as_found(text))

    def _as_found(self, text: str) -> str:
        """Return the text, or the first of its bare forms that matches anything."""
        return next((each for each in (text, *self._bare.get(text, ())) if self._exactly(each)), text)

    def _exactly(self, text: str) -> Mapping[int, KnownTarget]:
        meant = dict(self._by_name.get(text) or self._by_name.get(text.upper()) or {})
        if is_id(text) and int(text) in self._by_id:
            meant[int(text)] = self._by_id[int(text)]
        return meant

    def _read_as(self, text: str, entry: KnownTarget) -> str:
        return "" if self._as_found(text) in text else f"{quoted(text)} was read as {entry.name}."


def _read(
    environment: Environment, unit: Unit, texts: set[str], viewer: Staff | None
) -> tuple[dict[int, KnownTarget], dict[str, dict[int, KnownTarget]]]:
    ids = {int(text) for text in texts if is_id(text)}
    names = {text for text in texts if text and len(text) <= _NAME_MAX and "\0" not in text and not _has_surrogates(text)}
    columns = ["tradovate_id", "name", *(("archived",) if unit == Unit.ACCOUNT else ("missing_since",))]
    accounts, traders = Account.objects.all(), Trader.objects.all()
    everything: Any = visible_accounts(accounts, viewer) if unit == Unit.ACCOUNT else visible_traders(traders, viewer)
    by_id: dict[int, KnownTarget] = {}
    by_name: dict[str, dict[int, KnownTarget]] = defaultdict(dict)
    # Two queries: with OR, PostgreSQL would use neither index.
    either_case = [*(names | {name.upper() for name in names})]
    named = Q(AnyOf("name", either_case, TextField()), environment=environment.value)
    for wanted in (with_ids(environment, ids), named):
        for target_id, name, gone in everything.filter(wanted).values_list(*columns):
            entry = KnownTarget(id=target_id, name=name, is_gone=bool(gone))
            by_id[target_id] = entry
            by_name[name][target_id] = entry
    return by_id, by_name


def _has_surrogates(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text)


def _described(text: str, found: Mapping[int, KnownTarget]) -> str:
    """Say what a text means if the text does not say it: "4200001 is KTR25K-000001"."""
    is_number = is_id(visible(text))
    meant = [quoted(entry.name) if is_number else str(entry.id) for entry in list(found.values())[:_IDS_NAMED]]
    return f"{quoted(visible(text))} is {' or '.join(meant)}"


def is_id(text: str) -> bool:
    """Say whether a text could be one of Tradovate's ids, by its digits and its size."""
    return text.isascii() and text.isdecimal() and len(text) <= len(str(BIGGEST_ID)) and int(text) <= BIGGEST_ID


def not_found(text: str, unit: Unit, others: Sequence[str] = ()) -> str:
    """Return that nothing has this id or name, and how to write it if that is known.

    `others` say what the other cells of its row mean: then this is the one to check.
    """
    hint = _how_to_write(visible(text))
    if not others:
        return f"No {unit.value} has this id or name" + (f". {hint}" if hint else "")
    which = "id" if is_id(visible(text)) else "name"
    ways = hint or "Correct it, or leave its cell empty"
    return f"No {unit.value} has this {which}, though {' and '.join(others)}. {ways}"


def _how_to_write(text: str) -> str:
    if other_digits(text):
        return f"Write it with the digits 0 to 9: {quoted(in_plain_digits(text))}"
    if _SHORTENED.fullmatch(text):
        return "Spreadsheets shorten long numbers in this way, and digits are lost. Format the column as text, and write the id"
    decimals = _WITH_DECIMALS.fullmatch(text)
    if decimals:
        return f"Write the id without decimals: {quoted(decimals[1])}"
    if _WITH_SEPARATORS.fullmatch(text):
        return f"Write the id without separators: {quoted(re.sub('[^0-9]', '', text))}"
    if is_amount(text):
        return "It is an amount of money. Remove it, or leave it out on purpose"
    if text.lower().rstrip(":") in _TOTALS:
        return "A row of totals is not one of them: delete it"
    return ""


def quoted(text: str) -> str:
    """Return a text for a problem's message: not too long, and without characters that can't be stored."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return shown if len(shown) <= _QUOTED_MAX else f"{shown[: _QUOTED_MAX - 1]}…"
