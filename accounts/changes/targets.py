"""Choosing what a change is about: by filter, by trader, by names that somebody pasted or wrote into a file.

Whatever way they come, targets are looked up in bulk, each name that leads nowhere is told with its line, and what was found
is frozen in a `TargetList`. Nothing here asks for a change.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import TextField
from django.utils import timezone

from accounts.changes.kinds.kind import Kind, State, Unit
from accounts.changes.models import Change, TargetList
from accounts.changes.source import Fault, Link, Problem, Source
from accounts.changes.states import Relation
from accounts.models import Account, EnvironmentChoice, RiskCategory, Trader
from accounts.queries import BIGGEST_ID, AnyOf, Attention, Filters, matching
from accounts.states import Standing
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment

TARGETS_MAX: Final = 20_000
LINES_NAMED: Final = 3
"""Lines of a file that a refusal names; of the others it says how many there are."""
KEPT_FOR: Final = timedelta(days=2)

_NAME_MAX: Final = 64  # the mirror's column
_SOURCE_MAX: Final = 200
_QUOTED_MAX: Final = 60
_BETWEEN_ACCOUNTS: Final = re.compile(r"[,;\s]+")
_BETWEEN_TRADERS: Final = re.compile(r"[,;\t\r]+")


class BadTargets(ValueError):
    """What was named can't be one change; the message is for people."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Targets of one environment in their order, with the parameters that came with them and the rows that name none."""

    environment: Environment
    unit: Unit
    ids: tuple[int, ...]
    source: str
    parameters: State = field(default_factory=dict)
    per_target: Mapping[int, State] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    link: Link | None = None


@dataclass(frozen=True, kw_only=True)
class Named:
    """A target as somebody named it: the line, the heading it stood under, what stood there, and parameters of its own."""

    line: int
    text: str
    column: str = ""
    parameters: State | None = None


# --- Keeping lists ------------------------------------------------------------------------------------------------------


def keep(actor: Staff, chosen: Chosen, *, kind: Kind[Any] | None = None) -> TargetList:
    """Freeze what was chosen as a list of the actor's own; without a kind, one is chosen next."""
    return TargetList.objects.create(
        created_by=actor,
        kind=kind.name if kind else "",
        unit=chosen.unit.value,
        environment=chosen.environment.value,
        ids=list(chosen.ids),
        parameters=dict(chosen.parameters),
        per_target={str(target_id): dict(own) for target_id, own in chosen.per_target.items()},
        source=chosen.source[:_SOURCE_MAX],
        problems=[problem.to_json() for problem in chosen.problems],
        of_change_id=chosen.link.change_id if chosen.link else None,
        relation=chosen.link.relation if chosen.link else "",
    )


def kept(actor: Staff, list_id: UUID) -> TargetList | None:
    """Return a list of the actor's own; None when there is none by that id, whoever else may have one."""
    return TargetList.objects.filter(pk=list_id, created_by=actor).first()


def chosen_of(target_list: TargetList) -> Chosen:
    """Return what a list keeps."""
    return Chosen(
        environment=Environment(target_list.environment),
        unit=Unit(target_list.unit),
        ids=tuple(target_list.ids),
        source=target_list.source,
        parameters=target_list.parameters,
        per_target={int(target_id): own for target_id, own in target_list.per_target.items()},
        problems=tuple(Problem.from_json(problem) for problem in target_list.problems),
        link=Link(change_id=target_list.of_change_id, relation=Relation(target_list.relation))
        if target_list.of_change_id
        else None,
    )


def source_of(chosen: Chosen) -> Source:
    """Return what a change made of it remembers of it."""
    return Source(words=chosen.source, left_out=chosen.problems)


def forget_target_lists() -> int:
    """Delete the lists that nobody can still be working with, and return how many there were."""
    deleted, _ = TargetList.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    return deleted


# --- Everything of a sort -----------------------------------------------------------------------------------------------


def of_filters(filters: Filters) -> Chosen:
    """Return every account that the accounts page lists under these filters. Raises BadTargets."""
    found = matching(filters, at_most=TARGETS_MAX)
    if found.is_cut:
        raise BadTargets(
            "The search matches more than 200 traders, so not every account would be among them. Write more of it."
        )
    if found.is_more:
        raise BadTargets(f"More than {TARGETS_MAX:,} accounts match, and one change takes no more. Narrow the filter.")
    if not found.accounts:
        raise BadTargets("No account matches this filter any more.")
    environments = {environment for environment, _ in found.accounts}
    if len(environments) > 1:
        raise BadTargets("Demo and live accounts can't be in one change. Filter by environment first.")
    return Chosen(
        environment=Environment(environments.pop()),
        unit=Unit.ACCOUNT,
        ids=tuple(account_id for _, account_id in found.accounts),
        source=f"filter: {', '.join(_filter_words(filters)) or 'all accounts'}",
    )


