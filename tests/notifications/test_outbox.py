"""Writing messages: together with what they report, once, and over the channels that each person chose."""

from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, connection, transaction

from riskadmin.audit.actions import NoTransaction, listen
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.notifications.actions import save_preferences
from riskadmin.notifications.models import MailDigest, Message, MessageState
from riskadmin.notifications.outbox import next_digest, no_longer_needed, notify
from riskadmin.notifications.topics import TOPICS, WEBHOOK_TOPICS, Channel, Topic
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.audit.events import write
from tests.notifications.conftest import make_reachable
from tests.notifications.notices import LINK, hook, send_notice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("email_is_on")]

ORIGIN = Origin(job="tests")


def channels(person: Staff) -> list[str]:
    return sorted(Message.objects.filter(person=person).values_list("channel", flat=True))


def choose(person: Staff, topic: Topic, *chosen: Channel, mail_digest: str = "") -> None:
    save_preferences(actor=person, origin=ORIGIN, channels={topic: chosen}, mail_digest=mail_digest)


def test_a_message_is_rolled_back_with_what_it_reports(sue: Staff) -> None:
    with transaction.atomic():
        notify(Topic.DECIDED, [sue], subject="x", link=LINK)
        assert Message.objects.exists()
        transaction.set_rollback(True)
    assert not Message.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_none_is_written(sue: Staff) -> None:
    with pytest.raises(NoTransaction):
        notify(Topic.DECIDED, [sue], subject="x", link=LINK)
    assert not Message.objects.exists()


