"""Reading a few accounts on demand: few calls, exact rows, and what was known stays when Tradovate doesn't answer."""

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import Account, AutoLiqLimits, RiskParameter, RiskStatus, Source, Trader, UnreadableRecord
from accounts.models.api import IdProof
from accounts.sync.actions import Part, refresh, refresh_traders, sync
from riskadmin.tradovate.errors import OutcomeUnknown
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.simulator.driver import Simulator

EVERYTHING = frozenset(Part)


@pytest.fixture
def account(simulator: Simulator) -> Account:
    """An open account of a mirror that is filled."""
    sync(Environment.DEMO)
    simulator.reset_counters()
    return Account.objects.filter(archived=False, risk_status__admin_action="Normal", positions=None)[0]


def test_the_status_alone_is_one_call(simulator: Simulator, account: Account) -> None:
    simulator.patch("accountRiskStatus", account.tradovate_id, adminAction="LockTradingImmediately")

    calls = refresh(Environment.DEMO, [account.tradovate_id], lane=Lane.URGENT)

    status = RiskStatus.objects.get(account=account)
    assert (status.admin_action, status.source) == ("LockTradingImmediately", Source.REFRESH)
    assert calls == 1
    assert simulator.call_count("/accountRiskStatus/items") == 1
    simulator.patch("accountRiskStatus", account.tradovate_id, adminAction="Normal")


def test_every_part_of_two_accounts_is_nine_calls(simulator: Simulator, account: Account) -> None:
    others = (each for each in simulator.account_ids() if each != account.tradovate_id)
    limited = next(each for each in others if simulator.account(each)["userAccountRiskParameters"])
    other = Account.objects.get(tradovate_id=limited, environment="demo")
    simulator.open_position(account.tradovate_id, 3)

    calls = refresh(Environment.DEMO, [account.tradovate_id, other.tradovate_id], lane=Lane.BULK, parts=EVERYTHING)

    assert calls == 9
    (parameter, *_) = simulator.account(limited)["userAccountRiskParameters"]
    row = RiskParameter.objects.get(position_limit__account=other)
    assert (row.position_limit.tradovate_id, row.tradovate_id) == (parameter["userAccountPositionLimitId"], parameter["id"])
    assert (row.max_opening_order_qty, row.hard_limit) == (parameter["maxOpeningOrderQty"], True)
    assert {each.description for each in other.position_limits.filter(total_by="Overall")} == {"All contracts"}
    assert [position.net_pos for position in account.positions.all()] == [3]
    account.refresh_from_db()
    for mirrored in (account.cash, *account.limits.all(), *account.positions.all()):
        assert mirrored.source == Source.REFRESH
    untouched = RiskStatus.objects.exclude(account__in=[account, other])
    assert not untouched.filter(source=Source.REFRESH).exists()


def test_no_account_is_no_call(simulator: Simulator, account: Account) -> None:
    assert refresh(Environment.DEMO, [], lane=Lane.BULK, parts=EVERYTHING) == 0
    assert refresh(Environment.DEMO, [1], lane=Lane.BULK) == 0  # which the mirror doesn't know

    assert simulator.calls() == []


