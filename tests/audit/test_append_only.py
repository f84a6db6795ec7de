"""The trail can't be changed: not through the ORM, not by SQL, not by a replica's session; and no event stands alone."""

from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from riskadmin.audit.actions import AuditEntry, NoTransaction, record, record_all
from riskadmin.audit.models import Event
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from tests.audit.events import raw, sample, write

ATTACKS: dict[str, tuple[str, Callable[[Event], object]]] = {
    "update by SQL": ("UPDATE", lambda event: raw("UPDATE audit_event SET reason_text = 'x' WHERE id = %s", event.pk)),
    "update of nothing new by SQL": ("UPDATE", lambda event: raw("UPDATE audit_event SET tag = tag WHERE id = %s", event.pk)),
    "upsert by SQL": (
        "UPDATE",
        lambda event: raw(
            "INSERT INTO audit_event SELECT * FROM audit_event WHERE id = %s ON CONFLICT (id) DO UPDATE SET reason_text = 'x'",
            event.pk,
        ),
    ),
    "update by queryset": ("UPDATE", lambda event: Event.objects.filter(pk=event.pk).update(staff_name="Somebody else")),
    "save again": ("UPDATE", lambda event: event.save()),
    "bulk update": ("UPDATE", lambda event: Event.objects.bulk_update([event], ["tag"])),
    "delete by SQL": ("DELETE", lambda event: raw("DELETE FROM audit_event WHERE id = %s", event.pk)),
    "delete by queryset": ("DELETE", lambda _: Event.objects.all().delete()),
    "delete": ("DELETE", lambda event: event.delete()),
    "truncate": ("TRUNCATE", lambda _: raw("TRUNCATE audit_event")),
    "truncate and restart": ("TRUNCATE", lambda _: raw("TRUNCATE audit_event RESTART IDENTITY CASCADE")),
}


@pytest.mark.django_db
@pytest.mark.parametrize("attack", ATTACKS)
def test_it_refuses(attack: str) -> None:
    event = write(reason_text="as it was")
    before = Event.objects.values().get()
    operation, run = ATTACKS[attack]

    refused = f"The trail is append-only: {operation} on audit_event is refused"
    with pytest.raises(IntegrityError, match=refused), transaction.atomic():
        run(event)

    assert Event.objects.values().get() == before


@pytest.mark.django_db
def test_a_session_that_replays_a_replica_is_refused_too() -> None:
    write()
    raw("SET LOCAL session_replication_role = replica")  # silences every trigger that isn't ALWAYS
    with pytest.raises(IntegrityError, match="DELETE"), transaction.atomic():
        raw("DELETE FROM audit_event")
    assert Event.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_djangos_own_flush_is_refused() -> None:
    event = write()
    with pytest.raises(Exception, match="couldn't be flushed") as refused:
        call_command("flush", interactive=False, verbosity=0)
    assert isinstance(refused.value.__cause__, IntegrityError)
    assert Event.objects.get() == event


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_of_a_transaction_is_refused_and_not_written() -> None:
    with pytest.raises(NoTransaction):
        record(AuditEntry(tag=Tag.API_HALTED, actor=SYSTEM, origin=Origin(), detail=sample(Tag.API_HALTED)))
    with pytest.raises(NoTransaction):
        record_all([])
    assert Event.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_an_event_is_committed_with_what_it_records() -> None:
    with transaction.atomic():
        record(AuditEntry(tag=Tag.API_HALTED, actor=SYSTEM, origin=Origin(), detail=sample(Tag.API_HALTED)))
        assert Event.objects.count() == 1
        transaction.set_rollback(True)
    assert Event.objects.count() == 0


@pytest.mark.django_db
def test_events_of_one_statement_keep_their_order() -> None:
    with transaction.atomic():
        record_all(AuditEntry(tag=Tag.ITEM_SENT, actor=SYSTEM, origin=Origin(), item_id=number) for number in range(2500))
    assert list(Event.objects.order_by("id").values_list("item_id", flat=True)) == list(range(2500))


@pytest.mark.django_db(transaction=True)
def test_the_triggers_can_be_taken_back_and_put_again() -> None:
    names = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'audit_event'::regclass AND tgenabled = 'A'"

    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute(names)
            return int(cursor.fetchone()[0])

    try:
        call_command("migrate", "audit", "0001", verbosity=0)
        assert count() == 0
    finally:
        call_command("migrate", verbosity=0)  # those that depend on it were taken back, too
    assert count() == 3
