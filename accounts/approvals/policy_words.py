"""Rules of the policy in words, as pages list them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import zip_longest

from accounts.approvals.models import PolicyRule
from accounts.approvals.policy import needs_in_words, stages_of
from accounts.approvals.policy_versions import RuleDraft, comparable
from accounts.approvals.states import Direction, Hours
from accounts.approvals.subjects import kind_in_words
from riskadmin.web.formats import listed


class Mark(StrEnum):
    """What another version of the policy does with a rule."""

    KEPT = ""
    NEW = "new"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True)
class RuleLine:
    """One rule as a line of a page; `kinds` and `conditions` say what it matches, "Every kind" and nothing if everything."""

    number: int
    kinds: str
    environment: str
    conditions: tuple[str, ...]
    needs: str
    valid_hours: int
    note: str
    mark: Mark = Mark.KEPT


def lines(rules: Iterable[PolicyRule]) -> list[RuleLine]:
    """Return rules in words."""
    return [_line(rule) for rule in rules]


def compared(before: Sequence[PolicyRule], after: Sequence[PolicyRule]) -> list[RuleLine]:
    """Return the rules of a version in words, each new one marked, and where it was each that an earlier version had."""
    return list(_compared(before, after))


def _compared(before: Sequence[PolicyRule], after: Sequence[PolicyRule]) -> Iterator[RuleLine]:
    # An edited rule is one that was removed and one that is new, next to each other.
    was, now = (comparable(map(RuleDraft.of, rules)) for rules in (before, after))
    for step, first, last, start, end in SequenceMatcher(a=was, b=now, autojunk=False).get_opcodes():
        if step == "equal":
            yield from lines(after[start:end])
            continue
        for removed, added in zip_longest(before[first:last], after[start:end]):
            if removed:
                yield _line(removed, Mark.REMOVED)
            if added:
                yield _line(added, Mark.NEW)


def _line(rule: PolicyRule, mark: Mark = Mark.KEPT) -> RuleLine:
    return RuleLine(
        number=rule.position,
        kinds=listed([kind_in_words(kind) for kind in rule.kinds]) if rule.kinds else "Every kind",
        environment=rule.environment,
        conditions=tuple(_conditions(rule)),
        needs=needs_in_words(stages_of(rule.stages), rule.review_within_hours),
        valid_hours=rule.valid_hours,
        note=rule.note,
        mark=mark,
    )


def _conditions(rule: PolicyRule) -> Iterator[str]:
    if rule.directions:
        yield " or ".join(Direction(each).label.lower() for each in rule.directions)
    if rule.requester_role:
        yield f"requested by {rule.requester_role}"
    if rule.hours:
        yield Hours(rule.hours).label.lower()
    if rule.thresholds:
        yield f"from {listed(rule.thresholds)} on"
