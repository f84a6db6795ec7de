"""The budget's durable memory: each row is there for every process at once, and ages by PostgreSQL's own clock."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection, transaction

from accounts.gateway import ledger as ledger_module
from accounts.gateway.ledger import PostgresLedger, forget_old
from accounts.gateway.storage import InsideTransaction
from accounts.models.api import ApiAttempt, ApiHalt
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.errors import StoreUnavailable
from riskadmin.tradovate.vocabulary import Lane

pytestmark = pytest.mark.django_db(transaction=True)

ledger = PostgresLedger()


def attempt_of(age: timedelta, *, user: str = "us") -> ApiAttempt:
    return ApiAttempt.objects.create(api_user=user, endpoint="account/list", lane="bulk", attempted_at=datetime.now(UTC) - age)


def test_recent_gives_what_was_appended_in_order_and_no_other_users() -> None:
    (first,) = ledger.append(user="us", address="", endpoint="account/list", lane=Lane.BULK, attempts=1)
    (second,) = ledger.append(user="us", address="", endpoint="user/list", lane=Lane.URGENT, attempts=1)
    ledger.append(user="them", address="there", endpoint="user/list", lane=Lane.BULK, attempts=1)

    attempts = ledger.recent(user="us", address="", within_s=3600)

    assert [(attempt.id, attempt.endpoint) for attempt in attempts] == [(first, "account/list"), (second, "user/list")]
    assert all(0 <= attempt.age_s < 60 for attempt in attempts)
    assert ApiAttempt.objects.get(pk=second).lane == "urgent"


def test_attempts_outside_the_window_are_not_recent() -> None:
    attempt_of(timedelta(seconds=3700))
    inside = attempt_of(timedelta(seconds=3500))

    (attempt,) = ledger.recent(user="us", address="", within_s=3600)

    assert attempt.id == inside.pk
    assert 3500 <= attempt.age_s < 3600


def test_a_forgotten_attempt_is_gone_and_forgetting_twice_is_no_error() -> None:
    (attempt_id,) = ledger.append(user="us", address="", endpoint="account/list", lane=Lane.BULK, attempts=1)

    ledger.forget([attempt_id])
    ledger.forget([attempt_id])

    assert not ledger.recent(user="us", address="", within_s=3600)


def test_every_write_refuses_to_run_inside_a_transaction() -> None:
    with transaction.atomic():
        with pytest.raises(InsideTransaction):
            ledger.append(user="us", address="", endpoint="account/list", lane=Lane.BULK, attempts=1)
        with pytest.raises(InsideTransaction):
            ledger.forget([1])
        with pytest.raises(InsideTransaction):
            ledger.save_halt(user="us", address="", endpoint=None, reason="429", seconds=3600)

    assert not ApiAttempt.objects.exists()
    assert not ApiHalt.objects.exists()


def test_eight_writers_at_once_lose_nothing() -> None:
    def write(_: int) -> list[int]:
        try:
            return [
                each
                for _ in range(25)
                for each in ledger.append(user="us", address="", endpoint="account/list", lane=Lane.BULK, attempts=1)
            ]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        ids = [attempt_id for written in pool.map(write, range(8)) for attempt_id in written]

    assert len(set(ids)) == 200
    assert {attempt.id for attempt in ledger.recent(user="us", address="", within_s=3600)} == set(ids)


def test_the_longest_halt_of_each_scope_is_in_force() -> None:
    ledger.save_halt(user="us", address="", endpoint=None, reason="429", seconds=3600)
    ledger.save_halt(user="us", address="", endpoint=None, reason="423", seconds=60)
    ledger.save_halt(user="us", address="", endpoint="auth/me", reason="captcha", seconds=120)
    ledger.save_halt(user="us", address="", endpoint="auth/me", reason="over", seconds=-1)
    ledger.save_halt(user="them", address="", endpoint=None, reason="429", seconds=3600)

    halts = {halt.endpoint: halt for halt in ledger.halts(user="us", address="here")}

    assert {scope: halt.reason for scope, halt in halts.items()} == {None: "429", "auth/me": "captcha"}
    assert 3500 < halts[None].left_s <= 3600


def test_a_stop_is_told_in_the_trail_once_however_long_it_goes_on() -> None:
    scope = "accountRiskStatus/setadminautoliqaction@demo"
    ledger.save_halt(user="us", address="", endpoint=scope, reason="denied", seconds=60)
    ledger.save_halt(user="us", address="", endpoint=scope, reason="denied", seconds=120, is_new=False)

    event = Event.objects.get(tag=Tag.API_HALTED)
    assert (event.detail["endpoint"], event.detail["text"]) == ("accountRiskStatus/setadminautoliqaction on demo", "denied")
    assert [halt.endpoint for halt in ledger.halts(user="us", address="")] == [scope, scope]


def test_what_nothing_counts_any_more_is_forgotten_a_bounded_number_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "FORGOTTEN_AT_ONCE", 2)
    for _ in range(3):
        attempt_of(timedelta(hours=3))
    kept = attempt_of(timedelta(minutes=119))
    ledger.save_halt(user="us", address="", endpoint=None, reason="long over", seconds=-8000)

    assert [forget_old(), forget_old(), forget_old()] == [3, 1, 0]

    assert ApiAttempt.objects.get() == kept
    assert not ApiHalt.objects.exists()


def test_a_database_that_fails_is_a_store_that_is_away() -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("the server closed the connection")

    with connection.execute_wrapper(fail), pytest.raises(StoreUnavailable, match="closed the connection"):
        ledger.append(user="us", address="", endpoint="account/list", lane=Lane.BULK, attempts=1)


def test_another_users_attempts_and_stops_at_the_same_address() -> None:
    (ours,) = ledger.append(user="us", address="cloud", endpoint="user/list", lane=Lane.BULK, attempts=1)
    (theirs,) = ledger.append(user="them", address="office", endpoint="auth/me", lane=Lane.BULK, attempts=1)
    ledger.append(user="them", address="home", endpoint="auth/me", lane=Lane.BULK, attempts=1)
    ledger.save_halt(user="them", address="office", endpoint="auth/me", reason="captcha", seconds=60)
    ledger.save_halt(user="them", address="office", endpoint=None, reason="429", seconds=60)
    ledger.save_halt(user="them", address="home", endpoint="user/list", reason="p-ticket", seconds=60)

    attempts = ledger.recent(user="us", address="office", within_s=60)

    assert [(attempt.id, attempt.user, attempt.address) for attempt in attempts] == [
        (ours, "us", "cloud"),
        (theirs, "them", "office"),
    ]
    assert [(halt.reason, halt.user, halt.address) for halt in ledger.halts(user="us", address="office")] == [
        ("captcha", "them", "office")
    ]


def test_the_limit_learnt_last_is_kept_with_its_event() -> None:
    assert ledger.lowered("us") is None
    ledger.save_lowered(user="us", calls=4000, counted=4001, seconds=86_400)
    ledger.save_lowered(user="us", calls=3000, counted=3001, seconds=-10)
    ledger.save_lowered(user="them", calls=1, counted=2, seconds=86_400)

    lowered = ledger.lowered("us")

    assert lowered is not None
    assert (lowered.calls, lowered.counted, lowered.lasts_s) == (3000, 3001, -10)
    assert 0 <= lowered.age_s < 60
    event = Event.objects.filter(tag=Tag.API_LIMIT_LOWERED).order_by("pk").first()
    assert event is not None
    assert event.detail["text"] == "to 4000 an hour, as 4001 were counted when Tradovate answered 429"


def test_a_limit_that_is_long_over_is_forgotten() -> None:
    ledger.save_lowered(user="us", calls=1, counted=2, seconds=-99 * 86_400)
    assert forget_old() == 0
    ledger.save_lowered(user="us", calls=1, counted=2, seconds=-101 * 86_400)
    assert forget_old() == 1
