"""The preview of an unlock, and its approval, name for each account who locked it, when and why."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from accounts.changes.models import Item
from accounts.changes.states import ItemState
from riskadmin.staff.models import Staff
from tests.changes.world import ACTED_AT, CLOSING_ONLY, LOCKED, ask, make_account, open_item, planned

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


def locked_here(support: Staff, number: int) -> Item:
    """An account that a change of support has locked, as Tradovate shows it."""
    item = open_item(
        support, make_account(number, LOCKED, admin_at=ACTED_AT), "lock", ItemState.SENT, reason_text="A\u2028test"
    )
    observed = {"admin_action": LOCKED, "admin_at": ACTED_AT.isoformat(), "stopped_by_limit": False}
    Item.objects.filter(pk=item.pk).update(state=ItemState.APPLIED, observed=observed)
    return item


def test_it_says_who_locked_each(support: Staff, supervisor: Staff, client: Client) -> None:
    by_riskadmin = (
        f"Locked (no orders) by riskadmin: change {locked_here(support, 101).change_id}, support, 2026-11-20 09:04:05"
    )
    again = locked_here(support, 102)  # and then somebody at Tradovate has locked it once more
    status = again.account.risk_status  # type: ignore[union-attr]
    status.admin_at = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
    status.save()
    make_account(103, CLOSING_ONLY)
    make_account(104, stopped_at=ACTED_AT)

    reported = {row.target_id: row.warnings[0] for row in planned("unlock", 101, 102, 103, 104).sent}

    assert reported == {
        101: f"{by_riskadmin}. Other, “A[U+2028]test”",
        102: "Locked (no orders) outside riskadmin: 2026-11-21 09:00:00",
        103: "Closing orders only outside riskadmin: at a time that Tradovate does not tell",
        104: "Stopped by a limit: 2026-11-20 09:04:05; no admin locked it",
    }
    change = ask(support, "unlock", 101, 102, 103, 104)
    client.force_login(supervisor)
    page = client.get(reverse("changes:detail", args=[change.pk])).content.decode()
    assert by_riskadmin in page
