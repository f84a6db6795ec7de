"""How often one person may ask for what costs much, and what is never limited."""

import pytest
import redis
from django.test import Client
from limits import RateLimitItemPerMinute
from pytest_django.fixtures import Settings

from accounts.changes.kinds import KINDS
from accounts.changes.states import Direction
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.web import rate_limits
from tests.api.programs import Program
from tests.changes.world import make_account
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

TWO = 2


@pytest.fixture(autouse=True)
def limits_of_two(settings: Settings, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits are on, and all of them are two requests a minute."""
    settings.RATE_LIMITS = True
    count = rate_limits.seconds_to_wait
    monkeypatch.setattr(
        rate_limits,
        "seconds_to_wait",
        lambda limit, who: count(RateLimitItemPerMinute(TWO, namespace=limit.namespace), who),
    )


@pytest.fixture
def person() -> Staff:
    return make_person(Role.SUPPORT)


@pytest.fixture
def client(person: Staff) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_the_third_is_refused_with_the_time_to_wait(client: Client) -> None:
    assert [client.get("/accounts/accounts.csv").status_code for _ in range(3)] == [200, 200, 429]
    refused = client.get("/accounts/accounts.csv")
    assert 1 <= int(refused["Retry-After"]) <= 120
    assert f"Try again in {refused['Retry-After']} second" in refused.content.decode()


def test_each_person_and_each_sort_is_counted_alone(client: Client) -> None:
    assert [client.get("/accounts/accounts.csv").status_code for _ in range(3)][-1] == 429
    assert client.get("/accounts/").status_code == 200
    other = Client()
    other.force_login(make_person(Role.SUPPORT, "other"))
    assert other.get("/accounts/accounts.csv").status_code == 200


def test_what_was_typed_is_kept_and_can_be_sent_again(client: Client) -> None:
    typed = {"how": "names", "environment": "demo", "text": 'Alice <b> "102"\n103'}
    for _ in range(TWO):
        client.post("/changes/targets/unlock/", typed)
    refused = client.post("/changes/targets/unlock/", typed)
    page = refused.content.decode()
    assert refused.status_code == 429
    assert 'name="text" value="Alice &lt;b&gt; &quot;102&quot;\n103"' in page
    assert 'method="post" action="/changes/targets/unlock/"' in page
    assert "csrfmiddlewaretoken" in page


def test_htmx_leaves_the_form_where_it_is(client: Client) -> None:
    for _ in range(TWO):
        client.get("/accounts/")
    refused = client.get("/accounts/", headers={"HX-Request": "true"})
    assert (refused.status_code, refused["HX-Reswap"]) == (429, "none")
    assert "That was too often" in refused["HX-Trigger"]


@pytest.mark.parametrize("kind", sorted(kind.name for kind in KINDS.values() if kind.direction != Direction.LOOSENING))
def test_what_an_emergency_needs_is_never_limited(kind: str) -> None:
    make_account(102)
    client = Client()
    client.force_login(make_person(Role.SUPERVISOR))
    answers = {client.get(f"/changes/new/{kind}/?account=demo:102").status_code for _ in range(TWO + 3)}
    answers |= {client.get(f"/changes/targets/{kind}/").status_code for _ in range(TWO + 3)}
    assert 429 not in answers


def test_the_others_are(client: Client) -> None:
    make_account(102)
    assert [client.get("/changes/new/unlock/?account=demo:102").status_code for _ in range(3)] == [200, 200, 429]


def test_each_token_of_a_program_is_counted_alone(client: Client, person: Staff) -> None:
    make_account(102)
    program, other = Program(person), Program(person)
    assert [program.get("/accounts").status_code for _ in range(3)] == [200, 200, 429]
    assert other.get("/accounts").status_code == 200
    assert client.get("/accounts/").status_code == 200
    unlock = {"kind": "unlock", "environment": "demo", "targets": [102]}
    refused = program.post("/previews", unlock)
    assert (refused.status_code, set(refused.json())) == (429, {"error", "detail", "fields", "request_id"})
    assert f"Try again in {refused['Retry-After']} second" in refused.json()["detail"]
    assert {program.post("/previews", {**unlock, "kind": "lock"}).status_code for _ in range(TWO + 3)} == {200}


def test_a_program_that_asks_too_often_does_not_flood_the_trail(person: Staff) -> None:
    program = Program(person)
    assert [program.get("/accounts").status_code for _ in range(6)] == [200, 200, 429, 429, 429, 429]
    used = Event.objects.filter(tag=Tag.TOKEN_USED).order_by("id")
    assert [event.detail["status"] for event in used] == [200, 200, 429, 429], "of the refused ones as many as the limit allows"


def test_without_redis_no_one_is_limited(client: Client, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.REDIS_URL = "unix:///nowhere/at/all"
    assert {client.get("/accounts/accounts.csv").status_code for _ in range(5)} == {200}
    assert "Redis doesn't answer, so exports are not limited" in caplog.text


def test_a_request_refused_for_another_reason_is_not_counted(redis_client: redis.Redis) -> None:
    client = Client()
    client.force_login(make_person(Role.COMPLIANCE))
    assert client.get("/templates/1/apply/").status_code == 403
    assert Client().get("/accounts/accounts.csv").status_code == 302
    assert redis_client.keys("rate*") == []
