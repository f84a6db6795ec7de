"""The settings of an account at a moment: what readings show, and no more than that."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from accounts.models import Account, AutoLiqLimits, LimitLevel, MirrorMove, MoveSubject, Source
from accounts.story.as_of import Settings, as_of
from riskadmin.staff.roles import Role
from tests.changes.world import LOCKED, NORMAL, make_account, open_item, walk
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def move(account: Account, subject: MoveSubject, known_at: datetime, read_at: datetime, **fields: Any) -> None:
    MirrorMove.objects.create(
        account=account, subject=subject, fields=fields, known_at=known_at, read_at=read_at, source=Source.SYNC
    )


def part(account: Account, subject: MoveSubject, at: datetime) -> Settings:
    found = Account.objects.select_related("risk_status", "risk_category").get(pk=account.pk)
    return next(each for each in as_of(found, at).parts if each.title == subject.label)


def values(of: Settings) -> dict[str, str]:
    return {each.label: each.value for each in of.settings}


def test_values_go_back_through_the_moves_with_label_and_unit() -> None:
    account = make_account(101)
    AutoLiqLimits.objects.create(
        account=account, level=LimitLevel.FIRM, daily_loss_auto_liq_usd=500, fresh_at=ago(1), source=Source.SYNC
    )
    move(account, MoveSubject.FIRM, ago(10), ago(9), daily_loss_auto_liq_usd=["2000", "1000"])
    move(account, MoveSubject.FIRM, ago(5), ago(4), daily_loss_auto_liq_usd=["1000", "500"])
    label = next(label for label, value in values(part(account, MoveSubject.FIRM, NOW)).items() if value == "$500.00")
    at = {hours: values(part(account, MoveSubject.FIRM, ago(hours)))[label] for hours in (0, 3, 6, 8.5, 10)}
    assert at == {0: "$500.00", 3: "$500.00", 6: "$1,000.00", 8.5: "$1,000.00", 10: "$2,000.00"}
    assert part(account, MoveSubject.FIRM, NOW).last_read_at == ago(1)
    assert part(account, MoveSubject.FIRM, ago(3)).last_read_at is None


def test_what_is_not_known_is_not_guessed() -> None:
    account = make_account(101, LOCKED, fresh_at=ago(1))
    move(account, MoveSubject.STATUS, ago(6), ago(4), admin_action=[NORMAL, LOCKED])
    before = part(account, MoveSubject.STATUS, ago(7))
    assert (before.settings, before.not_before) == ((), ago(6))
    [between] = [each for each in part(account, MoveSubject.STATUS, ago(5)).settings if each.label == "Risk action"]
    assert (between.value, between.became) == ("Normal", "Locked (no orders)")
    assert (between.known_at, between.read_at) == (ago(6), ago(4))
    assert part(account, MoveSubject.TRADER, NOW).is_never_read


def test_a_change_made_here_narrows_when_it_happened(client: Client) -> None:
    account = make_account(101, LOCKED, fresh_at=ago(1))
    item = open_item(make_person(Role.SUPPORT), account, "lock", ItemState.QUEUED)
    Item.objects.filter(pk=item.pk).update(claimed_at=ago(4.5), settled_at=ago(4))
    walk(item, ItemState.APPLIED)
    move(account, MoveSubject.STATUS, ago(6), ago(4), admin_action=[NORMAL, LOCKED])
    for hours, value, became in ((5, "Normal", ""), (4.2, "Normal", "Locked (no orders)"), (4, "Locked (no orders)", "")):
        [found] = [each for each in part(account, MoveSubject.STATUS, ago(hours)).settings if each.label == "Risk action"]
        assert (found.value, found.became) == (value, became), hours

    client.force_login(make_person(Role.COMPLIANCE))
    page = client.get(reverse("story:settings", args=["demo", 101]), {"at": ago(4).isoformat()}).content.decode()
    assert f"change {Change.objects.latest('pk').pk}</a>" in page
    assert client.get(reverse("story:settings", args=["demo", 101]), {"at": "2999-01-01T00:00"}).status_code == 422
