"""What is stored is checked before it is approved and before it is sent, anyone who has altered it: here PostgreSQL's owner."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from accounts.approvals.actions import decide
from accounts.approvals.models import Approval, ApprovalRequest
from accounts.approvals.policy_versions import propose
from accounts.approvals.states import RequestState, Verdict
from accounts.approvals.subjects import DecisionRefused
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.claim import claim
from accounts.execution.models import Call
from accounts.models.digests import digest_of_stored
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.notifications.models import Message
from riskadmin.notifications.topics import Topic
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.changes.world import LOCKED, ORIGIN, approve, ask, make_account, open_item, taken_back
from tests.rewriting import unguarded
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]
Columns = dict[str, Any]

PROGRESS_OF_CHANGE = {
    "id", "state", "finished_at", "held_until", "held_why", "priority", "suspended_at", "suspended_why", "paused_at",
    "paused_by_id", "paused_by_name", "resumed_by_id", "stopped_at", "stopped_by_name",
}  # fmt: skip
"""Columns that say how far a change is; no approval covers them."""

PROGRESS_OF_ITEM = {
    "id", "observed", "seen_at", "found", "refusal", "step", "attempts", "not_before", "claimed_at", "lease_until", "worker",
    "ticket", "settled_at", "resolved_by_id",
}  # fmt: skip


@pytest.fixture
def pending(support: Staff, sent: Sent) -> Change:
    """An unlock of two accounts, with a third that is not known and so skipped."""
    for number in (101, 102, 103, 104):
        make_account(number, LOCKED)
    return ask(support, "unlock", 101, 102, 999)


@pytest.fixture
def other(pending: Change, support: Staff) -> Change:
    """Another change that waits."""
    return ask(support, "unlock", 104)


def of_change(other: Change) -> dict[str, Columns]:
    """What each column of a change is altered to."""
    proposed = propose(actor=make_person(Role.ADMINISTRATOR), origin=ORIGIN, rules=[], note="")
    return {
        "kind": {"kind": "lock"},
        "environment": {"environment": "live"},
        "parameters": {"parameters": {"x": 1}},
        "reason_code": {"reason_code": "CloseFraud"},
        "reason_text": {"reason_text": "Another"},
        "lane": {"lane": "bulk"},
        "digest": {"digest": other.digest},
        "older digest": {"digest": "0" * 64},
        "form_key": {"form_key": "0" * 32},
        "requested_by_id": {"requested_by": proposed.proposed_by},
        "requested_by_name": {"requested_by_name": "Somebody else"},
        "submitted_at": {"submitted_at": F("submitted_at") + timedelta(microseconds=1)},
        "approval_id": {"approval": proposed.approval},
        "item_count": {"item_count": 4},
        "effects": {"effects": None},
        "runs_at": {"runs_at": timezone.now()},
        "window": {"window": "outside_trading"},
        "goes_on": {"goes_on": True},
        "review_by": {"review_by": date(2030, 1, 1)},
        "of_change_id relation": {"of_change": other, "relation": "repeats"},
    }


def of_item(other: Change, *, is_sent: bool) -> dict[str, Columns]:
    """What each column of an item is altered to."""
    common: dict[str, Columns] = {
        "change_id": {"change": other},
        "position": {"position": 7},
        "target": {"target": "demo:account:103"},
        "account_id": {"account": other.items.get().account},
        "target_name": {"target_name": "KTR50K-000103"},
        "before": {"before": {"x": 1}},
        "after": {"after": {"admin_action": "Liquidate"}},
        "own_parameters": {"own_parameters": {"x": 1}},
        "digest": {"digest": other.items.get().digest},
    }
    skipped: dict[str, Columns] = {"state": {"state": ItemState.QUEUED}, "note": {"note": "Another reason"}}
    return common if is_sent else common | skipped


@contextmanager
def altered(row: Change | Item, columns: Columns) -> Iterator[None]:
    """Alter a row with the guards switched off, and take everything back afterwards."""
    with taken_back():
        with unguarded(row._meta.db_table):
            assert type(row)._default_manager.filter(pk=row.pk).update(**columns) == 1
        yield


def attacks(change: Change, other: Change) -> Iterator[tuple[str, Change | Item, Columns]]:
    """Every attack: its name, the row, and what is altered."""
    for name, columns in of_change(other).items():
        yield f"change.{name}", change, columns
    for position, is_sent in ((2, True), (3, False)):
        item = change.items.get(position=position)
        for name, columns in of_item(other, is_sent=is_sent).items():
            yield f"item {position}.{name}", item, columns


def nothing_sent() -> bool:
    return not Call.objects.exists() and not Item.objects.exclude(claimed_at=None).exists()


def claim_all(change: Change) -> int:
    """Claim as a worker does; return how many calls it may make."""
    now = Change.objects.get(pk=change.pk)
    return len(claim(now, calls=10, origin=ORIGIN, read_since=timezone.now() - timedelta(hours=1)))


def test_the_attacks_alter_every_column(pending: Change, other: Change) -> None:
    made = list(attacks(pending, other))
    of_a_change = " ".join(name.partition(".")[2] for name, row, _ in made if isinstance(row, Change)).split()
    assert set(of_a_change) - {"older"} == columns_of(Change) - PROGRESS_OF_CHANGE
    assert {name.partition(".")[2] for name, row, _ in made if isinstance(row, Item)} == columns_of(Item) - PROGRESS_OF_ITEM


def columns_of(model: type[Change | Item]) -> set[str]:
    return {field.attname for field in model._meta.concrete_fields}


def test_what_was_altered_before_the_approval_is_not_approved(
    pending: Change, other: Change, supervisor: Staff, sent: Sent, subtests: Any
) -> None:
    for name, row, columns in list(attacks(pending, other)):
        with subtests.test(name), altered(row, columns):
            if name == "change.approval_id":  # the request is about nothing then
                with pytest.raises(Change.DoesNotExist):
                    approve(supervisor, pending)
            else:
                with pytest.raises(DecisionRefused, match="It can't be approved"):
                    approve(supervisor, pending)
                assert Event.objects.filter(tag=Tag.CHANGE_DECISION_REFUSED, staff_id=supervisor.pk).count() == 1
            assert not Approval.objects.exists()
            assert Change.objects.filter(pk=pending.pk, state=ChangeState.PENDING).exists()
    assert nothing_sent()
    assert sent == []
    assert approve(supervisor, pending).state == ChangeState.RUNNING


def test_what_was_altered_is_not_sealed_again_by_leaving_an_item_out(
    pending: Change, other: Change, supervisor: Staff, sent: Sent, subtests: Any
) -> None:
    left_out = pending.items.get(position=1)
    for name, row, columns in list(attacks(pending, other)):
        if name == "change.approval_id":
            continue
        with subtests.test(name), altered(row, columns):
            with pytest.raises(DecisionRefused):
                approve(supervisor, pending, excluded=[str(left_out.pk)])
            assert not Approval.objects.exists()
    with unguarded("approvals_approvalrequest"):
        ApprovalRequest.objects.filter(pk=pending.approval_id).update(facts={})
    with pytest.raises(DecisionRefused, match="It can't be approved"):
        approve(supervisor, pending, excluded=[str(left_out.pk)])
    assert nothing_sent()
    assert sent == []


def test_what_was_altered_after_the_approval_is_not_sent(
    pending: Change, other: Change, supervisor: Staff, subtests: Any
) -> None:
    approve(supervisor, pending)
    for name, row, columns in list(attacks(pending, other)):
        # An item that is not to be sent moves nothing until somebody queues it.
        queued = {"state": ItemState.QUEUED} if name.startswith("item 3") else {}
        with subtests.test(name), altered(row, columns | queued):
            assert claim_all(pending) == 0
            assert nothing_sent()
            assert Change.objects.get(pk=pending.pk).state == ChangeState.PAUSED
            (event,) = Event.objects.filter(tag=Tag.CHANGE_ALTERED, change_id=pending.pk)
            assert event.detail["why"]
    assert Message.objects.filter(topic=Topic.SUSPENDED).count() == 0  # taken back
    assert claim_all(pending) == 2


@pytest.mark.parametrize("columns", [{"needed": 0}, {"stages": []}, {"facts": {}}, {"policy_id": None}])
def test_what_policy_wanted_is_part_of_the_content(pending: Change, supervisor: Staff, columns: Columns, sent: Sent) -> None:
    with unguarded("approvals_approvalrequest"):
        ApprovalRequest.objects.filter(pk=pending.approval_id).update(**columns)
    with pytest.raises(DecisionRefused):
        approve(supervisor, pending)
    with unguarded("approvals_approvalrequest"):
        ApprovalRequest.objects.filter(pk=pending.approval_id).update(state=RequestState.APPROVED)
    with unguarded("changes_change"):
        Change.objects.filter(pk=pending.pk).update(state=ChangeState.RUNNING)
    with unguarded("changes_item"):
        pending.items.filter(state=ItemState.WAITING).update(state=ItemState.QUEUED)
    assert claim_all(pending) == 0
    assert nothing_sent()


def test_supervisors_get_a_message_and_resumed_as_it_is_it_is_paused_again(
    pending: Change, other: Change, supervisor: Staff, second_supervisor: Staff
) -> None:
    approve(supervisor, pending)
    item = pending.items.get(position=2)
    columns = {"after": {"admin_action": "Liquidate"}}
    with altered(item, columns):
        for _ in range(2):
            assert claim_all(pending) == 0
            change = Change.objects.get(pk=pending.pk)
            assert change.state == ChangeState.PAUSED
            Change.objects.filter(pk=pending.pk).update(state=ChangeState.RUNNING, resumed_by=second_supervisor)
        messages = set(Message.objects.filter(topic=Topic.SUSPENDED).values_list("person__username", flat=True))
        assert {"supervisor", "supervisor2", "support"} <= messages
        assert Event.objects.filter(tag=Tag.CHANGE_ALTERED).count() == 2
        assert nothing_sent()


def test_rows_that_were_put_right_are_sent(pending: Change, supervisor: Staff, second_supervisor: Staff) -> None:
    approve(supervisor, pending)
    item = pending.items.get(position=2)
    with unguarded("changes_item"):
        Item.objects.filter(pk=item.pk).update(digest="")
    assert claim_all(pending) == 0
    with unguarded("changes_item"):
        Item.objects.filter(pk=item.pk).update(digest=item.digest)
    Change.objects.filter(pk=pending.pk).update(state=ChangeState.RUNNING, resumed_by=second_supervisor)
    assert claim_all(pending) == 2


def test_a_change_that_is_older_than_these_digests_is_sent_as_it_is_stored(support: Staff, sent: Sent) -> None:
    item = open_item(support, make_account(101), "lock", ItemState.QUEUED)
    assert item.change.digest == "0" * 64
    assert claim_all(item.change) == 1


def test_an_item_that_is_left_out_while_it_waits(pending: Change, supervisor: Staff) -> None:
    """The next version of the request covers the others, and nothing else."""
    item = pending.items.get(position=2)
    decide(
        actor=supervisor,
        origin=ORIGIN,
        request_id=pending.approval_id,
        verdict=Verdict.APPROVE,
        digest=pending.digest,
        comment="",
        excluded=[str(item.pk)],
    )
    pending.refresh_from_db()
    with altered(item, {"state": ItemState.QUEUED, "note": ""}):
        assert claim_all(pending) == 0
        assert nothing_sent()
    assert claim_all(pending) == 1


@pytest.mark.parametrize(
    "content",
    [{"a": 1e22, 7: -0.0, "10": 2.0}, {"a": [1e-7, 0.1, 12345678901234567890, None, True]}, "é\u202e", [], {}],
)
def test_a_digest_is_alike_before_and_after_it_is_stored(content: Any, db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb::text", [json.dumps(content)])
        (stored,) = cursor.fetchone()
    assert digest_of_stored(content) == digest_of_stored(json.loads(stored))
