"""What is deleted after how long, and that nothing else is."""

import os
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from pytest_django import Settings

from accounts.models import SyncRun
from riskadmin.audit.models import Event
from riskadmin.local.places import PROJECT
from riskadmin.notifications.models import Message, MessageState
from riskadmin.operations.retention import RULES, clean_up
from riskadmin.staff.roles import Role
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


def test_messages_go_once_they_are_old_and_ended(settings: Settings) -> None:
    settings.KEEP_MESSAGES_DAYS = 90
    person, now = make_person(Role.SUPPORT), timezone.now()
    for number, (state, days) in enumerate((state, days) for state in MessageState for days in (89, 91)):
        Message.objects.create(
            key=f"key {number}", topic="t", channel="page", person=person, subject=f"{state} {days}", link="/", state=state,
            created_at=now - timedelta(days=days), next_try_at=now,
        )  # fmt: skip
    events = Event.objects.count()
    assert clean_up()["messages"] == 2
    assert set(Message.objects.values_list("subject", flat=True)) == {
        *(f"{state} 89" for state in MessageState),
        "waiting 91",
        "failed 91",
    }
    assert Event.objects.count() == events


def test_ended_sessions_and_old_reads_go() -> None:
    sessions = import_module(django_settings.SESSION_ENGINE).SessionStore.get_model_class().objects
    now = timezone.now()
    for key, hours in (("ended", -1), ("lasting", 1)):
        sessions.create(session_key=key, session_data="", expire_date=now + timedelta(hours=hours))
    for days in (89, 91):
        at = now - timedelta(days=days)
        SyncRun.objects.create(environment="demo", started_at=at, seen_at=at, ended_at=at)
    running = SyncRun.objects.create(environment="demo", started_at=now - timedelta(days=99), seen_at=now)
    assert clean_up()["sync_runs"] == 1
    assert list(sessions.values_list("session_key", flat=True)) == ["lasting"]
    assert SyncRun.objects.count() == 2
    assert SyncRun.objects.filter(pk=running.pk).exists()


def test_caught_mail_goes(settings: Settings, tmp_path: Path) -> None:
    settings.EMAIL_FILE_PATH = str(tmp_path)
    for name, days in (("old.log", 31), ("young.log", 29), ("old.txt", 31)):
        at = (timezone.now() - timedelta(days=days)).timestamp()
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    assert clean_up()["caught_mail"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"young.log", "old.txt"}


def test_each_rule_is_documented() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = text.partition("## What is kept how long")[2]
    for rule in RULES:
        assert f"| {rule.what} | {rule.kept} |" in table, rule.name
