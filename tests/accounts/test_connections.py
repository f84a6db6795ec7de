"""The page of connections: what we log in with is replaced only by what Tradovate accepts, and shown to no one."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.gateway import credentials
from accounts.gateway.connection import NotConnected, client, log_in_with
from accounts.models.api import ApiCredentials, ApiSession
from riskadmin.audit.models import Event
from riskadmin.staff.roles import Role
from riskadmin.tradovate.errors import OutcomeUnknown
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.simulator.driver import CID, SEC, Simulator
from tests.staff.people import make_person

REPLACE = "/connections/demo/credentials/"
REPLACED = "tired-horse-2"


@pytest.fixture
def administrator(transactional_db: None, client: Client) -> Client:
    client.force_login(make_person(Role.ADMINISTRATOR))
    return client


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    credentials.forget()


def typed(password: str) -> dict[str, str]:
    return {"password": password, "cid": CID, "sec": SEC}


def tags() -> list[str]:
    return list(Event.objects.filter(tag__startswith="api:").order_by("pk").values_list("tag", flat=True))


def test_accepted_credentials_are_stored_and_used(simulator: Simulator, administrator: Client) -> None:
    simulator.set(password=REPLACED)
    answer = administrator.post(REPLACE, typed(REPLACED))
    assert answer.status_code == 303, answer.content.decode()
    stored = ApiCredentials.objects.get(environment="demo")
    assert (REPLACED in stored.sealed, SEC in stored.sealed, stored.set_by_name) == (False, False, "administrator")
    assert tags() == ["api:credentials:tried", "api:credentials:stored"]
    assert credentials.credentials(Environment.DEMO).password == REPLACED
    assert client(Environment.DEMO, Lane.URGENT).risk_categories().value
    page = administrator.get(reverse("connections:page")).content.decode()
    assert REPLACED not in page
    assert REPLACED not in administrator.get(REPLACE).content.decode()
    assert REPLACED not in str(list(Event.objects.values()))


def test_refused_credentials_are_not_stored(simulator: Simulator, administrator: Client) -> None:
    answer = administrator.post(REPLACE, typed(REPLACED))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Nothing was stored" in page
    assert REPLACED not in page
    assert not ApiCredentials.objects.exists()
    assert tags()[0] == "api:credentials:tried"
    assert "api:credentials:stored" not in tags()


def test_what_is_missing_is_said_at_its_field(simulator: Simulator, administrator: Client) -> None:
    answer = administrator.post(REPLACE, typed(""))
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["password"])
    assert tags() == []


def test_a_connection_is_tested_with_one_call(simulator: Simulator, administrator: Client) -> None:
    answer = administrator.post(reverse("connections:test", args=["demo"]), follow=True)
    assert "Demo answered within" in answer.content.decode()
    assert tags() == ["api:connection:tested"]
    assert administrator.post(reverse("connections:test", args=["live"])).status_code == 404


def test_a_session_that_others_displaced_is_named(simulator: Simulator, administrator: Client) -> None:
    tradovate = client(Environment.DEMO, Lane.URGENT)
    log_in_with(Environment.DEMO, credentials.of_settings(), why="A test")
    simulator.set(sessions_per_user=2)
    simulator.token()
    simulator.token()  # the third session of this user ends the first, which is ours
    with pytest.raises(OutcomeUnknown):  # it draws 408, and then there is a new session
        tradovate.risk_categories()
    ended, current = ApiSession.objects.order_by("begun_at")
    assert (ended.ended_at is not None, "displaced it" in ended.why_ended, current.ended_at) == (True, True, None)
    assert "displaced it" in administrator.get(reverse("connections:page")).content.decode()


def test_credentials_under_a_lost_key_connect_nothing(simulator: Simulator, settings: Settings) -> None:
    ApiCredentials.objects.create(environment="demo", sealed="gAAAAA", set_by_name="administrator")
    with pytest.raises(NotConnected, match="Store them again"):
        client(Environment.DEMO, Lane.URGENT)
