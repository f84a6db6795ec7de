"""From the account's page to the change, for the kinds about money: the form, the plan with its figures, and what is frozen."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.changes.models import Change
from accounts.models import Account, Cash, RiskStatus, Source
from riskadmin.staff.models import Staff
from tests.changes.world import LOCKED, make_account

pytestmark = pytest.mark.django_db

KINDS_ASKED = [
    # kind, what is filled in, words of the plan, what is frozen
    (
        "demo_balance",
        {"cash_change_usd": "250.50", "comment": "Refund"},
        ["$50,000.00", "$50,250.50 (+$250.50)", "by the same amount"],
        {"amount_usd": "50250.5", "cash_change_usd": "250.5", "comment": "Refund"},
    ),
    ("max_net_liq", {"max_net_liq_usd": "50500"}, ["$51,000.00", "$50,500.00", "looser"], {"max_net_liq_usd": "50500"}),
    (
        "remediation",
        {"amount_usd": "52000", "max_net_liq_usd": "52100"},
        ["$52,000.00 (+$2,000.00)", "$52,100.00", "Locked (no orders)", "3 calls"],
        {"amount_usd": "52000", "cash_change_usd": "2000", "max_net_liq_usd": "52100", "admin_action": "Normal"},
    ),
    ("reset_auto_liq_status", {}, ["not documented", "not stopped by a limit"], {"auto_liq_status": "reset"}),
]


@pytest.fixture
def support_client(client: Client, support: Staff) -> Client:
    account: Account = make_account(101, LOCKED)
    RiskStatus.objects.filter(account=account).update(max_net_liq_usd=Decimal(51_000))
    Cash.objects.create(
        account=account,
        amount_usd=Decimal(50_000),
        week_realized_pnl_usd=Decimal(0),
        fresh_at=timezone.now(),
        source=Source.SYNC,
    )
    client.force_login(support)
    return client


@pytest.mark.parametrize(("kind_name", "typed", "words", "after"), KINDS_ASKED, ids=lambda each: str(each)[:20])
def test_it_is_requested(
    support_client: Client, kind_name: str, typed: dict[str, str], words: list[str], after: dict[str, Any]
) -> None:
    address = reverse("changes:new", args=[kind_name])
    empty = support_client.get(address, {"account": "demo:101"})
    assert empty.status_code == 200
    assert all(f'name="{name}"' in empty.content.decode() for name in typed)

    shown = support_client.get(address, {"account": "demo:101", "preview": "1", **typed})
    text = " ".join(shown.content.decode().split())
    assert [word for word in words if word not in text] == []

    answer = support_client.post(
        address,
        {
            "account": "demo:101",
            **typed,
            "reason_code": "Other",
            "reason_text": "The feed was down",
            "form_key": str(uuid4()),
            "digest": shown.context["plan"].digest,
        },
    )
    change = Change.objects.get()
    assert answer["Location"] == reverse("changes:detail", args=[change.pk])
    (item,) = change.items.all()
    assert (item.state, item.after) == ("waiting", after)
    assert support_client.get(answer["Location"]).status_code == 200


def test_a_form_that_is_filled_in_badly_comes_back(support_client: Client) -> None:
    address = reverse("changes:new", args=["demo_balance"])
    typed = {"account": "demo:101", "preview": "1", "cash_change_usd": "1", "amount_usd": "1"}
    response = support_client.get(address, typed)
    assert response.status_code == 422
    assert "one of the two" in response.content.decode()
    assert not Change.objects.exists()
