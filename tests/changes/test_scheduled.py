"""Scheduled changes: they wait for their time, are planned again when it comes, and what moved goes back to the deciders."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.changes import start
from accounts.changes.actions import submit
from accounts.changes.control import Moved, cancel, close_window
from accounts.changes.freshness import read_anew
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item, PolicyRule
from accounts.changes.start import start_due
from accounts.changes.states import ChangeState, ItemState, Relation, Window
from accounts.changes.timing import Timing
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, ReasonCode
from tests.changes.mirror import LOCKED, NORMAL, ORIGIN, approve, make_account, planned, set_status
from tests.people_client import PeopleClient

Sent = list[tuple[str, list[int], str]]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every reading finds the mirror as the test has made it, just now."""

    def read(_kind: Any, _environment: Environment, ids: Any, **_: Any) -> str:
        from accounts.models import Account, RiskStatus

        Account.objects.filter(tradovate_id__in=list(ids)).update(positions_read_at=timezone.now(), fresh_at=timezone.now())
        RiskStatus.objects.filter(account__tradovate_id__in=list(ids)).update(fresh_at=timezone.now())
        return ""

    monkeypatch.setattr(start, "read_anew", read)
    assert read_anew is not read


def ask(person: Staff, kind_name: str, *ids: int, timing: Timing) -> Change:
    shown = planned(kind_name, *ids)
    return submit(
        actor=person,
        origin=ORIGIN,
        kind=KINDS[kind_name],
        environment=Environment.DEMO,
        target_ids=ids,
        reason_code=ReasonCode.OTHER,
        reason_text="Tonight",
        form_key=__import__("uuid").uuid4(),
        shown_digest=shown.digest,
        timing=timing,
    )


def at(seconds: float) -> Timing:
    return Timing(runs_at=timezone.now() + timedelta(seconds=seconds))


def states(change: Change) -> list[str]:
    return list(change.items.order_by("position").values_list("state", flat=True))
