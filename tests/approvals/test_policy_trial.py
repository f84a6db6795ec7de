"""Trying rules on the past: what would have needed what, how long that would have taken, and what to warn of."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.approvals.models import PolicyVersion
from accounts.approvals.policy import Stage, need
from accounts.approvals.policy_trial import PAST, Difference, Trial, wanted_for, warnings
from accounts.approvals.policy_versions import RuleDraft, drafts_in_force, in_order, try_on_the_past
from accounts.approvals.queries import policy_in_force
from accounts.approvals.states import Direction, RequestState
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.approvals.policies import SUPERVISOR, TWO_SUPERVISORS, put_policy_in_force
from tests.approvals.requests import old_requests
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

FACTS: dict[str, Any] = {
    "subject": "change",
    "kind": "unlock",
    "environment": "demo",
    "requester_role": "support",
    "direction": "loosening",
    "hours": "inside",
    "items": 1,
    "items_24h": 1,
    "money_usd": "0",
    "liquidations": 0,
    "open_positions": 0,
}


def past(person: Staff, count: int = 1, *, days_ago: int = 1, waited: timedelta | None = None, **columns: Any) -> list[int]:
    """Add requests of the past, approved after so long, or still waiting."""
    at = timezone.now() - timedelta(days=days_ago)
    ended = {"state": RequestState.APPROVED, "decided_at": at + waited} if waited else {}
    facts = {**FACTS, **columns.pop("facts", {})}
    made = old_requests(
        count,
        person,
        "",
        "",
        needed=columns.pop("needed", 1),
        digest="0" * 64,
        requested_at=at,
        facts=facts,
        **ended,
        **columns,
    )
    return [each.pk for each in made]


def tried(*rules: RuleDraft) -> Trial:
    return try_on_the_past(rules, compared_with=policy_in_force())


def test_every_request_of_ninety_days_is_compared_by_its_own_facts(support: Staff) -> None:
    put_policy_in_force(
        [
            RuleDraft(kinds=("unlock", "lock"), stages=SUPERVISOR),
            RuleDraft(kinds=("liquidate",), stages=TWO_SUPERVISORS),
            RuleDraft(kinds=("max_net_liq",), review_within_hours=24),
        ]
    )
    (refused,) = past(support, facts={"kind": "lock"})
    (fewer,) = past(support, facts={"kind": "liquidate"})
    (more,) = past(support, facts={"items_24h": 320, "items": 160})
    (otherwise,) = past(support, facts={"kind": "max_net_liq"})
    (covered,) = past(support, facts={"kind": "demo_balance"})
    past(support, facts={"items": 160, "items_24h": 160})  # alike
    past(support, days_ago=PAST.days + 1, facts={"kind": "lock"})  # too long ago
    past(support, subject="policy_version", facts={"subject": "policy_version", "kind": ""})  # judged by no rule
    past(support, facts={"kind": "unlock", "direction": None})

    found = tried(
        RuleDraft(kinds=("unlock",), stages=SUPERVISOR),
        RuleDraft(kinds=("unlock",), from_items_24h=320, stages=TWO_SUPERVISORS),
        RuleDraft(kinds=("liquidate", "demo_balance"), stages=SUPERVISOR),
        RuleDraft(kinds=("max_net_liq",), review_within_hours=4),
    )

    assert found.requests == 7
    assert [(each.request_id, each.difference) for each in found.of()] == [
        (refused, Difference.REFUSED),
        (fewer, Difference.FEWER),
        (more, Difference.MORE),
        (otherwise, Difference.OTHERWISE),
        (covered, Difference.COVERED),
    ]
    assert [each.request_id for each in found.of("more")] == [more]
    assert found.summary() == {"requests": 7, "refused": 1, "fewer": 1, "more": 1, "otherwise": 1, "covered": 1}
    (each,) = found.of("more")
    assert (each.before_words, each.after_words) == ("1 supervisor", "2 supervisors")


def test_the_rules_in_force_would_have_changed_nothing(support: Staff) -> None:
    past(support, 3)
    past(support, facts={"kind": "nothing covers it"})
    assert tried(*drafts_in_force()).differing == ()


def test_facts_that_were_not_stored_meet_every_condition(support: Staff) -> None:
    old_requests(1, support, "unlock", "demo", needed=1, digest="0" * 64)
    found = tried(*drafts_in_force(), RuleDraft(from_liquidations=1, stages=TWO_SUPERVISORS))
    assert (found.requests, found.older, found.counts) == (1, 1, {Difference.MORE: 1})


def test_the_wait_is_the_median_of_requests_that_needed_as_many(support: Staff) -> None:
    for minutes in (5, 10, 60):
        past(support, waited=timedelta(minutes=minutes))
    for minutes in (30, 40):
        past(support, waited=timedelta(minutes=minutes), needed=2, facts={"kind": "liquidate", "liquidations": 1})
    past(support, waited=timedelta(hours=9), incident="INC-1", review_due_at=timezone.now())  # acted alone: no wait
    past(support, facts={"kind": "lock"}, needed=0, decided_at=timezone.now())

    found = tried(
        RuleDraft(kinds=("unlock",), stages=TWO_SUPERVISORS),
        RuleDraft(kinds=("liquidate",), stages=SUPERVISOR * 3),
        RuleDraft(kinds=("lock",), stages=SUPERVISOR),
    )

    # Four unlocks 35 - 10 min, a lock 10 - 0 min; what would need three was never measured.
    assert (found.longer.median, found.longer.known, found.longer.unknown) == (timedelta(minutes=25), 5, 2)
    assert found.longer.words == "25 min"
    at_once = tried(RuleDraft())
    assert (at_once.shorter.median, at_once.shorter.known, at_once.shorter.unknown) == (timedelta(minutes=10), 6, 0)


@pytest.mark.parametrize("rules", [[], [RuleDraft(stages=SUPERVISOR), RuleDraft(kinds=("unlock",), stages=TWO_SUPERVISORS)]])
def test_drafts_are_interpreted_as_the_version_that_they_become(rules: Sequence[RuleDraft]) -> None:
    (drafted,) = wanted_for([FACTS], in_order(rules))
    version = put_policy_in_force(rules)
    if not rules:
        with connection.cursor() as cursor:
            cursor.execute("SELECT approvals_need('{}'::jsonb, %s)", [version.pk])
            assert (drafted, cursor.fetchone()[0]) == (None, None)
        return
    stored = need(FACTS, what="it")
    assert drafted
    assert (drafted.stages, drafted.valid_for, len(drafted.rules)) == (stored.stages, stored.valid_for, len(stored.rules))
    positions = dict(version.rules.values_list("pk", "position"))
    assert [positions[key] for key in stored.rules] == list(drafted.rules) == [2, 1]


def test_gaps_and_too_few_people_are_warned_of(supervisor: Staff) -> None:
    before = in_order(drafts_in_force())
    assert warnings(before, before) == [
        warning for warning in warnings(before, before) if "2 supervisors" in warning
    ]  # one supervisor is there, and some rules want two
    make_person(Role.SUPERVISOR, "supervisor2")
    assert warnings(before, before) == []
    without = [rule for rule in drafts_in_force() if rule.kinds != ("unlock",)]
    (gap,) = warnings(in_order(without), before)
    assert gap.endswith("of: Unlock. They could not be requested.")
    rules = [*without, RuleDraft(kinds=("unlock",), directions=(Direction.TIGHTENING,)), RuleDraft(stages=SUPERVISOR)]
    (role,) = warnings(in_order([*rules, RuleDraft(stages=(Stage(approvals=1, role="administrator"),))]), before)
    assert role.startswith(f"Rule {len(rules) + 1} wants 1 administrator, but only 0 of the active people")
    at_once = [*without, RuleDraft(kinds=("unlock",))]
    assert warnings(in_order(at_once), before) == [
        "Could run without an approval, at least for one target, where one is needed now: Unlock."
    ]
    assert PolicyVersion.objects.count() == 1
