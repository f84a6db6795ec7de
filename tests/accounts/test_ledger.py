"""The budget's durable memory: each row is there for every process at once, and ages by PostgreSQL's own clock."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.query import QuerySet

from accounts import ledger as ledger_module
from accounts.ledger import PostgresLedger, forget_old
from accounts.models import ApiAttempt, ApiHalt
from accounts.storage import InsideTransaction
from riskadmin.tradovate.errors import StoreUnavailable
from riskadmin.tradovate.vocabulary import Lane

pytestmark = pytest.mark.django_db(transaction=True)

ledger = PostgresLedger()


def attempt_of(age: timedelta, *, user: str = "us") -> ApiAttempt:
    return ApiAttempt.objects.create(api_user=user, endpoint="account/list", lane="bulk", attempted_at=datetime.now(UTC) - age)


def test_recent_gives_what_was_appended_in_order_and_no_other_users() -> None:
    first = ledger.append(user="us", endpoint="account/list", lane=Lane.BULK)
    second = ledger.append(user="us", endpoint="user/list", lane=Lane.URGENT)
    ledger.append(user="them", endpoint="user/list", lane=Lane.BULK)

    attempts = ledger.recent(user="us", within_s=3600)

    assert [(attempt.id, attempt.endpoint) for attempt in attempts] == [(first, "account/list"), (second, "user/list")]
    assert all(0 <= attempt.age_s < 60 for attempt in attempts)
    assert ApiAttempt.objects.get(pk=second).lane == "urgent"


def test_attempts_outside_the_window_are_not_recent() -> None:
    attempt_of(timedelta(seconds=3700))
    inside = attempt_of(timedelta(seconds=3500))

    (attempt,) = ledger.recent(user="us", within_s=3600)

    assert attempt.id == inside.pk
    assert 3500 <= attempt.age_s < 3600


def test_a_forgotten_attempt_is_gone_and_forgetting_twice_is_no_error() -> None:
    attempt_id = ledger.append(user="us", endpoint="account/list", lane=Lane.BULK)

    ledger.forget(attempt_id)
    ledger.forget(attempt_id)

    assert not ledger.recent(user="us", within_s=3600)


def test_every_write_refuses_to_run_inside_a_transaction() -> None:
    with transaction.atomic():
        with pytest.raises(InsideTransaction):
            ledger.append(user="us", endpoint="account/list", lane=Lane.BULK)
        with pytest.raises(InsideTransaction):
            ledger.forget(1)
        with pytest.raises(InsideTransaction):
            ledger.save_halt(user="us", endpoint=None, reason="429", seconds=3600)

    assert not ApiAttempt.objects.exists()
    assert not ApiHalt.objects.exists()


def test_eight_writers_at_once_lose_nothing() -> None:
    def write(_: int) -> list[int]:
        try:
            return [ledger.append(user="us", endpoint="account/list", lane=Lane.BULK) for _ in range(25)]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        ids = [attempt_id for written in pool.map(write, range(8)) for attempt_id in written]

    assert len(set(ids)) == 200
    assert {attempt.id for attempt in ledger.recent(user="us", within_s=3600)} == set(ids)


def test_the_longest_halt_of_each_scope_is_in_force() -> None:
    ledger.save_halt(user="us", endpoint=None, reason="429", seconds=3600)
    ledger.save_halt(user="us", endpoint=None, reason="423", seconds=60)
    ledger.save_halt(user="us", endpoint="auth/me", reason="captcha", seconds=120)
    ledger.save_halt(user="us", endpoint="auth/me", reason="over", seconds=-1)
    ledger.save_halt(user="them", endpoint=None, reason="429", seconds=3600)

    halts = {halt.endpoint: halt for halt in ledger.halts("us")}

    assert {scope: halt.reason for scope, halt in halts.items()} == {None: "429", "auth/me": "captcha"}
    assert 3500 < halts[None].left_s <= 3600


def test_what_nothing_counts_any_more_is_forgotten_a_bounded_number_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "FORGOTTEN_AT_ONCE", 2)
    for _ in range(3):
        attempt_of(timedelta(hours=3))
    kept = attempt_of(timedelta(minutes=119))
    ledger.save_halt(user="us", endpoint=None, reason="long over", seconds=-8000)

    assert [forget_old(), forget_old(), forget_old()] == [3, 1, 0]

    assert ApiAttempt.objects.get() == kept
    assert not ApiHalt.objects.exists()


def test_a_database_that_fails_is_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(QuerySet, "create", fail)

    with pytest.raises(StoreUnavailable, match="closed the connection"):
        ledger.append(user="us", endpoint="account/list", lane=Lane.BULK)
