"""Webhooks: signed so that a stranger can verify it, in three shapes, and only to where they may go."""

import base64
import hashlib
import hmac
import json
import logging
import socket
from typing import Any

import pytest
import requests
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.notifications.actions import remove_webhook
from riskadmin.notifications.delivery import deliver_due
from riskadmin.notifications.models import Message, MessageState, Shape, Webhook
from riskadmin.notifications.topics import Topic
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.notifications.conftest import Receiver
from tests.notifications.notices import hook, make_due, send_notice
from tests.notifications.test_outbox import ORIGIN
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

PAGE = reverse("notifications:webhooks")
URL = "https://hooks.example.com/services/T0K3N"
FORM = {"name": "desk", "url": URL, "shape": "slack", "topics": ["decided", "expiring"]}


@pytest.fixture
def administrator(client: Client) -> Staff:
    person = make_person(Role.ADMINISTRATOR)
    client.force_login(person)
    return person


def message() -> Message:
    return Message.objects.get(channel="webhook")


def test_a_signature_is_what_the_documentation_says(sue: Staff, receiver: Receiver) -> None:
    _, secret = hook(sue, receiver.url)
    send_notice(Topic.DECIDED, sue, subject="Größe")
    deliver_due()
    [(headers, body)] = receiver.received
    key = base64.b64decode(secret[len("whsec_") :])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-id"] == message().key
    assert message().state == MessageState.SENT


def test_a_repeated_try_has_the_same_id(sue: Staff, receiver: Receiver) -> None:
    hook(sue, receiver.url)
    send_notice(Topic.DECIDED, sue)
    receiver.status = 503
    deliver_due()
    assert (message().state, message().last_error) == (MessageState.FAILED, "It answered with HTTP status 503.")
    receiver.status = 204
    make_due()
    deliver_due()
    assert message().state == MessageState.SENT
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1


@pytest.mark.parametrize("shape", list(Shape))
def test_each_shape_says_it_and_links_to_the_page(sue: Staff, receiver: Receiver, settings: Settings, shape: Shape) -> None:
    settings.PUBLIC_URL = "https://risk.example.com"
    hook(sue, receiver.url, shape=shape)
    send_notice(Topic.DECIDED, sue, subject="Change 7 <!channel>", text="[here](https://evil.example)")
    deliver_due()
    body: dict[str, Any] = json.loads(receiver.received[0][1])
    link = "https://risk.example.com/changes/7/"
    match shape:
        case Shape.JSON:
            expected = {"subject": "Change 7 <!channel>", "text": "[here](https://evil.example)", "url": link}
            assert (body["type"], body["data"]) == ("decided", expected)
        case Shape.SLACK:
            assert body["text"] == "Change 7 &lt;!channel&gt;"
            assert {block["text"]["type"] for block in body["blocks"][:-1]} == {"plain_text"}
            assert body["blocks"][-1]["elements"][0]["url"] == link
        case Shape.TEAMS:
            card = body["attachments"][0]["content"]
            assert {part["type"] for part in card["body"]} == {"RichTextBlock"}  # not read as Markdown
            assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open in riskadmin", "url": link}]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/x",
        "http://127.0.0.1:8000/x",  # DEBUG is off
        "https://user:password@hooks.example.com/",
        "https://user@hooks.example.com/",
        "ftp://hooks.example.com/",
        "https:///x",
        "https://hooks.example.com:port/",
        "https://[::1",
        "file:///etc/passwd",
        "hooks.example.com",
    ],
)
def test_an_address_that_may_not_be_is_refused_at_its_field(client: Client, administrator: Staff, url: str) -> None:
    response = client.post(PAGE, {**FORM, "url": url})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["url"]
    assert not Webhook.objects.exists()
    assert not Event.objects.filter(tag=Tag.WEBHOOK_ADDED).exists()


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "127.0.0.1", "169.254.169.254", "::1", "::ffff:192.168.0.1", "0.0.0.0", "100.64.0.1"]
)
def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    sue: Staff, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def resolved(*_: object, **__: object) -> list[tuple[Any, ...]]:
        return [(family, socket.SOCK_STREAM, 6, "", (address, 443))]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    hook(sue, "https://inside.example.com/x")
    send_notice(Topic.DECIDED, sue)
    monkeypatch.setattr("requests_hardened.ip_filter.socket.getaddrinfo", resolved)
    monkeypatch.setattr("urllib3.util.connection.create_connection", refuse)
    deliver_due()
    assert message().state == MessageState.FAILED
    assert "private address" in message().last_error


def test_a_redirect_is_not_followed(sue: Staff, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 307, {"Location": receiver.url}
    hook(sue, receiver.url)
    send_notice(Topic.DECIDED, sue)
    deliver_due()
    assert len(receiver.received) == 1
    assert message().last_error == "It answered with HTTP status 307."


def test_the_secret_is_shown_once_and_the_address_never(
    client: Client, administrator: Staff, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise requests.ConnectionError(URL)

    monkeypatch.setattr("requests_hardened.HTTPSession.post", unreachable)
    caplog.set_level(logging.DEBUG)
    added = client.post(PAGE, FORM)
    secret = added.context["added"][1]
    assert secret in added.content.decode()
    client.post(reverse("notifications:test_webhook", args=[Webhook.objects.get().pk]))
    deliver_due()
    pages = [client.get(address).content.decode() for address in (PAGE, reverse("notifications:outbox"))]
    stored = [str(row) for model in (Webhook, Message, Event) for row in model.objects.values()]
    for text in (*pages, *stored, caplog.text):
        assert secret not in text
        assert "T0K3N" not in text
    assert "hooks.example.com" in pages[0]
    assert message().last_error == "It can't be reached (ConnectionError)."
    [event] = Event.objects.filter(tag=Tag.WEBHOOK_ADDED)
    assert event.detail == {"webhook": "desk", "host": "hooks.example.com", "topics": ["decided", "expiring"]}


def test_a_second_one_of_the_same_name_is_refused(client: Client, administrator: Staff) -> None:
    client.post(PAGE, FORM)
    again = client.post(PAGE, FORM)
    assert again.status_code == 422
    assert list(again.context["form"].errors) == ["name"]
    assert Webhook.objects.count() == 1


def test_a_removed_one_is_erased_and_gets_nothing_more(sue: Staff, receiver: Receiver) -> None:
    webhook, _ = hook(sue, receiver.url)
    send_notice(Topic.DECIDED, sue)
    remove_webhook(actor=sue, origin=ORIGIN, webhook=webhook)
    send_notice(Topic.DECIDED, sue)
    deliver_due()
    assert receiver.received == []
    assert (message().state, message().last_error) == (MessageState.GIVEN_UP, "This webhook was removed.")
    webhook.refresh_from_db()
    assert (webhook.sealed_url, webhook.sealed_secret) == ("", "")
    assert Event.objects.filter(tag=Tag.WEBHOOK_REMOVED).count() == 1
    remove_webhook(actor=sue, origin=ORIGIN, webhook=webhook)
    assert Event.objects.filter(tag=Tag.WEBHOOK_REMOVED).count() == 1


def test_under_another_key_it_says_what_to_do(sue: Staff, receiver: Receiver, settings: Settings) -> None:
    hook(sue, receiver.url)
    send_notice(Topic.DECIDED, sue)
    settings.ENCRYPTION_KEYS = ["another key of this installation, long enough"]
    deliver_due()
    assert receiver.received == []
    assert message().state == MessageState.GIVEN_UP
    assert "add it again" in message().last_error
