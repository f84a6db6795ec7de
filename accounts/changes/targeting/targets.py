"""Selecting the targets of a change: by filter, by trader, by names that someone pasted or wrote into a file.

In each case, targets are looked up in bulk, each name that matches nothing is reported with its line, and what was found is
frozen in a `TargetList`. Nothing here requests a change.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from django.core.exceptions import BadRequest
from django.utils import timezone

from accounts.access.queries import visible_accounts
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.spec import Unit
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change, TargetList
from accounts.changes.states import Relation
from accounts.changes.targeting.name_lookup import Directory, quoted
from accounts.changes.targeting.pasted_list import is_remark, is_word, pasted
from accounts.changes.targeting.source import Fault, Link, Note, Problem, RefusedRows, TargetSource
from accounts.models import Account, Trader
from accounts.models.ids import with_ids
from accounts.pages.filters import AccountFilters
from accounts.pages.queries import names_of
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.visible import isolated

TARGETS_MAX: Final = 20_000
LINES_NAMED: Final = 3
"""Lines of a file that a refusal names; the others are only counted."""
KEPT_FOR: Final = timedelta(days=2)

_SOURCE_MAX: Final = 200


class BadTargets(BadRequest):
    """The named targets can't be one change; the message is for people, and is what they see if no form shows it."""


@dataclass(frozen=True, kw_only=True)
class TargetSelection:
    """Targets of one environment in order, with the parameters that came with them and the rows that name none."""

    environment: Environment
    unit: Unit
    ids: tuple[int, ...]
    source: str
    parameters: State = field(default_factory=dict)
    per_target: Mapping[int, State] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    notes: tuple[Note, ...] = ()
    refused_rows: RefusedRows = field(default_factory=RefusedRows)
    link: Link | None = None


@dataclass(frozen=True, kw_only=True)
class NamedTarget:
    """A target as someone named it: the line, the text and the heading above it, and its own parameters.

    Several cells, such as its id and its name, all have to mean the same target.
    """

    line: int
    cells: tuple[tuple[str, str], ...]
    parameters: State | None = None


# --- Keeping lists ------------------------------------------------------------------------------------------------------


def keep(actor: Staff, chosen: TargetSelection, *, kind: Kind | None = None) -> TargetList:
    """Freeze a selection as a list owned by the actor; without a kind, one is chosen next."""
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
        notes=[note.to_json() for note in chosen.notes],
        refused_rows=chosen.refused_rows.to_json(),
        of_change_id=chosen.link.change_id if chosen.link else None,
        relation=chosen.link.relation if chosen.link else "",
    )


def kept(actor: Staff, list_id: UUID) -> TargetList | None:
    """Return one of the actor's lists; None if the actor has none with that id, even if another person does."""
    return TargetList.objects.filter(pk=list_id, created_by=actor).first()


def chosen_of(target_list: TargetList) -> TargetSelection:
    """Return the selection that a list stores."""
    return TargetSelection(
        environment=Environment(target_list.environment),
        unit=Unit(target_list.unit),
        ids=tuple(target_list.ids),
        source=target_list.source,
        parameters=target_list.parameters,
        per_target={int(target_id): own for target_id, own in target_list.per_target.items()},
        problems=tuple(Problem.from_json(problem) for problem in target_list.problems),
        notes=tuple(Note.from_json(note) for note in target_list.notes),
        refused_rows=RefusedRows.from_json(target_list.refused_rows),
        link=Link(change_id=target_list.of_change_id, relation=Relation(target_list.relation))
        if target_list.of_change_id
        else None,
    )


def source_of(chosen: TargetSelection) -> TargetSource:
    """Return what a change made from it records about it."""
    is_file = bool(chosen.refused_rows.heading)
    return TargetSource(words=chosen.source, left_out=chosen.problems, is_file=is_file)


def forget_target_lists() -> int:
    """Delete the lists that can no longer be in use, and return how many there were."""
    deleted, _ = TargetList.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    return deleted


# --- Whole groups of targets --------------------------------------------------------------------------------------------


