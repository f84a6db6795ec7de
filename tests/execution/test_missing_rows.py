"""Rows that answers leave out, or that can't be read and name no one: outcomes stay true, and the mirror keeps what is there."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.execution.models import CallItem
from accounts.models import Account, AutoLiqLimits, MirrorMove, PositionLimit, RiskParameter, RiskStatus
from accounts.models.api import IdProof
from accounts.outside.attribute import attribute_moves
from accounts.sync.actions import Part, refresh, sync
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.world import ask
from tests.execution.pre_trade import LIMIT, PARAMETER, Limited, approved, make_limited
from tests.execution.worker import ORIGIN, active_account, later, reconciled, run, send_item, the_item
from tests.simulator.driver import CREATE_POSITION_LIMIT, DELETE_POSITION_LIMIT, Simulator

ENTITY = "userAccountPositionLimit"
NEW = {"action": "create", "total_by": "Overall", "long_limit": 11}


@pytest.fixture
def limited(mirror: Simulator) -> Limited:
    return make_limited(mirror)


def new_limit(limited: Limited) -> int:
    """The number of the position limit that `NEW` has made; other tests may have made one like it before."""
    return max(number for number, each in limited.position_limits().items() if each.get("longLimit") == NEW["long_limit"])


def refused(item: Item, limited: Limited, endpoint: str, **fields: Any) -> None:
    """Send an item, whose call Tradovate refuses."""
    limited.simulator.fault("errorText", endpoint=endpoint, text="Busy", count=1, **fields)
    send_item(item.pk, origin=ORIGIN)


def read_back(item: Item) -> Item:
    """Let so much time pass that whatever is read back has been; what the mirror has is from before the call, and older too."""
    long_ago = timezone.now() - timedelta(minutes=10)
    Account.objects.update(position_limits_read_at=long_ago, risk_parameters_read_at=long_ago)
    return reconciled(item)


UNIDENTIFIED_ROWS = pytest.mark.parametrize(
    "odd", [{"row": None}, {"without": ["accountId"]}], ids=["null", "without its account"]
)


@UNIDENTIFIED_ROWS
def test_an_addition_that_was_refused_but_made_is_not_rejected_by_a_row_that_names_no_account(
    limited: Limited, support: Staff, supervisor: Staff, odd: dict[str, Any]
) -> None:
    item = approved(support, supervisor, "position_limit", limited.account_id, **NEW)
    refused(item, limited, CREATE_POSITION_LIMIT, when="after")
    limited.simulator.fault("odd", entity=ENTITY, ids=[new_limit(limited)], **odd)

    item = read_back(item)

    assert item.state == ItemState.UNKNOWN
    assert "Tradovate sent something unreadable" in item.note
    limited.simulator.clear_faults()


@UNIDENTIFIED_ROWS
def test_a_refused_removal_is_not_proven_by_a_row_that_names_no_account(
    limited: Limited, support: Staff, supervisor: Staff, odd: dict[str, Any]
) -> None:
    item = approved(support, supervisor, "position_limit", limited.account_id, action="delete", limit=limited.limit)
    refused(item, limited, DELETE_POSITION_LIMIT)
    limited.simulator.fault("odd", entity=ENTITY, ids=[limited.limit], **odd)

    item = read_back(item)

    assert limited.limit in limited.position_limits()
    assert item.state == ItemState.UNKNOWN


def left_out(limited: Limited, *numbers: int, **fields: Any) -> None:
    """Have answers leave position limits out; what is asked for by its own id is not a list."""
    limited.simulator.fault("omit", entity=ENTITY, ids=list(numbers), **fields)


def test_a_removal_that_was_refused_is_not_proven_by_answers_without_the_row(
    limited: Limited, support: Staff, supervisor: Staff
) -> None:
    item = approved(support, supervisor, "position_limit", limited.account_id, action="delete", limit=limited.limit)
    refused(item, limited, DELETE_POSITION_LIMIT)
    left_out(limited, limited.limit)

    item = read_back(item)

    assert limited.limit in limited.position_limits()
    assert item.state == ItemState.REJECTED


def test_a_change_whose_row_one_answer_leaves_out_is_seen_all_the_same(
    limited: Limited, support: Staff, supervisor: Staff
) -> None:
    parameters = {"action": "update", "limit": limited.limit, "long_limit": 4}
    item = approved(support, supervisor, "position_limit", limited.account_id, **parameters)
    send_item(item.pk, origin=ORIGIN)
    left_out(limited, limited.limit, count=1)

    assert later(item.change, rounds=1) == {ItemState.APPLIED: 1}
    assert limited.simulator.call_count(f"{LIMIT}/item") == 1
    assert CallItem.objects.filter(item=item, call__endpoint="userAccountPositionLimit/item").count() == 1


def test_an_answer_without_a_limit_and_no_answer_about_it_leaves_the_item_open(
    limited: Limited, support: Staff, supervisor: Staff
) -> None:
    item = approved(support, supervisor, "position_limit", limited.account_id, action="delete", limit=limited.limit)
    send_item(item.pk, origin=ORIGIN)
    limited.simulator.fault("answer", endpoint=f"{LIMIT}/item", status=500, body="Oops", count=1)

    assert later(item.change, rounds=1) != {ItemState.APPLIED: 1}
    assert PositionLimit.objects.filter(tradovate_id=limited.limit).exists()
    assert later(item.change, rounds=1) == {ItemState.APPLIED: 1}
    assert not PositionLimit.objects.filter(tradovate_id=limited.limit).exists()


def test_one_answer_without_a_limit_is_no_event_of_its_removal(limited: Limited) -> None:
    attribute_moves(origin=ORIGIN)
    moves = MirrorMove.objects.count()
    left_out(limited, limited.limit, count=1)

    refresh(Environment.DEMO, [limited.account_id], lane=Lane.BULK, parts=frozenset({Part.PRE_TRADE}))
    attribute_moves(origin=ORIGIN)

    assert PositionLimit.objects.filter(tradovate_id=limited.limit).exists()
    assert RiskParameter.objects.filter(tradovate_id=limited.parameter).exists()
    assert MirrorMove.objects.count() == moves
    assert not Event.objects.filter(tag=Tag.OUTSIDE_POSITION_LIMITS).exists()


@pytest.mark.parametrize("lost", ["userAccountRiskParameter", ENTITY])
def test_a_parameter_that_was_changed_is_seen_where_answers_leave_it_or_its_limit_out(
    limited: Limited, support: Staff, supervisor: Staff, lost: str
) -> None:
    parameters = {"action": "update", "parameter": limited.parameter, "max_opening_order_qty": 5}
    item = approved(support, supervisor, "risk_parameter", limited.account_id, **parameters)
    send_item(item.pk, origin=ORIGIN)
    limited.simulator.fault("omit", entity=lost, ids=[limited.limit if lost == ENTITY else limited.parameter])

    assert later(item.change, rounds=1) == {ItemState.APPLIED: 1}


def test_a_parameter_that_was_refused_and_made_is_found_where_answers_leave_its_limit_out(
    limited: Limited, support: Staff, supervisor: Staff
) -> None:
    parameters = {"action": "create", "limit": limited.limit, "max_opening_order_qty": 7}
    item = approved(support, supervisor, "risk_parameter", limited.account_id, **parameters)
    refused(item, limited, f"{PARAMETER}/create", when="after")
    left_out(limited, limited.limit)

    assert read_back(item).state == ItemState.APPLIED


def test_a_position_limit_whose_row_names_no_account_is_not_sent_over(
    limited: Limited, support: Staff, supervisor: Staff
) -> None:
    parameters = {"action": "update", "limit": limited.limit, "long_limit": 1}
    item = approved(support, supervisor, "position_limit", limited.account_id, **parameters)
    limited.simulator.patch(ENTITY, limited.limit, exposedLimit=1, description="By hand")
    Account.objects.update(position_limits_read_at=timezone.now() - timedelta(minutes=1))
    limited.simulator.fault("odd", entity=ENTITY, ids=[limited.limit], without=["accountId"], count=1)

    item = reconciled(item)

    now = limited.position_limits()[limited.limit]
    assert (now["exposedLimit"], now.get("description")) == (1, "By hand")
    assert limited.simulator.call_count(f"{LIMIT}/update") <= 1
    assert the_item(item.change).state in {ItemState.APPLIED, ItemState.SKIPPED}


# --- Ids that turn out different -----------------------------------------------------------------------------------------


@pytest.fixture
def other_ids(mirror: Simulator) -> Iterator[Simulator]:
    """A Tradovate whose risk statuses and limits had their accounts' ids when that was last compared, and no longer have."""
    assert set(IdProof.objects.values_list("matches", flat=True)) == {True}
    mirror.set(extension_id_offset=7_000_000)
    yield mirror
    mirror.set(extension_id_offset=0)


