"""A person's own messages and settings, the outbox, and the demo's e-mail."""

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.notifications.delivery import deliver_due
from riskadmin.notifications.models import Message, MessageState, Preferences
from riskadmin.notifications.topics import Topic
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.notifications.notices import LINK, send_notice
from tests.staff.people import make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("email_is_on")]

LIST, SETTINGS = reverse("notifications:list"), reverse("notifications:settings")
HTMX = {"HX-Request": "true"}


def test_the_list_and_the_bell_are_a_persons_own(client: Client, sue: Staff) -> None:
    send_notice(Topic.DECIDED, sue, subject="Only for Sue")
    client.force_login(make_person(Role.SUPPORT, "sam"))
    assert "Only for Sue" not in client.get(LIST).content.decode()
    assert 'data-unread=""' in client.get(reverse("status"), headers=HTMX).content.decode()
    message = Message.objects.get(channel="page")
    assert client.post(reverse("notifications:read", args=[message.pk])).status_code == 404
    client.post(reverse("notifications:read_all"))
    message.refresh_from_db()
    assert message.read_at is None

    client.force_login(sue)
    page = client.get(LIST).content.decode()
    assert "Only for Sue" in page
    assert f'href="{LINK}"' in page
    assert 'data-unread="1"' in client.get(reverse("status"), headers=HTMX).content.decode()
    client.post(reverse("notifications:read", args=[message.pk]))
    assert 'data-unread=""' in client.get(reverse("status"), headers=HTMX).content.decode()


def test_so_many_are_not_counted(client: Client, sue: Staff) -> None:
    for _ in range(101):
        send_notice(Topic.DECIDED, sue)
    client.force_login(sue)
    assert 'data-unread="99+"' in client.get(reverse("status"), headers=HTMX).content.decode()
    client.post(reverse("notifications:read_all"))
    assert not Message.objects.filter(channel="page", read_at=None).exists()


def test_settings_are_kept_with_an_event(client: Client, sue: Staff) -> None:
    client.force_login(sue)
    posted = {"decided-page": "on", "expiring-email": "on", "break_glass-page": "on", "mail_digest": "daily"}
    assert client.post(SETTINGS, posted).status_code == 303
    kept = Preferences.objects.get(person=sue)
    chosen = {topic: channels for topic, channels in kept.channels.items() if channels}
    assert (chosen, kept.mail_digest) == ({"decided": ["page"], "expiring": ["email"]}, "daily")
    [event] = Event.objects.filter(tag=Tag.NOTIFICATIONS_CHOSEN)
    assert (event.staff_id, event.before, event.after) == (sue.pk, {"channels": {}, "mail_digest": ""}, kept.to_json())
    form = client.get(SETTINGS).context["form"]
    shown = {row.topic: (row.page and row.page.value(), row.email.value()) for row in form.rows}
    assert (shown[Topic.DECIDED], shown[Topic.EXPIRING], shown[Topic.REVIEW_DUE]) == (
        (True, False),
        (None, True),
        (False, False),
    )


def test_a_digest_that_there_is_not_is_refused(client: Client, sue: Staff) -> None:
    client.force_login(sue)
    response = client.post(SETTINGS, {"decided-page": "on", "mail_digest": "yearly"})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["mail_digest"]
    assert response.context["form"]["decided-page"].value()
    assert not Preferences.objects.exists()
    assert not Event.objects.filter(tag=Tag.NOTIFICATIONS_CHOSEN).exists()


def test_what_failed_is_retried_by_an_administrator(client: Client, sue: Staff, mailoutbox: list[object]) -> None:
    send_notice(Topic.DECIDED, sue)
    failed = Message.objects.filter(channel="email")
    failed.update(state=MessageState.GIVEN_UP, tries=9, last_error="The mail server refused it with code 550.")
    client.force_login(make_person(Role.ADMINISTRATOR))
    outbox = client.get(reverse("notifications:outbox"), {"state": "given_up"}).content.decode()
    assert "The mail server refused it with code 550." in outbox
    address = reverse("notifications:retry", args=[failed.get().pk])
    assert client.post(address).status_code == 303
    assert client.post(address).status_code == 409
    deliver_due()
    assert len(mailoutbox) == 1
    assert failed.get().state == MessageState.SENT


def test_the_demo_shows_its_e_mail(client: Client, sue: Staff, settings: Settings, tmp_path: Path) -> None:
    address = reverse("notifications:caught_mail")
    client.force_login(make_person(Role.ADMINISTRATOR))
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    assert client.get(address).status_code == 404
    settings.DEMO = True
    assert client.get(address).context["caught"] == []
    send_notice(Topic.DECIDED, sue, text="Größer <b>als</b> erlaubt")
    deliver_due()
    response = client.get(address)
    [caught] = response.context["caught"]
    assert (caught.recipient, caught.subject) == ("sue@firm.example", "[riskadmin] Change 7 was rejected")
    page = response.content.decode()
    assert "Größer &lt;b&gt;als&lt;/b&gt; erlaubt" in page
    assert "<b>als</b>" not in page
