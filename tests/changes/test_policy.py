"""Policy: of the rules that match the strictest one decides, and without a rule no one may do anything."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.models import PolicyRule
from accounts.changes.policy import PolicyMissing, Requirement, requirement
from riskadmin.staff.models import Staff
from tests.changes.world import ask, make_account, make_accounts, written


def rule(
    kind: str = "", environment: str = "", *, at_least: int = 1, needed: int = 0, role: str = "", hours: int = 24
) -> PolicyRule:
    """A rule, unsaved."""
    return PolicyRule(
        kind=kind,
        environment=environment,
        at_least_items=at_least,
        decisions_needed=needed,
        decider_role=role,
        expires_after_hours=hours,
    )


RULES = st.builds(
    rule,
    kind=st.sampled_from(["", "lock", "unlock"]),
    environment=st.sampled_from(["", "demo", "live"]),
    at_least=st.integers(1, 5),
    needed=st.integers(0, 3),
    role=st.sampled_from(["", "supervisor"]),
    hours=st.integers(0, 48),
)


@given(
    rules=st.lists(RULES, max_size=8),
    kind=st.sampled_from(["lock", "unlock"]),
    environment=st.sampled_from(["demo", "live"]),
    items=st.integers(1, 6),
)
def test_no_matching_rule_asks_for_more_than_what_is_required(
    rules: list[PolicyRule], kind: str, environment: str, items: int
) -> None:
    matching = [
        each
        for each in rules
        if each.kind in ("", kind) and each.environment in ("", environment) and each.at_least_items <= items
    ]
    if not matching:
        with pytest.raises(PolicyMissing):
            requirement(rules, kind=kind, environment=environment, items=items)
        return

    found = requirement(rules, kind=kind, environment=environment, items=items)

    assert found.decisions_needed == max(each.decisions_needed for each in matching)
    strictest = [each for each in matching if each.decisions_needed == found.decisions_needed]
    # A role is asked for wherever one of the strictest rules asks for one.
    assert bool(found.decider_role) == any(each.decider_role for each in strictest)
    assert (found.decider_role, found.expires_after) in {
        (each.decider_role, timedelta(hours=each.expires_after_hours)) for each in strictest
    }
    # The order in which the rules are read alters nothing.
    assert requirement(reversed(rules), kind=kind, environment=environment, items=items).decisions_needed == (
        found.decisions_needed
    )


def test_more_accounts_may_need_more() -> None:
    rules = [rule("lock"), rule("lock", at_least=3, needed=2, role="supervisor", hours=4)]
    assert requirement(rules, kind="lock", environment="demo", items=2) == Requirement(
        decisions_needed=0, decider_role="", expires_after=timedelta(hours=24)
    )
    assert requirement(rules, kind="lock", environment="demo", items=3) == Requirement(
        decisions_needed=2, decider_role="supervisor", expires_after=timedelta(hours=4)
    )


def test_a_special_rule_can_not_loosen_a_general_one() -> None:
    rules = [rule(needed=1, role="supervisor"), rule("lock", "demo", needed=0)]
    assert requirement(rules, kind="lock", environment="demo", items=1).decisions_needed == 1
    rules = [rule(needed=1, role="supervisor"), rule("unlock", "demo", needed=1)]
    assert requirement(rules, kind="unlock", environment="demo", items=1).decider_role == "supervisor"


def test_the_message_says_what_is_not_covered() -> None:
    with pytest.raises(PolicyMissing, match=r"^No policy rule covers unlock on live for 3 targets\.$"):
        requirement([rule("unlock", "demo"), rule("lock")], kind="unlock", environment="live", items=3)


@pytest.mark.django_db
class TestSubmit:
    def test_without_a_rule_nothing_is_written(self, support: Staff) -> None:
        PolicyRule.objects.filter(kind="lock").delete()
        make_account(101)
        with pytest.raises(PolicyMissing):
            ask(support, "lock", 101)
        assert written() == (0, 0, 0, 0)

    def test_only_what_would_be_sent_counts(self, support: Staff) -> None:
        PolicyRule.objects.create(kind="lock", at_least_items=3, decisions_needed=1, decider_role="supervisor")
        make_accounts([1, 2])
        assert ask(support, "lock", 1, 2, 998, 999).decisions_needed == 0
        make_accounts([3, 4, 5])
        assert ask(support, "lock", 3, 4, 5).decisions_needed == 1

    def test_a_later_edit_does_not_touch_what_was_requested(self, support: Staff) -> None:
        make_account(101, "LockTradingImmediately")
        change = ask(support, "unlock", 101)
        PolicyRule.objects.update(decisions_needed=0, decider_role="")
        change.refresh_from_db()
        assert (change.state, change.decisions_needed, change.decider_role) == ("pending", 1, "supervisor")