def _filter_words(filters: Filters) -> Iterable[str]:
    if filters.search.strip():
        yield f"“{filters.search.strip()}”"
    if filters.environment:
        yield EnvironmentChoice(filters.environment).label.lower()
    if filters.standing:
        yield Standing(filters.standing).label.lower()
    if filters.category_id is not None:
        yield f"category {RiskCategory.objects.get(pk=filters.category_id).name}"
    if filters.attention:
        yield Attention(filters.attention).label.lower()


def of_trader(environment: Environment, trader_id: int) -> Chosen:
    """Return every account of a trader, by Tradovate's id. Raises BadTargets."""
    trader = Trader.objects.filter(environment=environment.value, tradovate_id=trader_id).first()
    accounts = trader.accounts.order_by("name", "pk") if trader else Account.objects.none()
    ids = tuple(accounts.values_list("tradovate_id", flat=True)[: TARGETS_MAX + 1])
    if trader is None or not ids:
        raise BadTargets("This trader has no account.")
    if len(ids) > TARGETS_MAX:
        raise BadTargets(f"This trader has more than {TARGETS_MAX:,} accounts, and one change takes no more.")
    return Chosen(environment=environment, unit=Unit.ACCOUNT, ids=ids, source=f"accounts of trader {trader.name}")


def traders_of(environment: Environment, account_ids: Sequence[int]) -> tuple[list[int], int]:
    """Return the traders of accounts, each once and in their order, and how many accounts have none; one query."""
    rows = Account.objects.filter(AnyOf("tradovate_id", account_ids), environment=environment.value, trader__isnull=False)
    trader_of = dict(rows.values_list("tradovate_id", "trader__tradovate_id"))
    found = [trader_of[account_id] for account_id in account_ids if account_id in trader_of]
    return list(dict.fromkeys(found)), len(account_ids) - len(found)


def copy_of(change: Change, chosen: Chosen) -> Chosen:
    """Return targets with what an earlier change set for all of its own, unless a file says what is set for these.

    Where each of its targets had parameters of its own, there is nothing that they could all be given.
    """
    chosen = replace(chosen, link=Link(change_id=change.pk, relation=Relation.COPIES))
    if chosen.parameters or chosen.per_target or had_own_parameters(change):
        return chosen
    return replace(chosen, parameters=change.parameters)


def had_own_parameters(change: Change) -> bool:
    """Say whether any target of a change had parameters of its own."""
    return change.items.exclude(own_parameters=None).exists()


# --- Named one by one ---------------------------------------------------------------------------------------------------


def of_names(environment: Environment, unit: Unit, named: Sequence[Named], *, source: str) -> Chosen:
    """Look up targets that are named by id or name, each in its place, with a problem for each that is no target.

    A target that comes twice with the same parameters counts once, and its later rows are problems; where its rows say
    different things, none of them counts. A fixed number of queries, whatever the number of names.
    """
    directory = _directory(environment, unit, {each.text for each in named})
    problems: list[Problem] = []
    rows: dict[int, list[Named]] = defaultdict(list)
    for each in named:
        found = directory.get(each.text, ())
        wrong = _not_one(found, unit)
        if wrong:
            problems.append(_problem(each, *wrong))
        else:
            rows[found[0].id].append(each)
    good: dict[int, Named] = {}
    for target_id, same in rows.items():
        wrong_ones = _repeated(same)
        problems.extend(wrong_ones)
        if len(wrong_ones) < len(same):
            good[target_id] = same[0]
    own = {target_id: each.parameters for target_id, each in good.items() if each.parameters is not None}
    common = in_common(list(own.values()))
    return Chosen(
        environment=environment,
        unit=unit,
        ids=tuple(good),
        source=source,
        parameters=common,
        per_target={
            target_id: {name: value for name, value in parameters.items() if name not in common}
            for target_id, parameters in own.items()
        },
        problems=tuple(sorted(problems, key=lambda problem: problem.line)),
    )


