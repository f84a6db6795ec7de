"""Carrying out at scale, by real workers: how fast against bare calls, and how many calls."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import redis
import requests
from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.changes.plan import Plan, plan
from accounts.changes.queries import progress
from accounts.changes.states import ITEM_UNDER_WAY, ChangeState, ItemState
from accounts.models import RiskCategory
from accounts.models.api import ApiAttempt
from accounts.sync.actions import sync
from accounts.sync.complete import ASKED_BY_ID
from riskadmin.tradovate.vocabulary import Environment
from tests.bench.changes import UNKNOWN, approved, submitted
from tests.bench.firm import Firm
from tests.bench.processes import Workers, workers
from tests.bench.report import Report
from tests.simulator.driver import SET_ACTION
from tests.stack import PeopleClient
from tests.staff.people import PASSWORD
from tests.waiting import wait_until

CONCURRENT_CALLS = 16
LATENCY_MS = 100
CLICKS = 60


def measure(firm: Firm, report: Report, directory: Path) -> None:
    """Measure every goal that is about carrying out."""
    firm.simulator.set(user_calls_per_hour=100_000_000, sessions_per_user=100)
    shown = plan(KINDS["lock"], environment=Environment.DEMO, target_ids=firm.open_accounts())
    ids = [row.target_id for row in shown.sent if row.target_id not in UNKNOWN]
    lavish = {"CALLS_AT_ONCE": str(CONCURRENT_CALLS), "BUDGET_CALLS_PER_HOUR": "1000000"}
    with workers(directory / "rate", firm, "bulk", "urgent", **lavish):
        for latency_ms in (LATENCY_MS, 0):
            _rate(firm, report, ids, latency_ms=latency_ms)
        _category(firm, report, ids)
    # People click for some fifteen seconds, in which so many calls at once make 2,400: a small change must last, too.
    at_once = CONCURRENT_CALLS if len(ids) > 2 * CONCURRENT_CALLS * 10_000 // LATENCY_MS else CONCURRENT_CALLS // 4
    with workers(directory / "urgent", firm, "bulk", "urgent", "web", **{**lavish, "CALLS_AT_ONCE": str(at_once)}) as running:
        _urgent(firm, report, ids, running)
    with workers(directory / "recovery", firm, "bulk", "urgent", **lavish) as running:
        _recovery(firm, report, ids, running)
    _budget_bound(firm, report, ids, directory)


def _rate(firm: Firm, report: Report, ids: Sequence[int], *, latency_ms: int) -> None:
    """Lock everything, unlocked before, and compare with the bare calls."""
    _unlock(firm, ids)
    firm.simulator.set(latency_ms=latency_ms)
    try:
        bare_s = _bare(firm, ids)
        _unlock(firm, ids)
        firm.simulator.reset_counters()
        change_s, change = _locked(firm, ids)
    finally:
        firm.simulator.set(latency_ms=0)
    calls = firm.simulator.counters()["calls"]
    applied = change.items.filter(state=ItemState.APPLIED).count()
    rate, bare = len(ids) / change_s, len(ids) / bare_s
    of = f"{len(ids):,} locks, {CONCURRENT_CALLS} at once, {latency_ms} ms"
    report.at_least(f"{of}: applied", applied / len(ids), "of the sent", goal=1, compared_with=f"{change_s:.1f} s")
    if latency_ms:
        report.at_least(
            "  rate against a bare thread pool",
            rate / bare,
            "x",
            goal=0.95,
            compared_with=f"{rate:.0f} a second, bare {bare:.0f}",
        )
    else:
        report.at_least(
            "  items a second",
            rate,
            "1/s",
            goal=0,
            compared_with=f"bare {bare:.0f}; bound by the leader's Python and PostgreSQL",
        )
    report.at_most(
        "  calls for each account, read-backs included", calls / len(ids), "calls", goal=1.01, compared_with=f"{calls} calls"
    )


def _locked(firm: Firm, ids: Sequence[int]) -> tuple[float, Change]:
    """Ask for the locks and wait for the last one; return the seconds it took from the ask to the last outcome."""
    change = finished(approved(firm, submitted(firm, list(ids), _locks(ids))))
    assert change.approval.decided_at
    assert change.finished_at
    return (change.finished_at - change.approval.decided_at).total_seconds(), change


def _unlock(firm: Firm, ids: Sequence[int]) -> None:
    """Take every lock away, and have the mirror know."""
    _bare(firm, ids, "Normal")
    run = sync(Environment.DEMO)
    assert run is not None
    assert run.failure == "", run.failure


def _bare(firm: Firm, ids: Sequence[int], action: str = "LockTradingImmediately") -> float:
    """Make such calls with nothing but `requests`; return the seconds it took."""
    token, local = firm.simulator.token(), threading.local()

    def call(account_id: int) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env = False
            local.session.headers["Authorization"] = f"Bearer {token}"
        body = {
            "accountId": account_id,
            "adminAction": action,
            "adminActionReasonCode": "Other",
            "adminActionReason": "Bare",
        }
        answer = local.session.post(f"{firm.simulator.demo_url}{SET_ACTION}", json=body, timeout=20)
        assert answer.json()["accountRiskStatus"]["adminAction"] == action, answer.text

    began = time.perf_counter()
    with ThreadPoolExecutor(CONCURRENT_CALLS) as pool:
        list(pool.map(call, ids))
    return time.perf_counter() - began


def _category(firm: Firm, report: Report, ids: Sequence[int]) -> None:
    """Switch everything in one call, all of it known to Tradovate."""
    kind = KINDS["risk_category"]
    category = min(RiskCategory.objects.filter(environment="demo"), key=lambda each: each.accounts.count())
    parameters = kind.parameters({"category": category})
    shown = plan(kind, environment=Environment.DEMO, target_ids=ids, parameters=parameters)
    firm.simulator.reset_counters()
    finished(approved(firm, submitted(firm, list(ids), shown)))
    calls = firm.simulator.counters()["calls"]
    report.at_most(
        f"category switch of {len(shown.sent):,}: calls for each account, read-back included",
        calls / len(shown.sent),
        "calls",
        goal=(3 if len(shown.sent) > ASKED_BY_ID else 5)
        / len(shown.sent),  # a read, the switch, a read; few are read 500 at a time
        compared_with=f"{calls} calls; <= 0.0003 with 10,000",
    )


def _urgent(firm: Firm, report: Report, ids: Sequence[int], running: Workers) -> None:
    """Lock single accounts on the web, while nothing else runs and while a large change does."""
    _unlock(firm, ids)
    firm.simulator.set(latency_ms=LATENCY_MS)
    try:
        person = PeopleClient(running.base_url, firm.support.username, PASSWORD)
        idle = [_click_to_arrival(firm, person, account_id) for account_id in ids[:CLICKS]]
        change = approved(firm, submitted(firm, list(ids[2 * CLICKS :]), _locks(ids[2 * CLICKS :])))
        wait_until(lambda: change.items.filter(state=ItemState.APPLIED).exists(), timeout=60, every=0.2)
        busy = [_click_to_arrival(firm, person, account_id) for account_id in ids[CLICKS : 2 * CLICKS]]
        change.refresh_from_db()
        was_running = change.state == ChangeState.RUNNING
        finished(change)
    finally:
        firm.simulator.set(latency_ms=0)
    report.at_most(
        f"urgent lock from click to Tradovate, p95 during {change.item_count:,} items against idle",
        _p95(busy) / _p95(idle),
        "x",
        goal=1.5,
        compared_with=f"idle p50 {median(idle):.3f} p95 {_p95(idle):.3f} s, busy p50 {median(busy):.3f} p95 {_p95(busy):.3f} s"
        + ("" if was_running else "; THE LARGE CHANGE ENDED TOO SOON"),
    )


def _click_to_arrival(firm: Firm, person: PeopleClient, account_id: int) -> float:
    """Ask for a lock and return the seconds from the POST to its arrival at the simulator."""
    path = f"/changes/new/lock/?account=demo:{account_id}"
    page = person.get(path)
    so_far = firm.simulator.effects(account_id=account_id, source="call", limit=10_000)
    since = so_far[-1]["id"] if so_far else 0
    clicked_at = datetime.now(UTC)
    person.post(path, page, reason_code="Other", reason_text="A benchmark")
    (effect,) = wait_until(lambda: firm.simulator.effects(account_id=account_id, source="call", since_id=since), every=0.05)
    return (datetime.fromisoformat(effect["at"]) - clicked_at).total_seconds()


def _recovery(firm: Firm, report: Report, ids: Sequence[int], running: Workers) -> None:
    """Kill every worker and wipe Redis in the middle."""
    _unlock(firm, ids)
    firm.simulator.set(latency_ms=LATENCY_MS)
    firm.simulator.reset_counters()
    before = _last_effect(firm)
    try:
        change = approved(firm, submitted(firm, list(ids), _locks(ids)))
        wait_until(lambda: change.items.filter(state=ItemState.APPLIED).count() > len(ids) // 4, timeout=300, every=0.2)
        running.kill()
        redis.Redis.from_url(settings.REDIS_URL).flushdb()
        killed_at = datetime.now(UTC)
        under_way = list(change.items.filter(state__in=ITEM_UNDER_WAY).values_list("pk", flat=True))
        running.start("bulk", "urgent", clock=False)
        finished(change)
    finally:
        firm.simulator.set(latency_ms=0)
    recovered_at = Item.objects.filter(pk__in=under_way).aggregate(at=Max("settled_at"))["at"]
    states = Counter(change.items.values_list("state", flat=True))
    effects = sum(1 for _ in _effects_since(firm, before))
    lost = len(ids) - states[ItemState.APPLIED]
    report.at_most(
        f"workers killed and Redis wiped amid {len(ids):,} items: all under way recovered",
        (recovered_at - killed_at).total_seconds() if under_way else 0.0,
        "s",
        goal=60,
        compared_with=f"{len(under_way)} items were under way",
    )
    report.at_most("  lost", lost, "items", goal=0, compared_with=f"{dict(states)}")
    report.at_most(
        "  effects beyond one an item", effects - len(ids) + lost, "effects", goal=0, compared_with=f"{effects} effects"
    )


def _budget_bound(firm: Firm, report: Report, ids: Sequence[int], directory: Path) -> None:
    """Ask for more than the hour holds, in three bulk changes and urgent ones, and see how much of the hour is used."""
    _unlock(firm, ids)
    third = len(ids) // 3
    limit = third * 2
    firm.simulator.reset_counters()
    firm.simulator.set(user_calls_per_hour=limit, latency_ms=20)
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    ApiAttempt.objects.all().delete()
    hour = {
        "BUDGET_CALLS_PER_HOUR": str(limit),
        "BUDGET_SAFETY_MARGIN": str(max(1, limit // 200)),
        "CALLS_AT_ONCE": str(CONCURRENT_CALLS),
    }
    kept_back = limit // 10 // 3 + 40  # together more than the share that is the urgent lane's alone
    parts = [ids[start : start + third - kept_back] for start in (0, third, 2 * third)]
    urgent = [account_id for start in (1, 2, 3) for account_id in ids[start * third - kept_back : start * third]]
    try:
        with workers(directory / "bound", firm, "bulk", "bulk", "urgent", **hour):
            changes = [approved(firm, submitted(firm, list(part), _locks(part))) for part in parts]
            wait_until(lambda: _is_held(changes), timeout=600, every=0.5)
            few = limit // 10 // 40 + 1
            for number in range(few):
                some = urgent[number * 40 : (number + 1) * 40]
                changes.append(approved(firm, submitted(firm, some, _locks(some))))
            wait_until(lambda: _is_held(changes[3:]) or _none_open(changes[3:]), timeout=600, every=0.5)
    finally:
        counters = firm.simulator.counters()
        too_many = firm.simulator.counters(status=429)["calls"]
        firm.simulator.set(user_calls_per_hour=100_000_000, latency_ms=0)
    bulk = [change.items.filter(state__in=(ItemState.APPLIED, ItemState.SENT)).count() for change in changes[:3]]
    report.at_least(
        f"budget-bound, {limit:,} calls an hour, 2 bulk workers, 3 changes: share used",
        counters["calls"] / limit,
        "of the hour",
        goal=0.98,
        compared_with=f"{counters['calls']:,} calls; the three changes got {bulk}",
    )
    report.at_most("  answers 429", too_many, "calls", goal=0, compared_with="the simulator counts as Tradovate does")


def _is_held(changes: Sequence[Change]) -> bool:
    held = Change.objects.filter(pk__in=[change.pk for change in changes], held_until__gt=timezone.now() + timedelta(minutes=5))
    return held.exists() and not Item.objects.filter(change__in=changes, state=ItemState.SENDING).exists()


def _none_open(changes: Sequence[Change]) -> bool:
    return not Item.objects.filter(change__in=changes, state__in=(ItemState.QUEUED, ItemState.SENDING)).exists()


def _locks(ids: Sequence[int]) -> Plan:
    return plan(KINDS["lock"], environment=Environment.DEMO, target_ids=ids)


def finished(change: Change) -> Change:
    """Wait for a change's last item, with somebody looking on."""
    wait_until(lambda: progress(change.pk).change.state == ChangeState.FINISHED, timeout=900, every=1.0)
    change.refresh_from_db()
    return change


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(0.95 * len(values)))]


def _effects_since(firm: Firm, effect_id: int) -> Iterator[int]:
    """The ids of what calls changed after that one."""
    while found := firm.simulator.effects(source="call", endpoint=SET_ACTION, since_id=effect_id, limit=10_000):
        for effect in found:
            yield effect["id"]
        effect_id = found[-1]["id"]


def _last_effect(firm: Firm) -> int:
    last = 0
    for last in _effects_since(firm, 0):  # noqa: B007  (the last one is wanted)
        pass
    return last
