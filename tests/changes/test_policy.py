"""Policy: of the rules that match the strictest one applies, in PostgreSQL, and without a rule no one may ask for anything."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.approvals.models import PolicyRule, PolicyVersion
from accounts.approvals.policy import PolicyMissing, Stage
from accounts.approvals.policy_versions import RuleDraft
from accounts.approvals.states import Direction
from riskadmin.staff.models import Staff
from tests.approvals.policies import SUPERVISOR, TWO_SUPERVISORS, add_rule, put_policy_in_force, wanted
from tests.changes.world import ask, make_account, make_accounts, written

pytestmark = pytest.mark.django_db


def stages(*approvals: int, role: str = "") -> tuple[Stage, ...]:
    return tuple(Stage(approvals=each, role=role) for each in approvals)


RULES = st.builds(
    RuleDraft,
    kinds=st.sampled_from([(), ("lock",), ("unlock", "lock")]),
    directions=st.sampled_from([(), (Direction.LOOSENING,), (Direction.TIGHTENING, Direction.MIXED)]),
    environment=st.sampled_from(["", "demo", "live"]),
    requester_role=st.sampled_from(["", "support", "supervisor"]),
    from_items=st.integers(0, 5),
    from_items_24h=st.integers(0, 8),
    from_liquidations=st.integers(0, 2),
    stages=st.sampled_from([(), stages(1), stages(2), stages(1, 1), stages(1, role="supervisor"), stages(3)]),
    valid_hours=st.integers(1, 48),
)
FACTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["lock", "unlock"]),
        "environment": st.sampled_from(["demo", "live", None]),
        "direction": st.sampled_from([*Direction, None]),
        "requester_role": st.sampled_from(["support", "supervisor", ""]),
        "items": st.integers(1, 6),
        "items_24h": st.integers(1, 9),
        "liquidations": st.sampled_from([0, 1, 3, None]),
    }
)


def matches(rule: RuleDraft, facts: dict[str, Any]) -> bool:
    """Say what the SQL should: the same in other words."""

    def one_of(known: Any, allowed: Sequence[Any]) -> bool:
        return not allowed or known in {None, ""} or known in allowed

    def reaches(known: int | None, threshold: int) -> bool:
        return known is None or known >= threshold

    return all(
        (
            one_of(facts["kind"], rule.kinds),
            one_of(facts["direction"], rule.directions),
            one_of(facts["environment"], [rule.environment] if rule.environment else []),
            one_of(facts["requester_role"], [rule.requester_role] if rule.requester_role else []),
            reaches(facts["items"], rule.from_items),
            reaches(facts["items_24h"], rule.from_items_24h),
            reaches(facts["liquidations"], rule.from_liquidations),
        )
    )


class TestOfManyRules(TestCase):
    """Rules are written into a version that holds already: what is asked here is only which of them applies."""

    @given(rules=st.lists(RULES, max_size=6), facts=FACTS)
    def test_no_matching_rule_asks_for_more_than_what_is_needed(self, rules: list[RuleDraft], facts: dict[str, Any]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE approvals_policyrule DISABLE TRIGGER USER")
            version = PolicyVersion.objects.get(state="in_force")
            PolicyRule.objects.filter(version=version).delete()
            PolicyRule.objects.bulk_create(
                PolicyRule(version=version, position=place, **rule.columns()) for place, rule in enumerate(rules, start=1)
            )
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE approvals_policyrule ENABLE ALWAYS TRIGGER approvals_rule_guard")
        matching = [rule for rule in rules if matches(rule, facts)]
        if not matching:
            with pytest.raises(PolicyMissing):
                wanted(**facts)
            return

        found = wanted(**facts)

        assert len(found.rules) == len(matching)
        assert found.approvals == max(sum(stage.approvals for stage in rule.stages) for rule in matching)
        strictest = [rule for rule in matching if sum(stage.approvals for stage in rule.stages) == found.approvals]
        assert len(found.stages) == max(len(rule.stages) for rule in strictest)
        # A role is asked for wherever one of the strictest rules asks for one.
        alike = [rule for rule in strictest if len(rule.stages) == len(found.stages)]
        assert any(stage.role for stage in found.stages) == any(stage.role for rule in alike for stage in rule.stages)
        assert (found.stages, found.valid_for) in {(rule.stages, timedelta(hours=rule.valid_hours)) for rule in alike}


def test_more_accounts_may_need_more() -> None:
    put_policy_in_force(
        [RuleDraft(kinds=("lock",)), RuleDraft(kinds=("lock",), from_items=3, stages=TWO_SUPERVISORS, valid_hours=4)]
    )
    assert (wanted("lock", items=2).approvals, wanted("lock", items=2).valid_for) == (0, timedelta(hours=24))
    assert (wanted("lock", items=3).who, wanted("lock", items=3).valid_for) == ("2 supervisors", timedelta(hours=4))


def test_a_special_rule_can_not_loosen_a_general_one() -> None:
    put_policy_in_force(
        [RuleDraft(stages=SUPERVISOR), RuleDraft(kinds=("lock",)), RuleDraft(kinds=("unlock",), stages=stages(1))]
    )
    assert wanted("lock").who == wanted("unlock").who == "1 supervisor"


def test_two_stages_are_stricter_than_one_and_a_review_than_none() -> None:
    six_eyes = (Stage(approvals=1, role="supervisor"), Stage(approvals=1, role="administrator"))
    put_policy_in_force(
        [
            RuleDraft(kinds=("unlock",), stages=TWO_SUPERVISORS),
            RuleDraft(kinds=("unlock",), stages=six_eyes),
            RuleDraft(kinds=("lock",)),
            RuleDraft(kinds=("lock",), review_within_hours=48),
            RuleDraft(kinds=("lock",), review_within_hours=24),
        ]
    )
    assert wanted("unlock").who == "1 supervisor, then 1 administrator"
    assert (wanted("lock").approvals, wanted("lock").review_within) == (0, timedelta(hours=24))


@pytest.mark.parametrize(
    ("column", "fact", "below"),
    [
        ("from_money_usd", "money_usd", Decimal("99.99")),
        ("from_liquidations", "liquidations", 99),
        ("from_open_positions", "open_positions", 99),
        ("from_items_24h", "items_24h", 99),
    ],
)
def test_what_is_not_known_reaches_every_threshold(column: str, fact: str, below: Any) -> None:
    columns: dict[str, Any] = {column: 100}
    put_policy_in_force([RuleDraft(), RuleDraft(**columns, stages=SUPERVISOR)])
    known: list[dict[str, Any]] = [{fact: value} for value in (below, 100, None)]
    assert [wanted("lock", **each).approvals for each in known] == [0, 1, 1]


def test_what_goes_back_to_the_approvers_needs_one_at_least() -> None:
    put_policy_in_force([RuleDraft(kinds=("lock",)), RuleDraft(kinds=("unlock",), stages=TWO_SUPERVISORS)])
    assert (wanted("lock", at_least=1).who, wanted("unlock", at_least=1).who) == ("1 approver", "2 supervisors")


def test_the_message_says_what_is_not_covered() -> None:
    put_policy_in_force([RuleDraft(kinds=("unlock",), environment="demo"), RuleDraft(kinds=("lock",))])
    with pytest.raises(PolicyMissing, match=r"^No policy rule covers unlock on live for 3 targets\.$"):
        wanted("unlock", "live", items=3)


class TestSubmit:
    def test_without_a_rule_nothing_is_written(self, support: Staff) -> None:
        put_policy_in_force([])
        before = written()
        make_account(101)
        with pytest.raises(PolicyMissing):
            ask(support, "lock", 101)
        assert written() == before

    def test_only_what_would_be_sent_counts(self, support: Staff) -> None:
        add_rule(kinds=("lock",), from_items=3, stages=SUPERVISOR)
        make_accounts([1, 2])
        assert ask(support, "lock", 1, 2, 998, 999).approval.needed == 0
        make_accounts([3, 4, 5])
        assert ask(support, "lock", 3, 4, 5).approval.needed == 1

    def test_two_requests_within_24_hours_need_what_one_of_both_would(self, support: Staff, supervisor: Staff) -> None:
        add_rule(kinds=("lock",), from_items_24h=4, stages=SUPERVISOR)
        make_accounts(range(1, 7))
        assert ask(support, "lock", 1, 2).approval.needed == 0
        assert ask(supervisor, "lock", 3, 4).approval.needed == 0  # of another person
        assert ask(support, "lock", 5, 6).approval.needed == 1

    def test_a_later_version_does_not_touch_what_was_requested(self, support: Staff) -> None:
        make_account(101, "LockTradingImmediately")
        change = ask(support, "unlock", 101)
        put_policy_in_force([RuleDraft()])
        change.refresh_from_db()
        assert (change.state, change.approval.needed, change.approval.stages) == (
            "pending",
            1,
            [{"approvals": 1, "role": "supervisor"}],
        )
