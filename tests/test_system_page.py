"""The system page: what it says of trading hours."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.models.api import AnswerCap, IdProof
from riskadmin.staff.roles import Role
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


def section(client: Client, at: str = "2026-11-21 15:00") -> str:
    """What the page holds of trading hours, at that time in UTC."""
    with time_machine.travel(datetime.fromisoformat(at).replace(tzinfo=UTC), tick=False):
        client.force_login(make_person(Role.SUPERVISOR))
        page = client.get(reverse("system"))
    assert page.status_code == 200
    found = re.search(r'aria-labelledby="hours-title">(.*?)</section>', page.content.decode(), re.DOTALL)
    assert found
    return found[1]


def facts(section: str) -> dict[str, str]:
    """The facts, each with its words."""
    found = re.findall(r"<dt>(.*?)</dt>\s*<dd[^>]*>(.*?)</dd>", section, re.DOTALL)
    return {name: " ".join(strip_tags(value).split()) for name, value in found}


# It is six hours less in Chicago, in which the page's times are.
ALWAYS = {
    "Calendars": "CME Globex Equity, CMEGlobex_FX, CMEGlobex_EnergyAndMetals, CME Globex Interest Rate Products",
}


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (
            "2026-11-21 15:00",
            {
                "Now": "In a window",
                "Next session begins": "2026-11-22 17:00",
                "Window opened": "2026-11-20 20:30",
                "It closes": "2026-11-21 21:30",
                "Holidays known until": "2027-11-20 18:00",
            },
        ),
        (
            "2026-11-27 15:00",
            {
                "Now": "Trading",
                "Session ends": "2026-11-27 13:45",
                "Next session begins": "2026-11-29 17:00",
                "Next window opens": "2026-11-27 13:45",
                "It closes": "2026-11-27 15:30",
                "Holidays known until": "2027-11-26 18:00",
            },
        ),
        (
            "2026-11-25 22:30",
            {
                "Now": "No trading, no window",
                "Next session begins": "2026-11-25 17:00",
                "Next window opens": "2026-11-27 13:45",
                "It closes": "2026-11-27 15:30",
                "Holidays known until": "2027-11-24 18:00",
            },
        ),
    ],
)
def test_the_system_page_says_what_the_exchange_does(client: Client, at: str, expected: dict[str, str]) -> None:
    assert facts(section(client, at)) == expected | ALWAYS


@override_settings(EXCHANGE_CALENDARS=["Nowhere"])
def test_it_says_why_nothing_is_known(client: Client) -> None:
    found = section(client)
    assert "The trading hours are not known, so no window opens." in found
    assert "There is no calendar &#x27;Nowhere&#x27;; docs/running.md lists them." in found
    assert facts(found) == {}


def test_answers_that_are_cut_and_records_with_ids_of_their_own_are_shown(client: Client) -> None:
    now = timezone.now()
    AnswerCap.objects.create(environment="demo", endpoint="account/list", rows=1024, seen_at=now)
    AnswerCap.objects.create(environment="demo", endpoint="user/list", rows=700, seen_at=now - timedelta(hours=2))
    IdProof.objects.create(
        environment="live", entity="accountRiskStatus", matches=False, account_id=7, record_id=9, checked_at=now
    )
    client.force_login(make_person(Role.SUPERVISOR))

    page = " ".join(strip_tags(client.get(reverse("system")).content.decode()).split())

    assert "Tradovate cuts long answers." in page
    assert "account/list on demo: at most 1,024 rows" in page
    assert "user/list" not in page  # not seen for an hour
    assert "Records of accountRiskStatus on live have ids of their own." in page
    assert "The record of account 7 is 9" in page
    assert "lists cut" in strip_tags(client.get(reverse("status")).content.decode())