def test_a_message_that_the_database_refuses_fails_no_event(sue: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riskadmin.audit.actions._listeners", {Tag.CHANGE_PAUSED: []})

    def listener(_: object) -> None:
        notify(Topic.DECIDED, [sue], subject="written before the failure", link=LINK)
        with connection.cursor() as cursor, pytest.raises(DatabaseError):
            cursor.execute("SELECT 1 / 0")
        Message.objects.exists()  # the transaction is broken: PostgreSQL refuses this, too

    listen(Tag.CHANGE_PAUSED, listener)
    write(Tag.CHANGE_PAUSED)
    assert Event.objects.filter(tag=Tag.CHANGE_PAUSED).exists()
    assert not Message.objects.exists()


def test_a_mistake_in_what_writes_a_message_fails_no_event(sue: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riskadmin.audit.actions._listeners", {Tag.CHANGE_PAUSED: []})

    def listener(_: object) -> None:
        notify(Topic.DECIDED, [sue], subject="written before the failure", link=LINK)
        raise KeyError("a mistake")

    listen(Tag.CHANGE_PAUSED, listener)
    write(Tag.CHANGE_PAUSED)
    assert Event.objects.filter(tag=Tag.CHANGE_PAUSED).exists()
    assert not Message.objects.exists()


@pytest.mark.parametrize("link", ["https://evil.example/", "//evil.example/", "changes/7/", ""])
def test_a_message_links_to_this_site_alone(sue: Staff, link: str) -> None:
    with pytest.raises(ValueError, match="links to a page of this site"):
        notify(Topic.DECIDED, [sue], subject="x", link=link)
    assert not Message.objects.exists()


def test_the_same_is_shown_once_and_only_to_people_who_may_sign_in(sue: Staff) -> None:
    left = make_reachable(Role.SUPERVISOR, "left")
    left.is_active = False
    left.save()
    for _ in range(2):
        send_notice(Topic.DECIDED, sue, sue, left, key="change:7")
    assert channels(sue) == ["email", "page"]
    assert channels(left) == []


def test_a_subject_is_one_line(sue: Staff) -> None:
    send_notice(Topic.DECIDED, sue, subject="Change 7\r\nBcc: all@firm.example\t" + "x" * 300)
    [subject] = set(Message.objects.values_list("subject", flat=True))
    assert subject.startswith("Change 7 Bcc: all@firm.example xxx")
    assert len(subject) == Message.SUBJECT_MAX


def test_without_a_mail_server_or_an_address_no_e_mail_waits(sue: Staff, settings: pytest.FixtureRequest) -> None:
    settings.EMAIL_IS_ON = False  # type: ignore[attr-defined]
    send_notice(Topic.DECIDED, sue)
    assert channels(sue) == ["page"]


def test_each_person_gets_a_topic_as_chosen(sue: Staff) -> None:
    choose(sue, Topic.DECIDED, Channel.EMAIL)
    send_notice(Topic.DECIDED, sue)
    assert channels(sue) == ["email"]
    send_notice(Topic.REVIEW_DUE, sue)  # nothing is chosen for it
    assert channels(sue) == ["email", "email", "page"]


def test_what_is_urgent_is_always_on_the_page_and_in_no_digest(sue: Staff) -> None:
    choose(sue, Topic.BREAK_GLASS, Channel.EMAIL, mail_digest=MailDigest.DAILY)
    send_notice(Topic.BREAK_GLASS, sue)
    send_notice(Topic.DECIDED, sue)
    reported = {(each.topic, each.channel): each for each in Message.objects.all()}
    assert reported["break_glass", "page"].state == MessageState.SENT
    assert not reported["break_glass", "email"].in_digest
    assert reported["decided", "email"].in_digest
    assert reported["decided", "email"].next_try_at > reported["break_glass", "email"].next_try_at


@pytest.mark.parametrize(
    ("digest", "now", "expected"),
    [
        ("hourly", datetime(2026, 11, 2, 14, 59, 59, tzinfo=UTC), datetime(2026, 11, 2, 15, tzinfo=UTC)),
        ("hourly", datetime(2026, 11, 2, 15, tzinfo=UTC), datetime(2026, 11, 2, 16, tzinfo=UTC)),
        ("daily", datetime(2026, 11, 2, 13, 59, tzinfo=UTC), datetime(2026, 11, 2, 14, tzinfo=UTC)),
        ("daily", datetime(2026, 11, 2, 14, tzinfo=UTC), datetime(2026, 11, 3, 14, tzinfo=UTC)),
        # Summer time ended in the night: eight o'clock all the same.
        ("daily", datetime(2026, 10, 31, 14, tzinfo=UTC), datetime(2026, 11, 1, 14, tzinfo=UTC)),
    ],
)
def test_a_digest_comes_at_the_full_hour_or_at_eight(digest: str, now: datetime, expected: datetime) -> None:
    assert next_digest(digest, now) == expected


def test_a_webhook_gets_its_topics_once(sue: Staff) -> None:
    webhook, _ = hook(sue, "https://hooks.example.com/x", Topic.DECIDED)
    send_notice(Topic.DECIDED, sue, key="change:7")
    send_notice(Topic.DECIDED, sue, make_reachable(Role.SUPPORT), key="change:7")
    send_notice(Topic.EXPIRING, sue, key="change:7")
    assert Message.objects.filter(webhook=webhook).count() == 1


def test_what_is_settled_no_longer_stays_as_unread(sue: Staff) -> None:
    send_notice(Topic.APPROVAL_NEEDED, sue, key="change:7:first")
    send_notice(Topic.APPROVAL_NEEDED, sue, key="change:71:first")
    no_longer_needed(Topic.APPROVAL_NEEDED, "change:7")
    unread = Message.objects.filter(channel="page", read_at=None)
    assert [message.key for message in unread] == [f"approval_needed:change:71:first:page:{sue.pk}"]


def test_every_topic_but_those_for_one_address_is_offered() -> None:
    assert set(WEBHOOK_TOPICS) == set(Topic) - {Topic.WEBHOOK_TEST, Topic.SIGN_IN_LINK, Topic.ADDRESS_CHANGED}
    assert set(TOPICS) == set(WEBHOOK_TOPICS) - {Topic.CHANGE_STEP}
