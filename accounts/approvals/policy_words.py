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

    NONE = ""
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
    escalate_to: str
    is_approved: bool
    valid_hours: int
    note: str
    mark: Mark = Mark.NONE


def lines(rules: Iterable[PolicyRule]) -> list[RuleLine]:
    """Return rules in words."""
    return [line_of(rule) for rule in rules]


def changes(before: Sequence[PolicyRule], after: Sequence[PolicyRule]) -> Iterator[RuleLine]:
    """Return the rules that only one of two versions has, in words; an edited one as removed, and below it as new."""
    was, now = (comparable(map(RuleDraft.of, rules)) for rules in (before, after))
    for step, first, last, start, end in SequenceMatcher(a=was, b=now, autojunk=False).get_opcodes():
        if step == "equal":
            continue
        for removed, added in zip_longest(before[first:last], after[start:end]):
            if removed:
                yield line_of(removed, Mark.REMOVED)
            if added:
                yield line_of(added, Mark.NEW)


def line_of(rule: PolicyRule, mark: Mark = Mark.NONE) -> RuleLine:
    """Return a rule in words."""
    return RuleLine(
        number=rule.position,
        kinds=listed([kind_in_words(kind) for kind in rule.kinds]) if rule.kinds else "Every kind",
        environment=rule.environment,
        conditions=tuple(_conditions(rule)),
        needs=needs_in_words(stages_of(rule.stages), rule.review_within_hours),
        escalate_to=rule.escalate_to,
        is_approved=bool(rule.stages),
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
