"""Rows that answers leave out, or that can't be read and name nobody: outcomes stay true, and the mirror keeps what is there."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.models import Account
from riskadmin.staff.models import Staff
from tests.execution.conftest import ORIGIN, the_item
from tests.execution.pre_trade import LIMIT, Limited, approved, make_limited
from tests.execution.worker import reconciled, send_item
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


NOBODYS = pytest.mark.parametrize("odd", [{"row": None}, {"without": ["accountId"]}], ids=["null", "without its account"])


@NOBODYS
def test_an_addition_that_was_refused_and_made_is_not_rejected_by_a_row_that_names_nobody(
    limited: Limited, support: Staff, supervisor: Staff, odd: dict[str, Any]
) -> None:
    item = approved(support, supervisor, "position_limit", limited.account_id, **NEW)
    refused(item, limited, CREATE_POSITION_LIMIT, when="after")
    limited.simulator.fault("odd", entity=ENTITY, ids=[new_limit(limited)], **odd)

    item = read_back(item)

    assert item.state == ItemState.UNKNOWN
    assert "Tradovate sent something unreadable" in item.note
    limited.simulator.clear_faults()


@NOBODYS
def test_a_removal_that_was_refused_is_not_proven_by_a_row_that_names_nobody(
    limited: Limited, support: Staff, supervisor: Staff, odd: dict[str, Any]
) -> None:
    item = approved(support, supervisor, "position_limit", limited.account_id, action="delete", limit=limited.limit)
    refused(item, limited, DELETE_POSITION_LIMIT)
    limited.simulator.fault("odd", entity=ENTITY, ids=[limited.limit], **odd)

    item = read_back(item)

    assert limited.limit in limited.position_limits()
    assert item.state == ItemState.UNKNOWN


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