def of_text(environment: Environment, unit: Unit, text: str) -> Chosen:
    """Return the targets that a pasted text names, one a line or several between commas, semicolons or tabs.

    Accounts may stand between blanks too; no account's name has any. Raises BadTargets.
    """
    between = _BETWEEN_ACCOUNTS if unit == Unit.ACCOUNT else _BETWEEN_TRADERS
    named = [
        Named(line=line, text=part.strip())
        for line, row in enumerate(text.split("\n"), start=1)
        for part in between.split(row)
        if part.strip()
    ]
    if not named:
        raise BadTargets(f"Write at least one {unit.value}'s id or name.")
    if len(named) > TARGETS_MAX:
        raise BadTargets(f"{len(named):,} {unit.value}s are named; one change takes at most {TARGETS_MAX:,}.")
    return of_names(environment, unit, named, source="pasted list")


@dataclass(frozen=True, kw_only=True)
class _Entry:
    id: int
    is_gone: bool


def _directory(environment: Environment, unit: Unit, texts: set[str]) -> dict[str, tuple[_Entry, ...]]:
    """Return for each text the targets that it may mean: by Tradovate's id, by name as written, else in capitals."""
    ids = {text: int(text) for text in texts if is_id(text)}
    names = {text for text in texts if text and len(text) <= _NAME_MAX and "\0" not in text}
    columns = ["tradovate_id", "name", *(("archived",) if unit == Unit.ACCOUNT else ("missing_since",))]
    everything = (Account if unit == Unit.ACCOUNT else Trader).objects.filter(environment=environment.value)
    by_id: dict[int, _Entry] = {}
    by_name: dict[str, dict[int, _Entry]] = defaultdict(dict)
    # Two queries: with OR, PostgreSQL would use neither index.
    either_case = [*(names | {name.upper() for name in names})]
    for wanted in (AnyOf("tradovate_id", [*set(ids.values())]), AnyOf("name", either_case, TextField())):
        for target_id, name, gone in everything.filter(wanted).values_list(*columns):
            entry = _Entry(id=target_id, is_gone=bool(gone))
            by_id[target_id] = entry
            by_name[name][target_id] = entry
    found: dict[str, tuple[_Entry, ...]] = {}
    for text in texts:
        meant = dict(by_name.get(text) or by_name.get(text.upper()) or {})
        if text in ids and ids[text] in by_id:
            meant[ids[text]] = by_id[ids[text]]
        found[text] = tuple(meant.values())
    return found


def is_id(text: str) -> bool:
    """Say whether a text could be an id of Tradovate's, as far as its digits and its size tell."""
    return text.isascii() and text.isdecimal() and len(text) <= len(str(BIGGEST_ID)) and int(text) <= BIGGEST_ID


def _not_one(found: Sequence[_Entry], unit: Unit) -> tuple[Fault, str] | None:
    """Return why a name does not lead to exactly one open target."""
    if not found:
        return Fault.UNKNOWN, f"No {unit.value} has this id or name"
    if len(found) > 1:
        ids = ", ".join(str(entry.id) for entry in found[:3])
        return Fault.AMBIGUOUS, f"{len(found)} {unit.value}s are called so: write the id ({ids})"
    if found[0].is_gone:
        what = "archived or closed" if unit == Unit.ACCOUNT else "no longer listed by Tradovate"
        return Fault.GONE, f"This {unit.value} is {what}"
    return None


def _repeated(same: Sequence[Named]) -> list[Problem]:
    """Return the problems of rows that name one target: none for a single one."""
    first, *later = same
    if all(each.parameters == first.parameters for each in later):
        return [_problem(each, Fault.DUPLICATE, f"The same as line {first.line}") for each in later]
    lines = [each.line for each in same]
    return [
        _problem(each, Fault.CONTRADICTION, f"Says otherwise than {_lines_in_words([n for n in lines if n != each.line])}")
        for each in same
    ]


def _lines_in_words(lines: Sequence[int]) -> str:
    if len(lines) == 1:
        return f"line {lines[0]}"
    shown = [str(line) for line in lines[:LINES_NAMED]]
    if len(lines) > LINES_NAMED:
        shown.append(f"{len(lines) - LINES_NAMED} more")
    return f"lines {', '.join(shown[:-1])} and {shown[-1]}"


def _problem(named: Named, fault: Fault, reason: str) -> Problem:
    return Problem(line=named.line, column=named.column, value=quoted(named.text), fault=fault, reason=reason)


def quoted(text: str) -> str:
    """Return what somebody wrote, as a problem shows it: not too long, and without a character that can't be kept."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return shown if len(shown) <= _QUOTED_MAX else f"{shown[: _QUOTED_MAX - 1]}…"


def in_common(own: Sequence[State]) -> State:
    """Return the parameters that are the same for every target: they are said once, for the change."""
    if not own:
        return {}
    return {name: value for name, value in own[0].items() if all(name in each and each[name] == value for each in own)}
