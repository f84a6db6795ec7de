"""`audit_verify` and the nightly task: what they find, where it shows, and what waits meanwhile."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.changes.models import Change
from accounts.changes.states import ItemState
from accounts.execution.claim import claim
from accounts.execution.models import Call
from riskadmin.audit.models import Event
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.proof.actions import seal
from riskadmin.audit.proof.anchors.actions import hand_outside
from riskadmin.audit.proof.models import Checkpoint, Leaf
from riskadmin.audit.proof.queries import unanchored_s, unsealed_s, warnings
from riskadmin.audit.proof.tasks import verify_task
from riskadmin.audit.proof.verifying import verify_trail
from riskadmin.audit.tags import Tag
from riskadmin.staff.roles import Role
from tests.audit.events import write, write_old
from tests.changes.world import make_account, open_item
from tests.rewriting import unguarded
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


def verified(*, full: bool = True) -> tuple[str, ...]:
    return verify_trail(actor=SYSTEM, origin=Origin(job="tests"), full=full).wrong


def test_a_clean_trail_of_many_tiles_is_verified_and_then_only_what_is_new() -> None:
    write_old(600, at=timezone.now())
    seal()
    assert verified() == ()
    seal()
    again = verify_trail(actor=SYSTEM, origin=Origin(job="tests"), full=False)
    assert (again.begin, again.end, again.wrong) == (512, 601, ())
    assert Event.objects.filter(tag=Tag.TRAIL_VERIFIED).count() == 2
    assert warnings() == []


def test_each_alteration_is_named(settings: Settings, tmp_path: Path) -> None:
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchors.txt")
    events = write_old(300, at=timezone.now())
    seal()
    hand_outside()
    with unguarded("audit_event"):
        Event.objects.filter(pk=events[5].pk).update(reason_text="Allowed")
        Event.objects.filter(pk=events[6].pk).delete()
        Event.objects.create(pk=-1, tag="a:b:c", occurred_at=timezone.now())
    altered, missing, unsealed = verified()
    assert (altered, missing) == (
        f"audit_event {events[5].pk} is not what was sealed as leaf 5",
        f"audit_event {events[6].pk} is missing (leaf 6)",
    )
    assert unsealed == "audit_event -1 was never sealed, though rows after it were"
    with unguarded("proof_leaf"):
        Leaf.objects.filter(position=7).update(hash=bytes(32))
    assert "the leaves from 0 on are not those of the tree" in verified()
    with unguarded("proof_leaf"), unguarded("proof_checkpoint"):
        Leaf.objects.filter(position__gte=280).delete()
        Checkpoint.objects.all().delete()
    assert any("the trail was cut: 300 rows were handed outside" in wrong for wrong in verified())
    assert "does not match its proof" in warnings()[0]


def test_the_command_says_what_is_wrong_and_everyone_sees_it(client: Client) -> None:
    event = write()
    seal()
    verify_task()
    out = StringIO()
    call_command("audit_verify", "--operator", "Olga", stdout=out)
    assert "as sealed" in out.getvalue()
    with unguarded("audit_event"):
        Event.objects.filter(pk=event.pk).update(staff_name="Somebody else")
    with pytest.raises(CommandError, match="altered"):
        call_command("audit_verify", "--full", "--operator", "Olga", stdout=out, stderr=StringIO())
    found = Event.objects.get(tag=Tag.TRAIL_ALTERED)
    assert found.detail["findings"] == [f"audit_event {event.pk} is not what was sealed as leaf 0"]
    client.force_login(make_person(Role.SUPPORT))
    assert "does not match its proof" in client.get(reverse("changes:stops_strip")).content.decode()
    client.force_login(make_person(Role.ADMINISTRATOR))
    assert "Does not match" in client.get(reverse("system")).content.decode()


def test_no_new_bulk_change_begins_while_anchors_are_late_and_locks_go_on(settings: Settings, tmp_path: Path) -> None:
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "nowhere" / "anchors.txt")
    support = make_person(Role.SUPPORT)
    changes = []
    for number, kind, lane in ((1, "unlock", "bulk"), (2, "lock", "bulk"), (3, "unlock", "urgent")):
        item = open_item(support, make_account(number), kind, ItemState.QUEUED)
        changes.append(Change.objects.get(pk=item.change_id))
        changes[-1].lane = lane
    write()
    seal()
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.AUDIT_ANCHOR_LATE_SECONDS + 60)):
        assert unanchored_s() > settings.AUDIT_ANCHOR_LATE_SECONDS
        assert "no new bulk change begins" in warnings()[0]
        sent = [
            len(claim(each, calls=1, origin=Origin(job="tests"), read_since=timezone.now() - timedelta(days=1)))
            for each in changes
        ]
        assert (sent[0], sent[1], sent[2]) == (0, 1, 1)
        held = Change.objects.get(pk=changes[0].pk)
        held.lane = "bulk"
        assert held.held_until is not None
        assert held.held_why == "the audit trail has not been handed to an append-only file in time"
        assert Call.objects.count() == 2
        (tmp_path / "nowhere").mkdir()
        assert len(hand_outside()) == 1
        assert warnings() == []
    with time_machine.travel(held.held_until):
        assert len(claim(held, calls=1, origin=Origin(job="tests"), read_since=timezone.now() - timedelta(days=1))) == 1


def test_what_is_not_sealed_yet_is_counted() -> None:
    assert unsealed_s() == 0
    write_old(1, at=timezone.now() - timedelta(minutes=10))
    assert unsealed_s() > 590
    seal()
    assert unsealed_s() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM proof_leaf")
        assert cursor.fetchone() == (1,)
