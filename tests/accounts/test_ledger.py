"""The budget's ledger in PostgreSQL: its transactions, its trail, its own clock, and what is deleted. Its rules: `tests/tradovate`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from accounts.gateway import ledger as ledger_module
from accounts.gateway.ledger import PostgresLedger, forget_old
from accounts.gateway.storage import InsideTransaction
from accounts.models.api import ApiAttempt, ApiHalt, ApiLimit
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.errors import StoreUnavailable
from riskadmin.tradovate.ledger import Admitted, Lowering, Quota, Refused, Wanted
from riskadmin.tradovate.vocabulary import Lane
from tests.tradovate.stores import database_away

pytestmark = pytest.mark.django_db(transaction=True)

ledger = PostgresLedger()
QUOTA = Quota(
    user="us", address="office", calls_per_hour=100, safety_margin=0, urgent_share_pct=10, window=timedelta(seconds=3630)
)
DENIAL = "accountRiskStatus/setadminautoliqaction@demo"


def wanted(calls: int = 1) -> Wanted:
    return Wanted(endpoint="account/list", lane=Lane.URGENT, calls=calls, own_limit=None, scope="account/list@demo")


def attempts_of(age: timedelta, count: int = 1) -> list[ApiAttempt]:
    at = datetime.now(UTC) - age
    return [
        ApiAttempt.objects.create(api_user="us", endpoint="account/list", lane="bulk", attempted_at=at) for _ in range(count)
    ]


WRITES: dict[str, Callable[[], object]] = {
    "admit": lambda: ledger.admit(QUOTA, wanted()),
    "withdraw": lambda: ledger.withdraw([1]),
    "release": lambda: ledger.release(1),
    "halt": lambda: ledger.halt(QUOTA, endpoint="", reason="429", seconds=3600),
    "deny": lambda: ledger.deny(QUOTA, scope=DENIAL, reason="denied"),
    "end_denial": lambda: ledger.end_denial(QUOTA, scope=DENIAL),
    "lower": lambda: ledger.lower(QUOTA, refused_at=datetime.now(UTC)),
}
ALL: dict[str, Callable[[], object]] = {
    **WRITES,
    "state": lambda: ledger.state(QUOTA, calls=0, lane=Lane.URGENT, scopes=()),
}


@pytest.mark.parametrize("name", WRITES)
def test_every_write_refuses_to_run_inside_a_transaction(name: str) -> None:
    with transaction.atomic(), pytest.raises(InsideTransaction):
        WRITES[name]()
    assert not ApiAttempt.objects.exists()
    assert not ApiHalt.objects.exists()
    assert not ApiLimit.objects.exists()


@pytest.mark.parametrize("name", ALL)
def test_a_database_that_fails_is_a_store_that_is_away(name: str) -> None:
    with database_away(), pytest.raises(StoreUnavailable, match="closed the connection"):
        ALL[name]()


def test_an_admission_is_one_statement() -> None:
    statements: list[str] = []

    def note(execute: Callable[..., object], sql: str, *rest: object) -> object:
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        admitted = ledger.admit(QUOTA, wanted(9))

    assert isinstance(admitted, Admitted)
    assert len(statements) == 1
    assert len(admitted.ids) == ApiAttempt.objects.count() == 9


def test_attempts_count_by_the_clock_of_postgresql_for_a_window() -> None:
    attempts_of(timedelta(seconds=3631), 50)
    attempts_of(timedelta(seconds=3600), 98)

    admitted = ledger.admit(QUOTA, wanted(5))
    refused = ledger.admit(QUOTA, wanted())

    assert isinstance(admitted, Admitted)
    assert len(admitted.ids) == 2
    assert isinstance(refused, Refused)
    assert refused.stopped_by is None
    assert 0 < refused.wait_s <= 30


def test_a_refusal_leaves_no_row_and_uses_no_number() -> None:
    """So that the ids of the calls of an hour tell how many there are at most."""
    ledger.halt(QUOTA, endpoint="", reason="429", seconds=60)
    assert isinstance(ledger.admit(QUOTA, wanted(5)), Refused)
    assert not ApiAttempt.objects.exists()
    ApiHalt.objects.all().delete()
    first, second = ledger.admit(QUOTA, wanted()), ledger.admit(QUOTA, wanted())
    assert isinstance(first, Admitted)
    assert isinstance(second, Admitted)
    assert second.ids[0] == first.ids[0] + 1


def test_a_stop_has_its_event() -> None:
    ledger.halt(QUOTA, endpoint="auth/me", reason="captcha", seconds=60)

    event, stop = Event.objects.get(tag=Tag.API_HALTED), ApiHalt.objects.get()
    assert (event.detail["endpoint"], event.detail["text"]) == ("auth/me", "captcha")
    assert stop.until == stop.noticed_at + timedelta(seconds=60)
    assert datetime.fromisoformat(event.detail["until"]) == stop.until.replace(
        microsecond=stop.until.microsecond // 1000 * 1000
    )


def test_a_denial_is_recorded_once_however_long_it_lasts() -> None:
    assert ledger.deny(QUOTA, scope=DENIAL, reason="denied").is_new
    ApiHalt.objects.update(noticed_at=datetime.now(UTC) - timedelta(seconds=61), until=datetime.now(UTC) - timedelta(seconds=1))
    assert not ledger.deny(QUOTA, scope=DENIAL, reason="denied").is_new

    event = Event.objects.get(tag=Tag.API_HALTED)
    assert event.detail["endpoint"] == "accountRiskStatus/setadminautoliqaction on demo"
    assert list(ApiHalt.objects.values_list("endpoint", flat=True)) == [DENIAL, DENIAL]


def test_a_lowered_limit_has_its_event() -> None:
    attempts_of(timedelta(seconds=5), 80)

    lowering = ledger.lower(QUOTA, refused_at=datetime.now(UTC))

    assert lowering == Lowering(79, 80, 86_400.0)
    event = Event.objects.get(tag=Tag.API_LIMIT_LOWERED)
    assert event.detail["text"] == "to 79 an hour, as 80 were counted when Tradovate answered 429"


def test_what_nothing_counts_any_more_is_forgotten_a_bounded_number_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "FORGOTTEN_AT_ONCE", 2)
    attempts_of(timedelta(hours=3), 3)
    kept = attempts_of(timedelta(minutes=119))
    ledger.halt(QUOTA, endpoint="", reason="long over", seconds=-8000)

    assert [forget_old(), forget_old(), forget_old()] == [3, 1, 0]

    assert list(ApiAttempt.objects.all()) == kept
    assert not ApiHalt.objects.exists()


def test_a_limit_that_is_long_over_is_forgotten() -> None:
    now = datetime.now(UTC)
    for days, forgotten in ((99, 0), (101, 1)):
        ApiLimit.objects.create(api_user="us", calls=1, counted=2, learnt_at=now, until=now - timedelta(days=days))
        assert forget_old() == forgotten


def test_the_functions_can_be_taken_back_and_put_again() -> None:
    def functions() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_proc WHERE starts_with(proname, 'budget_')")
            return int(cursor.fetchone()[0])

    assert functions() == 3
    try:
        call_command("migrate", "accounts", "0008", verbosity=0)
        assert functions() == 0
    finally:
        call_command("migrate", verbosity=0)  # those that depend on it were taken back, too
    assert isinstance(ledger.admit(QUOTA, wanted()), Admitted)
