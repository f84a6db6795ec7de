"""Hostile text in every field of every form, and in every query: no error, nothing of it unescaped, no page turned around.

The addresses are those of the permission matrix, so one that is added is tried here, too. Which fields an address reads is
found by looking: the names that it looks up, and the text fields of the forms that it checks.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote_plus

import pytest
import redis
from django import forms
from django.db import transaction
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoDbBlocker

from accounts.gateway.connections.actions import WorkingConnection
from accounts.pages.read_now import Outcome
from tests.access.test_every_address import somebody
from tests.permission_table import TABLE, Row
from tests.permission_world import World, make_world

pytestmark = pytest.mark.django_db

RIGHT_TO_LEFT: Final = "\u202e"
SHORT: Final = f"{RIGHT_TO_LEFT}\N{GRINNING FACE}<script>x</script>{{0}}%s%(x)s${{x}}"
"""What may be stored. It is short, so that it fits most fields."""

SURROGATE: Final = "%ED%A0%80"
"""A lone surrogate, as bytes that are not UTF-8."""

STORED: Final = quote_plus(SHORT) + SURROGATE
REFUSED: Final = quote_plus(f"\x00\x1b{SHORT}{'W' * 20_000}") + SURROGATE

KEPT_AS_TYPED: Final = re.compile(r'<textarea.*?</textarea>|\s(?:value|href|action|hx-\w+|content)="[^"]*"', re.DOTALL)
"""Where a text stands alone, and turns nothing around it."""


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """What there is to be opened, made once."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world()
        transaction.set_rollback(True)


@pytest.fixture
def world(made: World, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same, without a Tradovate."""
    monkeypatch.setattr("accounts.pages.views.read_now", lambda _account: Outcome())
    tested = WorkingConnection(seconds=0.1, categories=5)
    for name in ("actions.try_connection", "actions.log_in_with"):
        monkeypatch.setattr(f"accounts.gateway.connections.{name}", lambda *_, **__: tested)
    return made


@contextmanager
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[set[str], set[str]]]:
    """The names that requests read of their query or form, and those of the text fields of forms that are checked."""
    names: set[str] = set()
    texts: set[str] = set()
    check = forms.BaseForm.full_clean

    def noting(name: str) -> Callable[..., Any]:
        read = getattr(QueryDict, name)

        def note(self: QueryDict, key: Any, *rest: Any) -> Any:
            names.add(str(key))
            return read(self, key, *rest)

        return note

    def full_clean(self: forms.BaseForm) -> None:
        texts.update(self.add_prefix(name) for name, field in self.fields.items() if is_text(field))
        check(self)

    with monkeypatch.context() as patched:
        for name in ("__getitem__", "get", "getlist", "__contains__"):
            patched.setattr(QueryDict, name, noting(name))
        patched.setattr(forms.BaseForm, "full_clean", full_clean)
        yield names, texts


def is_text(field: forms.Field) -> bool:
    return isinstance(field, forms.CharField | forms.JSONField) and not field.widget.is_hidden


def client_for(row: Row, world: World) -> Client:
    """The client of somebody whom the permission matrix lets open an address."""
    client, who = Client(), somebody(row, world)
    if who:
        client.force_login(who)
    return client


def right(sent: dict[str, Any]) -> dict[str, str]:
    """Values that an address takes, as they are sent."""
    return {name: quote_plus(str(value[0] if isinstance(value, list) else value)) for name, value in sent.items()}


def send(client: Client, row: Row, world: World, values: dict[str, str], *, follow: bool = False) -> Any:
    """Send values, which are quoted already: what isn't UTF-8 stays so."""
    path = reverse(row.name, args=row.arguments(world))
    sent = "&".join(f"{quote_plus(name)}={value}" for name, value in values.items())
    if row.method == "GET":
        return client.get(f"{path}?{sent}")
    return client.post(path, sent, content_type="application/x-www-form-urlencoded", follow=follow)


def faults_of(answer: Any) -> list[str]:
    """What is wrong with an answer."""
    found = ["an error of the server"] if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR else []
    if answer.get("Content-Type", "").startswith("text/html") and not answer.streaming:
        page = answer.content.decode()
        shown = KEPT_AS_TYPED.sub("", page)
        found += ["not escaped"] * ("<script>x" in page)
        found += [f"turned around: {shown.partition(RIGHT_TO_LEFT)[0][-80:]!r}"] * (RIGHT_TO_LEFT in shown)
        found += ["a control character"] * ("\x00" in shown or "\x1b" in shown)
    return found


def tried(row: Row, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Send hostile text to one address, and yield what is wrong with its answers."""
    client, values = client_for(row, world), right(row.sent(world) | row.query(world))
    begun = transaction.savepoint()
    with looked_up(monkeypatch) as (names, texts):
        send(client, row, world, values)
    transaction.savepoint_rollback(begun)
    tries = [dict.fromkeys(names | values.keys(), REFUSED)] if names or values else []
    tries += [{**values, **dict.fromkeys(texts, STORED)}] if texts and row.method == "POST" else []
    for each in tries:
        begun = transaction.savepoint()
        client = client_for(row, world)
        yield from (f"{row}, {sorted(each)}: {fault}" for fault in faults_of(send(client, row, world, each, follow=True)))
        transaction.savepoint_rollback(begun)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_does_no_harm(world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str) -> None:
    rows = [row for row in TABLE if row.method == method]
    assert [fault for row in rows for fault in tried(row, world, monkeypatch)] == []
    assert "could not be written" not in caplog.text, "what follows an event, such as a message"
