"""The plan: exact before and after, every reason to leave a target alone, and the same few queries for any number."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Finding, Planned, Skip
from accounts.changes.kinds.stored import Difference
from accounts.changes.models import Item
from accounts.changes.plan import moved_since
from accounts.changes.states import ItemState
from accounts.models import Account, AutoLiqLimits, Position, RiskStatus
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import AdminAction, Environment, Lane
from tests.changes.kinds import load, moments
from tests.changes.world import (
    ACTED_AT,
    CLOSING_ONLY,
    LIQUIDATED,
    LOCKED,
    NORMAL,
    hold_position,
    make_account,
    make_accounts,
    make_stale,
    never_unlock,
    open_item,
    planned,
    set_status,
)

pytestmark = pytest.mark.django_db

ADMIN_ACTIONS = ("lock", "liquidate_only", "unlock")
"""The kinds that the accounts made here are planned for; the others have files of their own."""


class TestBeforeAndAfter:
    def test_a_lock_of_a_plain_account(self) -> None:
        account = make_account(101)

        (row,) = planned("lock", 101).rows

        assert (row.target, row.target_id, row.account, row.name) == ("demo:account:101", 101, account, "KTR50K-000101")
        assert row.before == {"admin_action": NORMAL, "admin_at": None, "stopped_by_limit": False}
        assert row.after == {"admin_action": LOCKED}
        assert (row.skip_reason, row.warnings, row.is_sent) == ("", (), True)

    def test_an_account_without_any_admin_action_is_active(self) -> None:
        make_account(101, "")
        (row,) = planned("lock", 101).rows
        assert row.before == {"admin_action": NORMAL, "admin_at": None, "stopped_by_limit": False}

    def test_the_time_and_the_stop_of_a_limit_are_part_of_it(self) -> None:
        make_account(101, LOCKED, admin_at=ACTED_AT, stopped_at=ACTED_AT)
        (row,) = planned("unlock", 101).rows
        assert row.before == {
            "admin_action": LOCKED,
            "admin_at": "2026-11-20T15:04:05.678000+00:00",
            "stopped_by_limit": True,
        }

    @pytest.mark.parametrize(
        ("held", "warning"),
        [
            ((0,), ()),
            ((2,), ("1 open position: they stay open, and the trader can't close them.",)),
            ((2, 0, -1), ("2 open positions: they stay open, and the trader can't close them.",)),
        ],
    )
    def test_open_positions_are_shown(self, held: tuple[int, ...], warning: tuple[str, ...]) -> None:
        account = make_account(101)
        for number, net_pos in enumerate(held):
            hold_position(account, net_pos, number)
        assert planned("lock", 101).rows[0].warnings == warning

    def test_a_limit_that_does_not_unlock_by_itself_is_shown(self) -> None:
        account = make_account(101, NORMAL, stopped_at=ACTED_AT)
        assert planned("unlock", 101).rows[0].warnings[1:] == ()  # the first says who stopped it
        never_unlock(account)
        assert planned("unlock", 101).rows[0].warnings[1:] == (
            "A limit stopped it and is set not to unlock by itself: the trader trades again in the same session.",
        )

    def test_calls_and_age(self) -> None:
        oldest = timezone.now() - timedelta(minutes=7)
        make_account(101)
        make_account(102, fresh_at=oldest)
        make_account(103, LOCKED, fresh_at=oldest - timedelta(minutes=1))
        found = planned("lock", 101, 102, 103, 999)
        assert ([row.target_id for row in found.sent], [row.target_id for row in found.skipped]) == ([101, 102], [103, 999])
        assert found.calls_needed == 2
        assert found.oldest_read_at == oldest - timedelta(minutes=1)
        assert planned("lock", 999).oldest_read_at is None


SKIPS = {
    "locked already": ("lock", {"admin_action": LOCKED}, "Already locked"),
    "closing only already": ("liquidate_only", {"admin_action": CLOSING_ONLY}, "Already allows closing orders only"),
    "nothing to unlock": ("unlock", {"admin_action": NORMAL}, "Not locked"),
    "nothing to unlock, never acted on": ("unlock", {"admin_action": ""}, "Not locked"),
    "closing only would loosen a lock": (
        "liquidate_only",
        {"admin_action": LOCKED},
        "Locked: closing orders would be allowed again. Ask to unlock it first",
    ),
    "closing only would loosen a liquidation": (
        "liquidate_only",
        {"admin_action": LIQUIDATED},
        "Locked: closing orders would be allowed again. Ask to unlock it first",
    ),
    "missing, which is archived too": (
        "lock",
        {"archived": True, "missing_since": ACTED_AT},
        "Gone: Tradovate no longer lists it",
    ),
    "archived": ("lock", {"archived": True}, "Archived: Tradovate would accept the call and do nothing"),
    "closed, which is archived too": (
        "lock",
        {"archived": True, "closed": True},
        "Closed: Tradovate would accept the call and do nothing",
    ),
    "never read": ("lock", {"admin_action": None}, "Its risk status was never read; read the account first"),
}


@pytest.mark.parametrize("case", SKIPS)
def test_it_skips(case: str) -> None:
    kind_name, columns, reason = SKIPS[case]
    make_account(101, **columns)  # type: ignore[arg-type]  # the cases' columns
    (row,) = planned(kind_name, 101).rows
    assert (row.skip_reason, row.after, row.warnings, row.is_sent) == (reason, None, (), False)


def test_it_skips_what_the_mirror_does_not_know() -> None:
    (row,) = planned("lock", 999).rows
    assert row.skip_reason == "Unknown: no such account was read from Tradovate"
    assert (row.account, row.name, row.before, row.target) == (None, "999", None, "demo:account:999")


def test_it_skips_everything_on_live() -> None:
    make_account(101, environment="live")
    for kind_name in ADMIN_ACTIONS:
        (row,) = planned(kind_name, 101, environment=Environment.LIVE).rows
        assert row.skip_reason == "Tradovate takes this on demo only; the account is on live"


def test_the_same_number_in_the_other_environment_is_another_account() -> None:
    make_account(101, environment="live")
    (row,) = planned("lock", 101).rows
    assert row.skip_reason == "Unknown: no such account was read from Tradovate"


def test_targets_keep_their_order_and_come_once() -> None:
    make_accounts([1, 2, 3])
    assert [row.target_id for row in planned("lock", 3, 1, 3, 2, 1).rows] == [3, 1, 2]
    assert planned("lock").rows == ()


class TestPending:
    """What stands in the way of a new change of the same account, and what must not."""

    @pytest.mark.parametrize("kind_name", ["lock", "liquidate_only"])
    @pytest.mark.parametrize(
        ("state", "lane", "blocks"),
        [
            (ItemState.QUEUED, Lane.URGENT, True),
            (ItemState.SENDING, Lane.URGENT, True),
            (ItemState.SENT, Lane.URGENT, True),
            (ItemState.SENDING, Lane.BULK, True),
            (ItemState.SENT, Lane.BULK, True),
            # In the bulk lane its turn may come in two hours; no one may have decided; no one may ever know.
            (ItemState.QUEUED, Lane.BULK, False),
            (ItemState.WAITING, Lane.URGENT, False),
            (ItemState.UNKNOWN, Lane.URGENT, False),
        ],
    )
    def test_a_protective_kind_waits_only_for_itself(
        self, support: Staff, kind_name: str, state: ItemState, lane: Lane, *, blocks: bool
    ) -> None:
        account = make_account(101)
        item = open_item(support, account, kind_name, state, lane=lane)
        (row,) = planned(kind_name, 101).rows
        reason = f"Change {item.change_id} is already on its way for this account" if blocks else ""
        assert row.skip_reason == reason

    @pytest.mark.parametrize("state", [state for state in ItemState if state in {"waiting", "queued", "sent", "unknown"}])
    @pytest.mark.parametrize("other", ["liquidate_only", "unlock"])
    def test_nothing_of_another_kind_holds_up_a_lock(self, support: Staff, other: str, state: ItemState) -> None:
        open_item(support, make_account(101), other, state)
        assert planned("lock", 101).rows[0].is_sent

    @pytest.mark.parametrize("state", ["waiting", "queued", "sending", "sent", "unknown"])
    def test_an_unlock_waits_for_everything(self, subtests: pytest.Subtests, support: Staff, state: str) -> None:
        for number, other in enumerate(KINDS, start=101):
            with subtests.test(other):
                item = open_item(support, make_account(number, LOCKED), other, ItemState(state))
                (row,) = planned("unlock", number).rows
                assert row.skip_reason == f"Change {item.change_id} is already on its way for this account"

    def test_the_first_of_several_is_named(self, support: Staff) -> None:
        account = make_account(101, LOCKED)
        first = open_item(support, account, "lock", ItemState.WAITING)
        open_item(support, account, "unlock", ItemState.WAITING)
        assert str(first.change_id) in planned("unlock", 101).rows[0].skip_reason

    @pytest.mark.parametrize("state", ["applied", "unchanged", "rejected", "skipped", "cancelled"])
    def test_finished_items_block_nothing(self, support: Staff, state: str) -> None:
        open_item(support, make_account(101, LOCKED), "lock", ItemState(state))
        assert planned("unlock", 101).rows[0].is_sent

    def test_another_environments_item_is_no_item_of_this_account(self, support: Staff) -> None:
        open_item(support, make_account(101, environment="live"), "lock", ItemState.SENT)
        make_account(101)
        assert planned("lock", 101).rows[0].is_sent

    def test_a_lock_is_sent_again_while_an_unlock_is_in_flight(self, support: Staff) -> None:
        account = make_account(101, LOCKED)
        open_item(support, account, "unlock", ItemState.QUEUED)
        (row,) = planned("lock", 101).rows
        assert (row.before, row.after) == (
            {"admin_action": LOCKED, "admin_at": None, "stopped_by_limit": False},
            {"admin_action": LOCKED},
        )

    def test_closing_only_never_loosens_a_lock_while_another_change_is_in_flight(self, support: Staff) -> None:
        open_item(support, make_account(101, LOCKED), "unlock", ItemState.QUEUED)
        assert planned("liquidate_only", 101).rows[0].skip_reason == (
            "Locked: closing orders would be allowed again. Ask to unlock it first"
        )


class TestDigest:
    def test_it_is_that_of_the_content(self) -> None:
        make_accounts([1, 2])
        assert planned("lock", 1, 2).digest == planned("lock", 1, 2).digest
        digests = [
            planned("lock", 1, 2).digest,
            planned("lock", 2, 1).digest,
            planned("lock", 1).digest,
            planned("liquidate_only", 1, 2).digest,
            planned("lock", 1, 2, environment=Environment.LIVE).digest,
        ]
        assert len(set(digests)) == 5
        assert all(len(digest) == 64 for digest in digests)

    @pytest.mark.parametrize(
        "columns",
        [{"admin_action": CLOSING_ONLY}, {"admin_at": ACTED_AT}, {"liquidate_only_at": ACTED_AT}],
    )
    def test_it_moves_with_the_mirror(self, columns: dict[str, object]) -> None:
        account = make_account(101)
        before = planned("lock", 101).digest
        set_status(account, **columns)
        assert planned("lock", 101).digest != before

    def test_it_stays_where_only_age_and_positions_move(self) -> None:
        account = make_account(101)
        before = planned("lock", 101).digest
        make_stale(account)
        hold_position(account, 3)
        assert planned("lock", 101).digest == before

    def test_a_pending_change_moves_it(self, support: Staff) -> None:
        account = make_account(101, LOCKED)
        before = planned("unlock", 101).digest
        open_item(support, account, "unlock", ItemState.WAITING)
        assert planned("unlock", 101).digest != before


@pytest.mark.parametrize("count", [5, 150])
def test_it_costs_the_same_for_any_number(
    support: Staff, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    numbers = range(1, count + 1)
    make_accounts(numbers)
    # Accounts with status, positions, what can't be read of them, open items, planned ends of locks.
    with django_assert_num_queries(5):
        found = planned("lock", *numbers)
        assert len(found.sent) == count
        assert found.digest
        assert found.oldest_read_at


def moved(*items: Item) -> list[tuple[Item, dict[str, Any] | None]]:
    """What moved of demo accounts that are to be unlocked."""
    kind = KINDS["unlock"]
    return moved_since(kind, items, kind.subjects(Environment.DEMO, [item.target_id for item in items]))


class TestMoved:
    def test_where_nothing_moved(self, support: Staff) -> None:
        item = open_item(support, make_account(101), "unlock", ItemState.WAITING)
        assert moved(item) == []

    @pytest.mark.parametrize(
        ("columns", "now"),
        [
            ({"admin_action": LOCKED}, {"admin_action": LOCKED, "admin_at": None, "stopped_by_limit": False}),
            (
                {"admin_at": ACTED_AT},
                {"admin_action": NORMAL, "admin_at": "2026-11-20T15:04:05.678000+00:00", "stopped_by_limit": False},
            ),
            ({"liquidate_only_at": ACTED_AT}, {"admin_action": NORMAL, "admin_at": None, "stopped_by_limit": True}),
        ],
    )
    def test_changed_targets_are_shown(self, support: Staff, columns: dict[str, object], now: dict[str, object]) -> None:
        account = make_account(101)
        item = open_item(support, account, "unlock", ItemState.WAITING)
        set_status(account, **columns)
        assert moved(item) == [(item, now)]

    @pytest.mark.parametrize("columns", [{"archived": True}, {"archived": True, "closed": True}])
    def test_missing_targets_are_shown(self, support: Staff, columns: dict[str, bool]) -> None:
        account = make_account(101)
        item = open_item(support, account, "unlock", ItemState.WAITING)
        Account.objects.filter(pk=account.pk).update(**columns)
        assert moved(item) == [(item, None)]

    def test_what_has_no_status_any_more_is_shown(self, support: Staff) -> None:
        account = make_account(101)
        item = open_item(support, account, "unlock", ItemState.WAITING)
        RiskStatus.objects.filter(account=account).delete()
        assert moved(item) == [(item, None)]

    @pytest.mark.parametrize("count", [1, 20])
    def test_it_costs_the_same_for_any_number(
        self, support: Staff, django_assert_num_queries: DjangoAssertNumQueries, count: int
    ) -> None:
        items: list[Item] = [
            open_item(support, make_account(number), "unlock", ItemState.WAITING) for number in range(1, count + 1)
        ]
        with django_assert_num_queries(3):
            assert moved(*items) == []


# --- Whatever the mirror says -------------------------------------------------------------------------------------------

TIMES = st.none() | moments()
ACTIONS = st.sampled_from([*(action.value for action in AdminAction), "", "SomethingNew"])


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """An open account as `Kind.mirrored` loads it, in any state Tradovate could tell, unsaved."""
    account = Account(pk=1, environment="demo", tradovate_id=1, name="KTR50K-000001")
    account.risk_status = RiskStatus(admin_action=draw(ACTIONS), admin_at=draw(TIMES), liquidate_only_at=draw(TIMES))
    net = draw(st.lists(st.integers(-3, 3).filter(bool), max_size=3))
    firm = draw(st.lists(st.none() | st.booleans(), max_size=1))
    load(
        account,
        held=[Position(net_pos=net_pos) for net_pos in net],
        firm_limits=[AutoLiqLimits(do_not_unlock=each) for each in firm],
    )
    return account


@given(account=accounts(), contested=st.booleans(), kind_name=st.sampled_from(ADMIN_ACTIONS))
def test_every_state_of_an_account_can_be_planned(account: Account, kind_name: str, *, contested: bool) -> None:
    kind = KINDS[kind_name]
    outcome = kind.plan(account, parameters={}, contested=contested)
    if isinstance(outcome, Skip):
        assert outcome.reason
        assert outcome.before == kind.state(account)
        return
    assert isinstance(outcome, Planned)
    assert outcome.before == kind.state(account)
    (difference,) = kind.differences(outcome.before, outcome.after)
    assert difference.before
    assert difference.after
    # A protective kind never loosens, an unlock never tightens.
    assert difference.direction in ({"", "tighter"} if kind.is_protective else {"", "looser"})


@given(shown=accounts(), found=accounts(), kind_name=st.sampled_from(ADMIN_ACTIONS))
def test_every_read_back_can_be_interpreted(shown: Account, found: Account, kind_name: str) -> None:
    kind = KINDS[kind_name]
    before, observed = kind.state(shown), kind.state(found)
    finding = kind.interpret_read_back(before=before, after={}, observed=observed, step=0)
    assert isinstance(finding, Finding)
    # Where nothing moved, the call did nothing; where it says that the call worked, the account stands as was meant.
    if before == observed:
        assert finding in {Finding.UNCHANGED, Finding.NOT_APPLIED}
    intended = kind.plan(shown, parameters={}, contested=True)
    if finding in {Finding.APPLIED, Finding.UNCHANGED} and isinstance(intended, Planned):
        assert intended.after.items() <= observed.items()
    assert all(isinstance(each, Difference) for each in kind.differences(before, observed))


@pytest.mark.parametrize("kind", ["lock", "liquidate_only", "unlock"])
def test_nothing_is_tighter_or_looser_than_an_unknown_admin_action(kind: str) -> None:
    was = {"admin_action": "FreezeForAudit", "admin_at": None, "stopped_by_limit": False}
    becomes = {"admin_action": KINDS[kind].action}  # type: ignore[attr-defined]  # these three set one
    (difference,) = KINDS[kind].differences(was, becomes)
    assert difference.direction == ""