def test_a_proof_of_ids_that_no_longer_holds_is_refuted_by_the_first_read_that_leaves_an_account_out(
    other_ids: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = active_account(5)
    other_ids.patch("accountRiskStatus", account_id, adminAction="LockTradingImmediately")
    RiskStatus.objects.filter(account__tradovate_id=account_id).update(admin_action="LockTradingImmediately")

    item = run(approved(support, supervisor, "unlock", account_id))

    assert item.state == ItemState.APPLIED
    proof = IdProof.objects.get(environment="demo", entity="accountRiskStatus")
    assert (proof.matches, proof.account_id, proof.record_id) == (False, account_id, account_id + 7_000_000)

    limits = {"weekly_loss_auto_liq_usd": "7100"}
    AutoLiqLimits.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    assert run(approved(support, supervisor, "auto_liq_limits", account_id, **limits)).state == ItemState.APPLIED
    assert not IdProof.objects.get(environment="demo", entity="userAccountAutoLiq").matches


def test_a_full_read_refutes_a_proof_of_ids_that_no_longer_holds_and_stores_no_such_record(other_ids: Simulator) -> None:
    before = set(RiskStatus.objects.values_list("account", "fresh_at"))
    before_limits = set(AutoLiqLimits.objects.values_list("account", "level", "fresh_at"))

    done = sync(Environment.DEMO)

    assert done is not None
    assert done.failure == ""
    assert set(IdProof.objects.values_list("matches", flat=True)) == {False}
    assert set(RiskStatus.objects.values_list("account", "fresh_at")) == before
    assert set(AutoLiqLimits.objects.values_list("account", "level", "fresh_at")) == before_limits


def test_a_risk_status_that_a_read_by_its_id_leaves_out_is_read_by_its_account(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = active_account(6)
    item = the_item(ask(support, "lock", account_id))
    send_item(item.pk, origin=ORIGIN)
    mirror.fault("answer", endpoint="/accountRiskStatus/items", body=[])

    assert later(item.change, rounds=1) == {ItemState.APPLIED: 1}
    assert IdProof.objects.get(environment="demo", entity="accountRiskStatus").matches
    mirror.clear_faults()


def test_where_accounts_cannot_be_requested_by_themselves_the_ids_count_as_they_did(mirror: Simulator) -> None:
    account_id = active_account(7)
    mirror.fault("answer", endpoint="/accountRiskStatus/items", body=[])
    mirror.fault("answer", endpoint="/accountRiskStatus/ldeps", status=500, body="Oops")

    refresh(Environment.DEMO, [account_id], lane=Lane.BULK)

    assert IdProof.objects.get(environment="demo", entity="accountRiskStatus").matches
    mirror.clear_faults()
