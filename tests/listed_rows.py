"""Rows for the tests of every list: some of them equal in what the list is sorted by, some left out by each filter."""

from datetime import UTC, datetime, timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group

from accounts.changes.states import ItemState
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.accounts.mirrored import make_account, make_active, make_category, make_status, make_trader
from tests.audit.events import write_old
from tests.changes.world import open_item
from tests.staff.people import make_person

AT = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)


def make_accounts(_: Staff, count: int) -> list[int]:
    """Accounts of two environments, two of each name."""
    category, trader = make_category("Gold"), make_trader("ana.garcia", email="ana@firm.example")
    made = []
    for number in range(count):
        environment = "live" if number % 2 else "demo"
        mine = {"risk_category": category, "trader": trader} if number % 3 == 0 else {}
        account = make_account(f"EVAL-{number // 2:03}", environment=environment, tradovate_id=90_000 + number, **mine)
        make_status(account, admin_action="LockTradingImmediately" if number % 2 else "Normal")
        made.append(account.pk)
    return made


def make_changes(person: Staff, count: int) -> list[int]:
    """Locks that run and unlocks that wait, of two people."""
    other = make_person(Role.SUPERVISOR)
    account = make_active("TARGET")
    made = []
    for number in range(count):
        kind, state = ("lock", ItemState.QUEUED) if number % 2 else ("unlock", ItemState.WAITING)
        made.append(open_item(person if number % 3 else other, account, kind, state).change_id)
    return made


def make_events(_: Staff, count: int) -> list[int]:
    """Events of three moments, of one person or of riskadmin, after the one of the sign-in's person."""
    made: list[int] = []
    for number in range(3):
        columns: dict[str, Any] = (
            {"staff_id": 7, "staff_name": "Sam", "environment": "demo", "account_id": 1, "account_name": "A", "change_id": 4}
            if number == 1
            else {}
        )
        part = count // 3 + (count % 3 if number == 2 else 0)
        written = write_old(
            part, at=AT + timedelta(minutes=number), tag=(Tag.CHANGE_COMMENTED, Tag.CHANGE_APPROVED)[number % 2], **columns
        )
        made += [event.pk for event in written]
    return made


def make_people(_: Staff, count: int) -> list[int]:
    """People with a role, of whom some are switched off, have signed in, or have a second factor."""
    people = Staff.objects.bulk_create(
        Staff(username=f"person-{number:03}", is_active=number % 3 > 0, last_login=AT if number % 2 else None)
        for number in range(count)
    )
    Group.objects.get(name=Role.SUPPORT.value).staff.add(*people)
    Authenticator.objects.bulk_create(Authenticator(user=each, type="totp", data={}) for each in people[::2])
    return [each.pk for each in people]
