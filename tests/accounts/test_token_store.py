"""The shared token: encrypted at rest, for one user and address only, replaced by one process at a time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from accounts.gateway.storage import InsideTransaction
from accounts.gateway.token_store import PostgresTokenStore
from accounts.models.api import ApiToken
from riskadmin.tradovate.vocabulary import Environment

pytestmark = pytest.mark.django_db(transaction=True)

EXPIRES_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def a_store(**changed: str) -> PostgresTokenStore:
    given = {"base_url": "https://demo.tradovateapi.com/v1", "user": "us"} | changed
    return PostgresTokenStore(environment=Environment(given.pop("environment", "demo")), **given)


store = a_store()


def save(token: str, *, holder: str = "a") -> None:
    assert store.lease(holder=holder, seconds=20)
    assert store.save(holder=holder, access_token=token, expires_at=EXPIRES_AT)
    store.release(holder=holder)


def test_there_is_no_token_before_the_first() -> None:
    assert store.load() is None
    assert store.lease(holder="a", seconds=20)
    assert store.load() is None


def test_each_saved_token_is_the_next_generation() -> None:
    save("first")
    save("second")

    token = store.load()

    assert token is not None
    assert (token.access_token, token.expires_at, token.generation) == ("second", EXPIRES_AT, 2)


def test_the_token_is_encrypted_at_rest() -> None:
    save("very-secret-token")

    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text, convert_from(ciphertext, 'UTF8') FROM accounts_apitoken t")
        row, ciphertext = cursor.fetchone()

    assert "very-secret-token" not in row + ciphertext
    assert len(ciphertext) > 80


@pytest.mark.parametrize(
    "changed",
    [{"user": "them"}, {"base_url": "http://127.0.0.1:9/v1"}],
    ids=["user", "address"],
)
def test_a_token_stored_for_another_user_or_address_is_no_token(changed: dict[str, str]) -> None:
    save("token")

    assert a_store(**changed).load() is None


def test_a_token_stored_under_another_key_is_no_token(settings: Settings) -> None:
    save("token")
    settings.ENCRYPTION_KEYS = ["x" * 40]
    assert a_store().load() is None


def test_environments_have_tokens_of_their_own() -> None:
    save("token")

    assert a_store(environment="live").load() is None
    assert ApiToken.objects.get().environment == "demo"


def test_one_holder_has_the_lease_and_may_take_it_again() -> None:
    assert store.lease(holder="a", seconds=20)
    assert not store.lease(holder="b", seconds=20)
    assert store.lease(holder="a", seconds=20)

    store.release(holder="b")
    assert not store.lease(holder="b", seconds=20)
    store.release(holder="a")
    assert store.lease(holder="b", seconds=20)


def test_a_lapsed_lease_is_free_and_its_holder_saves_no_more() -> None:
    assert store.lease(holder="dead", seconds=20)
    ApiToken.objects.update(leased_until=datetime.now(UTC) - timedelta(seconds=1))

    assert not store.save(holder="dead", access_token="late", expires_at=EXPIRES_AT)
    assert store.lease(holder="a", seconds=20)
    assert not store.save(holder="dead", access_token="late", expires_at=EXPIRES_AT)

    assert store.load() is None


def test_of_many_at_once_one_takes_the_lease() -> None:
    def take(number: int) -> bool:
        try:
            return store.lease(holder=f"process {number}", seconds=20)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, range(16)))

    assert taken.count(True) == 1
    assert ApiToken.objects.count() == 1


def test_every_write_refuses_to_run_inside_a_transaction() -> None:
    with transaction.atomic():
        with pytest.raises(InsideTransaction):
            store.lease(holder="a", seconds=20)
        with pytest.raises(InsideTransaction):
            store.release(holder="a")
        with pytest.raises(InsideTransaction):
            store.save(holder="a", access_token="token", expires_at=EXPIRES_AT)

    assert not ApiToken.objects.exists()
