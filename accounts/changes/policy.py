"""Which change needs how many approvals, from whom: pure functions over the rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from riskadmin.web.formats import counted


class Rule(Protocol):
    """The fields of a rule; `changes.models.PolicyRule` is one."""

    kind: str
    environment: str
    at_least_items: int
    decisions_needed: int
    decider_role: str
    expires_after_hours: int


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What policy requires of one change: this many approvals by people with that role ("" is any approver), in that time."""

    decisions_needed: int
    decider_role: str
    expires_after: timedelta


class PolicyMissing(Exception):
    """No rule matches this change, so no one may make it."""


def requirement(rules: Iterable[Rule], *, kind: str, environment: str, items: int) -> Requirement:
    """Return what policy requires of a change of `items` items; the matching rule with the most approvals wins.

    Among rules with equally many, one that names a role is stricter than one that does not; then the rule for more items wins,
    then the one for the kind, then the one for the environment, as the more specific. Raises PolicyMissing when no rule
    matches.
    """
    matching = [
        rule
        for rule in rules
        if rule.kind in {"", kind} and rule.environment in {"", environment} and rule.at_least_items <= items
    ]
    if not matching:
        raise PolicyMissing(f"No policy rule covers {kind} on {environment} for {counted(items, 'target')}.")
    rule = max(
        matching,
        key=lambda rule: (rule.decisions_needed, rule.decider_role != "", rule.at_least_items, rule.kind, rule.environment),
    )
    return Requirement(
        decisions_needed=rule.decisions_needed,
        decider_role=rule.decider_role,
        expires_after=timedelta(hours=rule.expires_after_hours),
    )