def test_of_many_accounts_whole_lists_are_read(simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ids = list(Account.objects.filter(archived=False).values_list("tradovate_id", flat=True))
    monkeypatch.setattr("accounts.sync.complete.ASKED_BY_ID", len(open_ids) - 1)
    monkeypatch.setattr("accounts.sync.reads.ASKED_BY_ID", len(open_ids) - 1)
    simulator.patch("accountRiskStatus", account.tradovate_id, adminAction="LockTradingImmediately")
    asked = frozenset({Part.ACCOUNT, Part.CASH, Part.POSITIONS, Part.LIMITS})

    calls = refresh(Environment.DEMO, open_ids, lane=Lane.BULK, parts=asked)

    lists = ("riskCategory", "account", "accountRiskStatus", "position", "cashBalance", "userAccountAutoLiq")
    assert [simulator.call_count(f"/{each}/list") for each in lists] == [1] * len(lists)
    assert simulator.call_count("/accountRiskStatus/items") == 0
    assert RiskStatus.objects.get(account=account).admin_action == "LockTradingImmediately"
    assert RiskStatus.objects.filter(source=Source.REFRESH).count() == len(open_ids)
    assert not Account.objects.filter(archived=False).exclude(source=Source.REFRESH).exists()
    assert calls == len(simulator.calls())
    simulator.patch("accountRiskStatus", account.tradovate_id, adminAction="Normal")


def test_a_position_that_the_mirror_has_and_a_cut_list_hides_is_not_taken_away(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a preview of many accounts would say that nothing of it would be liquidated."""
    open_ids = list(Account.objects.filter(archived=False).values_list("tradovate_id", flat=True))
    monkeypatch.setattr("accounts.sync.complete.ASKED_BY_ID", len(open_ids) - 1)
    monkeypatch.setattr("accounts.sync.reads.ASKED_BY_ID", len(open_ids) - 1)
    monkeypatch.setattr("accounts.sync.complete._chosen", lambda *args: args[3] or open_ids[:1])  # a sample that shows nothing
    simulator.open_position(account.tradovate_id, 3)
    listed = simulator.call("GET", "/position/list", token=simulator.token()).json()
    shown = [each for each in listed if each["accountId"] != account.tradovate_id]
    simulator.fault("answer", endpoint="/position/list", body=shown)
    refresh(Environment.DEMO, [account.tradovate_id], lane=Lane.BULK, parts=frozenset({Part.POSITIONS}))

    refresh(Environment.DEMO, open_ids, lane=Lane.BULK, parts=frozenset({Part.POSITIONS}))

    assert [position.net_pos for position in account.positions.all()] == [3]


# --- Rows that the mirror has and an answer lacks -----------------------------------------------------------------------

POSITIONS = frozenset({Part.POSITIONS})


@pytest.fixture
def held(simulator: Simulator, account: Account) -> int:
    """The number of a position of `account` that the mirror has."""
    simulator.open_position(account.tradovate_id, 3)
    refresh(Environment.DEMO, [account.tradovate_id], lane=Lane.BULK, parts=POSITIONS)
    simulator.reset_counters()
    return account.positions.get().tradovate_id


def test_a_position_that_an_answer_leaves_out_is_requested_by_its_own_id_and_kept(
    simulator: Simulator, account: Account, held: int
) -> None:
    simulator.fault("omit", entity="position", ids=[held])

    calls = refresh(Environment.DEMO, [account.tradovate_id], lane=Lane.BULK, parts=POSITIONS)

    assert [each.net_pos for each in account.positions.all()] == [3]
    assert simulator.call_count("/position/item") == 1
    assert calls == len(simulator.calls())


def test_a_position_that_its_own_id_draws_a_404_for_is_gone(simulator: Simulator, account: Account, held: int) -> None:
    simulator.fault("omit", entity="position", ids=[held])
    simulator.fault("answer", endpoint="/position/item", status=404, body="Not found")

    refresh(Environment.DEMO, [account.tradovate_id], lane=Lane.BULK, parts=POSITIONS)

    assert not account.positions.exists()


@pytest.mark.parametrize(
    ("answer", "unreadable"),
    [
        ({"status": 500, "body": "Oops"}, False),
        ({"status": 400, "body": "No"}, False),
        ({"body": []}, False),
        ({"body": {"id": 1, "accountId": 1, "contractId": 1, "netPos": 0}}, False),  # another one
        ({"body": {"netPos": "three"}}, True),
    ],
    ids=["500", "400", "no object", "another", "unreadable"],
)
def test_any_other_answer_about_a_position_proves_nothing(
    simulator: Simulator, account: Account, held: int, answer: dict[str, Any], *, unreadable: bool
) -> None:
    account.refresh_from_db()
    read_at = account.positions_read_at
    simulator.fault("omit", entity="position", ids=[held])
    simulator.fault("answer", endpoint="/position/item", **answer)

    refresh(Environment.DEMO, [account.tradovate_id], lane=Lane.BULK, parts=POSITIONS)

    account.refresh_from_db()
    assert [each.net_pos for each in account.positions.all()] == [3]
    assert account.positions_read_at == read_at
    records = UnreadableRecord.objects.filter(account=account, entity="position")
    assert list(records.values_list("tradovate_id", flat=True)) == ([held] if unreadable else [])


# --- Records that name no account, where few accounts have one ----------------------------------------------------------

TRADER_LIMITS = "permissionedAccountAutoLiq"


def only(simulator: Simulator, *holders: int) -> None:
    """Have no one else have trader-level limits, and nothing known of their ids."""
    everybody = Account.objects.order_by("tradovate_id")
    without = everybody.exclude(tradovate_id__in=holders).values_list("tradovate_id", flat=True)
    simulator.fault("omit", entity=TRADER_LIMITS, account_ids=list(without))
    IdProof.objects.filter(entity=TRADER_LIMITS).delete()
    AutoLiqLimits.objects.filter(level="trader").delete()
    simulator.reset_counters()


def open_accounts() -> list[int]:
    return list(Account.objects.filter(archived=False).order_by("tradovate_id").values_list("tradovate_id", flat=True))


def mirrored_holders() -> set[int]:
    return set(AutoLiqLimits.objects.filter(level="trader").values_list("account__tradovate_id", flat=True))


def test_where_no_account_has_a_record_they_are_read_in_batches(simulator: Simulator, account: Account) -> None:
    open_ids = open_accounts()
    only(simulator)

    refresh(Environment.DEMO, open_ids, lane=Lane.BULK, parts=frozenset({Part.LIMITS}))

    assert simulator.call_count(f"/{TRADER_LIMITS}/ldeps") <= 8  # six accounts, and all of them twice
    assert not IdProof.objects.filter(entity=TRADER_LIMITS).exists()
    assert not mirrored_holders()


def test_where_few_accounts_have_a_record_the_ids_that_came_are_compared(simulator: Simulator, account: Account) -> None:
    open_ids = open_accounts()
    holders = set(open_ids[-3:])
    only(simulator, *holders)

    calls = refresh(Environment.DEMO, open_ids, lane=Lane.BULK, parts=frozenset({Part.LIMITS}))

    assert mirrored_holders() == holders
    assert IdProof.objects.get(entity=TRADER_LIMITS).matches
    assert simulator.call_count(f"/{TRADER_LIMITS}/ldeps") <= 10  # six accounts, all of them, two that came, and the rest again
    assert calls == len(simulator.calls())


@pytest.fixture
def other_ids(simulator: Simulator, account: Account) -> Iterator[Simulator]:
    """A Tradovate whose risk statuses and limits turn out to have ids of their own."""
    simulator.set(extension_id_offset=50_000_000)
    yield simulator
    simulator.set(extension_id_offset=0)


def test_where_few_accounts_have_a_record_with_an_id_of_its_own_that_is_found_out(
    other_ids: Simulator, account: Account
) -> None:
    open_ids = open_accounts()
    holder = open_ids[40]
    only(other_ids, holder)
    IdProof.objects.all().delete()

    calls = refresh(Environment.DEMO, open_ids, lane=Lane.BULK, parts=frozenset({Part.LIMITS}))

    proof = IdProof.objects.get(entity=TRADER_LIMITS)
    assert (proof.matches, proof.account_id, proof.record_id) == (False, holder, holder + 50_000_000)
    assert mirrored_holders() == {holder}
    assert calls == len(other_ids.calls())


@pytest.mark.parametrize("offset", [0, 50_000_000])
def test_a_full_read_of_limits_that_few_accounts_have_relies_on_ids_only_where_they_are_the_accounts(
    simulator: Simulator, account: Account, offset: int
) -> None:
    open_ids = open_accounts()
    holders = set(open_ids[-3:])
    only(simulator, *holders)
    simulator.set(extension_id_offset=offset)
    try:
        run = sync(Environment.DEMO)
    finally:
        simulator.set(extension_id_offset=0)

    assert run is not None
    assert run.failure == ""
    assert run.calls == len([each for each in simulator.calls() if not each["endpoint"].startswith("/auth/")])
    assert mirrored_holders() == (set() if offset else holders)
    assert IdProof.objects.get(entity=TRADER_LIMITS).matches == (not offset)


def test_traders_are_read_by_their_ids(simulator: Simulator, account: Account) -> None:
    trader = Trader.objects.order_by("pk")[0]
    assert refresh_traders(Environment.DEMO, [trader.tradovate_id], lane=Lane.URGENT) == 1
    assert list(Trader.objects.filter(source=Source.REFRESH)) == [trader]
    assert simulator.call_count("/user/items") == 1


def test_a_failed_call_changes_nothing(simulator: Simulator, account: Account) -> None:
    before = RiskStatus.objects.get(account=account).fresh_at
    simulator.fault("500", endpoint="/accountriskstatus/items")

    with pytest.raises(OutcomeUnknown):
        refresh(Environment.DEMO, [account.tradovate_id], lane=Lane.BULK)

    assert RiskStatus.objects.get(account=account).fresh_at == before