def of_filters(filters: AccountFilters) -> TargetSelection:
    """Return every account that the accounts page lists under these filters, which are valid. Raises BadTargets."""
    found = names_of(filters.qs, at_most=TARGETS_MAX)
    if filters.is_cut:
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
    return TargetSelection(
        environment=Environment(environments.pop()),
        unit=Unit.ACCOUNT,
        ids=tuple(account_id for _, account_id in found.accounts),
        source=f"filter: {', '.join(filters.words()) or 'all accounts'}",
    )


def of_trader(environment: Environment, trader_id: int, *, viewer: Staff | None = None) -> TargetSelection:
    """Return every account of a trader that somebody has access to, by Tradovate's id. Raises BadTargets."""
    trader = Trader.objects.filter(environment=environment.value, tradovate_id=trader_id).first()
    accounts = visible_accounts(trader.accounts.order_by("name", "pk"), viewer) if trader else Account.objects.none()
    ids = tuple(accounts.values_list("tradovate_id", flat=True)[: TARGETS_MAX + 1])
    if trader is None or not ids:
        raise BadTargets("This trader has no account.")
    if len(ids) > TARGETS_MAX:
        raise BadTargets(f"This trader has more than {TARGETS_MAX:,} accounts, and one change takes no more.")
    return TargetSelection(
        environment=environment, unit=Unit.ACCOUNT, ids=ids, source=f"accounts of trader {isolated(trader.name)}"
    )


def traders_of(environment: Environment, account_ids: Sequence[int], *, viewer: Staff | None = None) -> tuple[list[int], int]:
    """Return the traders of accounts, each once and in order, and how many accounts have none; one query."""
    rows = visible_accounts(Account.objects.filter(with_ids(environment, account_ids), trader__isnull=False), viewer)
    trader_of = dict(rows.values_list("tradovate_id", "trader__tradovate_id"))
    found = [trader_of[account_id] for account_id in account_ids if account_id in trader_of]
    return list(dict.fromkeys(found)), len(account_ids) - len(found)


def copy_of(change: Change, chosen: TargetSelection) -> TargetSelection:
    """Return targets with what an earlier change set for all of its own, unless a file says what is set for these.

    If each of its targets had parameters of its own, there is nothing that all could be given.
    """
    chosen = replace(chosen, link=Link(change_id=change.pk, relation=Relation.COPIES))
    if chosen.parameters or chosen.per_target or had_own_parameters(change):
        return chosen
    return replace(chosen, parameters=change.parameters)


def had_own_parameters(change: Change) -> bool:
    """Say whether any target of a change had parameters of its own."""
    return change.items.exclude(own_parameters=None).exists()


# --- Named individually -------------------------------------------------------------------------------------------------


def of_names(
    environment: Environment, unit: Unit, named: Sequence[NamedTarget], *, source: str, viewer: Staff | None = None
) -> TargetSelection:
    """Look up targets named by id or name, in order, with a problem for each that is no target.

    A target that occurs twice with the same parameters counts once, and a note says so; if its rows contradict each other, none
    of them counts. What `viewer` has no access to is not found. A fixed number of queries, whatever the number of names.
    """
    directory = Directory(environment, unit, {text for each in named for _, text in each.cells}, viewer)
    return _of_directory(directory, environment, unit, named, source=source)


def _of_directory(
    directory: Directory, environment: Environment, unit: Unit, named: Sequence[NamedTarget], *, source: str
) -> TargetSelection:
    problems: list[Problem] = []
    notes: list[Note] = []
    rows: dict[int, list[NamedTarget]] = defaultdict(list)
    for each in named:
        found = directory.resolve([text for _, text in each.cells])
        if found.target_id is None:
            column, text = each.cells[found.number]
            problems.append(Problem(line=each.line, column=column, value=quoted(text), fault=found.fault, reason=found.reason))
            continue
        rows[found.target_id].append(each)
        if found.words:
            notes.append(Note(line=each.line, words=found.words))
    good: dict[int, NamedTarget] = {}
    for target_id, same in rows.items():
        contradictions = _contradictions(same)
        problems.extend(contradictions)
        if not contradictions:
            good[target_id] = same[0]
            notes.extend(_repetitions(same))
    own = {target_id: each.parameters for target_id, each in good.items() if each.parameters is not None}
    common = in_common(list(own.values()))
    return TargetSelection(
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
        notes=tuple(sorted(notes, key=lambda note: note.line)),
    )


