"""Delivery: tried again with longer and longer waits, never lost, never twice if it can be helped, never held up by the dead."""

from datetime import timedelta

import pytest
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from pytest_django import Settings

from riskadmin.notifications import delivery, tasks
from riskadmin.notifications.delivery import LEASE, RETRY_AFTER, deliver_due
from riskadmin.notifications.models import MailDigest, Message, MessageState
from riskadmin.notifications.topics import TOPICS, Topic
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.notifications.conftest import Receiver, make_reachable
from tests.notifications.notices import hook, make_due, send_notice
from tests.notifications.test_outbox import choose

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("email_is_on")]

Mails = list[EmailMultiAlternatives]
NO_SERVER = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def dead_mail(settings: Settings) -> None:
    """Let nothing listen where the mail server is said to be."""
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = NO_SERVER, "127.0.0.1", 1


def mail_of(person: Staff) -> Message:
    return Message.objects.get(person=person, channel="email")


def test_e_mail_says_it_in_both_forms_and_links_to_the_page(sue: Staff, mailoutbox: Mails, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://risk.example.com"
    send_notice(Topic.DECIDED, sue, text="<b>bold</b> & late")
    assert deliver_due() == 1
    [mail] = mailoutbox
    assert (mail.to, mail.subject) == (["sue@firm.example"], "[riskadmin] Change 7 was rejected")
    assert "<b>bold</b> & late" in mail.body
    assert "https://risk.example.com/changes/7/" in mail.body
    html = str(mail.alternatives[0][0])
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; late" in html
    assert 'href="https://risk.example.com/changes/7/"' in html
    assert "approve" not in html.lower()  # nothing is decided by a link
    assert (mail_of(sue).state, mail_of(sue).tries) == (MessageState.SENT, 1)
    assert deliver_due() == 0


@pytest.mark.usefixtures("dead_mail")
def test_a_failed_try_is_stored_and_repeated_until_it_is_given_up(sue: Staff) -> None:
    send_notice(Topic.DECIDED, sue)
    for number, wait in enumerate(RETRY_AFTER, start=1):
        make_due()
        begun = timezone.now()
        assert deliver_due() == 1
        message = mail_of(sue)
        assert (message.state, message.tries) == (MessageState.FAILED, number)
        assert message.last_error == "The mail server did not take it (ConnectionRefusedError)."
        assert wait <= message.next_try_at - begun
        assert deliver_due() == 0
    make_due()
    assert deliver_due() == 1
    assert mail_of(sue).state == MessageState.GIVEN_UP
    make_due()
    assert deliver_due() == 0


def test_a_killed_worker_loses_nothing(sue: Staff, mailoutbox: Mails, monkeypatch: pytest.MonkeyPatch) -> None:
    send_notice(Topic.DECIDED, sue)

    def killed(_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "_send", killed)
        with pytest.raises(SystemExit):
            deliver_due()
    message = mail_of(sue)
    assert (message.state, message.tries) == (MessageState.WAITING, 1)
    assert message.next_try_at > timezone.now()  # leased: no other worker sends it meanwhile
    assert deliver_due() == 0
    Message.objects.update(next_try_at=timezone.now() - LEASE)
    assert deliver_due() == 1
    assert len(mailoutbox) == 1
    assert mail_of(sue).state == MessageState.SENT


def test_what_ends_every_worker_is_given_up(sue: Staff, mailoutbox: Mails) -> None:
    send_notice(Topic.DECIDED, sue)
    Message.objects.filter(channel="email").update(tries=len(RETRY_AFTER) + 1)
    assert deliver_due() == 0
    assert mail_of(sue).state == MessageState.GIVEN_UP
    assert mailoutbox == []


def test_a_worker_that_took_too_long_does_not_overrule_the_next_one(sue: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    send_notice(Topic.DECIDED, sue)

    def taken_over(_: object) -> None:
        Message.objects.filter(channel="email").update(tries=2, last_error="The other worker's")

    monkeypatch.setattr(delivery, "_send", taken_over)
    deliver_due()
    assert (mail_of(sue).state, mail_of(sue).last_error) == (MessageState.WAITING, "The other worker's")


def test_who_was_switched_off_gets_nothing_more(sue: Staff, mailoutbox: Mails) -> None:
    send_notice(Topic.DECIDED, sue)
    Staff.objects.filter(pk=sue.pk).update(is_active=False)
    deliver_due()
    assert (mail_of(sue).state, mail_of(sue).last_error) == (MessageState.GIVEN_UP, "This person is switched off.")
    assert mailoutbox == []


def test_a_digest_is_one_e_mail_for_each_person(sue: Staff, mailoutbox: Mails) -> None:
    sam = make_reachable(Role.SUPPORT, "sam")
    for person in (sue, sam):
        choose(person, Topic.DECIDED, *TOPICS[Topic.DECIDED].channels, mail_digest=MailDigest.HOURLY)
    for number in range(3):
        send_notice(Topic.DECIDED, sue, sam, subject=f"Change {number} was rejected")
    send_notice(Topic.EXPIRING, sue, subject="Change 9 expires soon")
    assert deliver_due() == 1  # the urgent one
    assert [mail.subject for mail in mailoutbox] == ["[riskadmin] Change 9 expires soon"]

    make_due()
    assert deliver_due() == 6
    digests = {mail.to[0]: mail for mail in mailoutbox[1:]}
    assert set(digests) == {"sue@firm.example", "sam@firm.example"}
    for mail in digests.values():
        assert mail.subject == "[riskadmin] 3 notifications: Change 0 was rejected"
        assert all(f"Change {number} was rejected" in str(mail.body) for number in range(3))
    assert set(Message.objects.values_list("state", flat=True)) == {MessageState.SENT}


def test_one_thread_of_a_worker_delivers(sue: Staff, mailoutbox: Mails) -> None:
    send_notice(Topic.DECIDED, sue)
    with tasks._running:
        tasks.deliver_task()
    assert mailoutbox == []
    tasks.deliver_task()
    assert len(mailoutbox) == 1


def test_a_dead_webhook_holds_up_nothing(sue: Staff, mailoutbox: Mails, receiver: Receiver) -> None:
    dead, _ = hook(sue, "http://127.0.0.1:1/hook", name="dead")
    hook(sue, receiver.url, name="alive")
    for number in range(3):
        send_notice(Topic.DECIDED, sue, subject=f"Change {number} was rejected")
    deliver_due()
    assert len(receiver.received) == len(mailoutbox) == 3
    waiting = Message.objects.filter(webhook=dead).order_by("pk")
    assert [(each.state, each.tries) for each in waiting] == [("failed", 1), ("waiting", 0), ("waiting", 0)]
    assert len({each.next_try_at for each in waiting}) == 1
    assert waiting[0].last_error == "It can't be reached (ConnectionError)."
    assert all(each.next_try_at > timezone.now() + timedelta(seconds=20) for each in waiting)