def of_text(environment: Environment, unit: Unit, text: str, *, viewer: Staff | None = None) -> TargetSelection:
    """Return the targets that a pasted text names, in any layout. What is left over is a problem. Raises BadTargets.

    Accounts may also be separated by spaces, unless one has a name with spaces. What `viewer` has no access to is not found.
    """
    parts, is_counted = pasted(text, unit)
    count = sum(is_word(word) for part in parts for word in part.words)
    if not count:
        raise BadTargets(f"Write at least one {unit.value}'s id or name.")
    if count > TARGETS_MAX:
        raise BadTargets(f"{count:,} {unit.value}s are named; one change takes at most {TARGETS_MAX:,}.")
    texts = {each for part in parts for each in (part.as_written, part.text, *part.words)}
    directory = Directory(environment, unit, texts, viewer)
    named: list[NamedTarget] = []
    problems: list[Problem] = []
    for part in parts:
        whole = next((each for each in (part.as_written, part.text) if directory.has(each)), None)
        for words in [(whole,)] if whole is not None else _runs(part.words, directory):
            if is_remark(words):
                remark = quoted(" ".join(words))
                reason = (
                    f"No {unit.value}'s id or name. Remove it, or leave it out on purpose; {unit.value}s beside it stay chosen"
                )
                problems.append(Problem(line=part.line, value=remark, fault=Fault.NOT_UNDERSTOOD, reason=reason))
            else:
                named.extend(NamedTarget(line=part.line, cells=(("", word),)) for word in words if is_word(word))
    found = _of_directory(directory, environment, unit, named, source="pasted list")
    counted = (
        [Note(line=1, words="The numbers before the tabs count the lines, and were not read as ids.")] if is_counted else []
    )
    return replace(
        found,
        problems=tuple(sorted([*problems, *found.problems], key=lambda problem: problem.line)),
        notes=(*counted, *found.notes),
    )


def _runs(words: Sequence[str], directory: Directory) -> list[tuple[str, ...]]:
    """Return words in order: each that matches something alone, those between them together."""
    runs: list[tuple[str, ...]] = []
    for leads, group in groupby(words, key=directory.has):
        run = tuple(group)
        runs.extend([(word,) for word in run] if leads else [run])
    return runs


def _repetitions(same: Sequence[NamedTarget]) -> list[Note]:
    """Return notes on the rows that repeat the first."""
    first, *later = same
    return [
        Note(line=each.line, words=f"{quoted(each.cells[0][1])}: the same as line {first.line}; it counts once.")
        for each in later
    ]


def _contradictions(same: Sequence[NamedTarget]) -> list[Problem]:
    """Return the problems of rows that name one target with different values: none if all are equal."""
    if all(each.parameters == same[0].parameters for each in same):
        return []
    lines = [each.line for each in same]
    return [
        Problem(
            line=each.line,
            column=each.cells[0][0],
            value=quoted(each.cells[0][1]),
            fault=Fault.CONTRADICTION,
            reason=f"Says otherwise than {_lines_in_words([n for n in lines if n != each.line])}. Keep one of them",
        )
        for each in same
    ]


def _lines_in_words(lines: Sequence[int]) -> str:
    if len(lines) == 1:
        return f"line {lines[0]}"
    shown = [str(line) for line in lines[:LINES_NAMED]]
    if len(lines) > LINES_NAMED:
        shown.append(f"{len(lines) - LINES_NAMED} more")
    return f"lines {', '.join(shown[:-1])} and {shown[-1]}"


def in_common(own: Sequence[State]) -> State:
    """Return the parameters that are the same for every target: they are stored once, for the change."""
    if not own:
        return {}
    return {name: value for name, value in own[0].items() if all(name in each and each[name] == value for each in own)}
