"""Planning, validating and switching at scale."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.actions import decide, withdraw
from accounts.approvals.states import Verdict
from accounts.changes.actions import submit
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change
from accounts.changes.plan import Plan, plan
from accounts.changes.states import ItemState
from accounts.changes.targeting.csv_upload import read_csv
from accounts.models import Account, RiskCategory, RiskStatus, Source
from riskadmin.audit.origin import Origin
from riskadmin.tradovate.vocabulary import Environment, ReasonCode
from tests.bench.firm import Firm
from tests.bench.report import Report, timed
from tests.execution.worker import later

ORIGIN = Origin(request_id="0" * 32, job="bench")
UNKNOWN = (900_000_001, 900_000_002, 900_000_003)
FEW = 100
LIMITS_AT_ONCE = 300


def measure(firm: Firm, report: Report) -> None:
    """Measure every goal that is about asking for many at once."""
    limits_plan(firm, report)
    decision(firm, report)
    limits_calls(firm, report)
    csv_upload(firm, report)
    category_plan(firm, report)
    category_switch(firm, report)


def category_plan(firm: Firm, report: Report) -> None:
    """Plan a switch of everything."""
    ids, kind = firm.open_accounts(), KINDS["risk_category"]
    parameters = kind.parameters({"category": RiskCategory.objects.filter(environment="demo").order_by("pk")[0]})
    few_s, _ = timed(
        lambda: plan(kind, environment=Environment.DEMO, target_ids=ids[:FEW], parameters=parameters).digest, times=3
    )
    all_s, _ = timed(lambda: plan(kind, environment=Environment.DEMO, target_ids=ids, parameters=parameters).digest)
    report.at_most(
        f"plan of a category switch, {len(ids):,} accounts", all_s, "s", goal=1.5, compared_with="design.md section 7"
    )
    report.at_most(
        "  the same for each account, against a plan of 100",
        (all_s / len(ids)) / (few_s / FEW),
        "x",
        goal=1.5,
        compared_with=f"{FEW} accounts in {few_s:.3f} s",
    )


def category_switch(firm: Firm, report: Report) -> None:
    """Switch everything, with three ids among them that Tradovate does not know."""
    for account_id in UNKNOWN:
        now = timezone.now()
        account = Account.objects.create(
            environment="demo",
            tradovate_id=account_id,
            name=f"GONE-{account_id}",
            fresh_at=now,
            positions_read_at=now,
            source=Source.SYNC,
        )
        RiskStatus.objects.create(account=account, admin_action="Normal", fresh_at=now, source=Source.SYNC)
    kind = KINDS["risk_category"]
    categories = RiskCategory.objects.filter(environment="demo").order_by("pk")
    category = min(categories, key=lambda each: each.accounts.count())
    parameters = kind.parameters({"category": category})
    ids = [*firm.open_accounts(), *UNKNOWN]
    shown = plan(kind, environment=Environment.DEMO, target_ids=ids, parameters=parameters)
    firm.simulator.reset_counters()
    change_s, change = timed(lambda: submitted(firm, ids, shown))
    change = approved(firm, change)
    run_s, _ = timed(lambda: _run(change))
    states = list(change.items.values_list("state", flat=True))
    calls = len(firm.simulator.calls(limit=10_000))
    applied = states.count(ItemState.APPLIED)
    isolated = states.count(ItemState.REJECTED) + states.count(ItemState.SKIPPED)  # by the call, or by the read before it
    report.at_least(
        "category switch: unknown ids isolated", isolated, "items", goal=len(UNKNOWN), compared_with=f"{len(ids):,} asked"
    )
    report.at_least(
        "  the rest applied",
        applied / len(shown.sent),
        "of the sent",
        goal=(len(shown.sent) - 3) / len(shown.sent),
        compared_with=f"{len(shown.sent):,} sent",
    )
    report.at_most(
        "  calls, token and read-backs included", calls, "calls", goal=40, compared_with="one unknown id refuses a whole call"
    )
    few_s, few = timed(lambda: _asked(firm, firm.open_accounts()[:FEW], category))
    report.at_most(
        "  submitting them, for each account, against a change of 100",
        (change_s / len(ids)) / (few_s / FEW),
        "x",
        goal=2,
        compared_with=f"{len(ids):,} in {change_s:.1f} s, {few.item_count} in {few_s:.2f} s; carrying it out took {run_s:.1f} s",
    )


def limits_plan(firm: Firm, report: Report) -> None:
    """Plan new limits of everything."""
    ids, kind = firm.open_accounts(), KINDS["auto_liq_limits"]
    parameters = _new_limit(kind)
    few_s, _ = timed(
        lambda: plan(kind, environment=Environment.DEMO, target_ids=ids[:FEW], parameters=parameters).digest, times=3
    )
    all_s, _ = timed(lambda: plan(kind, environment=Environment.DEMO, target_ids=ids, parameters=parameters).digest)
    report.at_most(f"plan of new limits, {len(ids):,} accounts", all_s, "s", goal=1.5, compared_with="design.md section 7")
    report.at_most(
        "  the same for each account, against a plan of 100",
        (all_s / len(ids)) / (few_s / FEW),
        "x",
        goal=1.5,
        compared_with=f"{FEW} accounts in {few_s:.3f} s",
    )


def decision(firm: Firm, report: Report) -> None:
    """Open the page on which new limits of everything are decided, and the inbox that leads to it."""
    ids, kind = firm.open_accounts(), KINDS["auto_liq_limits"]
    shown = plan(kind, environment=Environment.DEMO, target_ids=ids, parameters=_new_limit(kind))
    plan_s, _ = timed(lambda: plan(kind, environment=Environment.DEMO, target_ids=ids, parameters=shown.parameters).digest)
    change = submitted(firm, ids, shown)
    client = Client(headers={"host": settings.ALLOWED_HOSTS[0]})
    client.force_login(firm.supervisor)
    page_s, page = timed(lambda: client.get(reverse("changes:detail", args=[change.pk])), times=3)
    inbox_s, inbox = timed(lambda: client.get(reverse("approvals:inbox")), times=3)
    assert (page.status_code, inbox.status_code) == (200, 200)
    withdraw(actor=firm.support, origin=ORIGIN, request_id=change.approval_id)
    report.at_most(
        f"page of a decision about new limits, {len(ids):,} accounts, against their plan",
        page_s / plan_s,
        "x",
        goal=2,
        compared_with=f"{page_s:.2f} s, the plan {plan_s:.2f} s",
    )
    report.at_most("  the inbox that leads to it", inbox_s, "s", goal=0.3, compared_with="one request waits")


def limits_calls(firm: Firm, report: Report) -> None:
    """Set new limits of 300 accounts and count the calls."""
    kind = KINDS["auto_liq_limits"]
    ids = firm.open_accounts()[:LIMITS_AT_ONCE]
    shown = plan(kind, environment=Environment.DEMO, target_ids=ids, parameters=_new_limit(kind))
    change = approved(firm, submitted(firm, ids, shown))
    firm.simulator.reset_counters()
    _run(change)
    calls = len(firm.simulator.calls(limit=10_000))
    applied = change.items.filter(state=ItemState.APPLIED).count()
    report.at_least(
        "new limits applied", applied / len(shown.sent), "of the sent", goal=1, compared_with=f"{len(shown.sent)} sent"
    )
    report.at_most(
        "  calls for each account, read-backs included",
        calls / len(shown.sent),
        "calls",
        goal=0.02,
        compared_with=f"{calls} calls",
    )


def csv_upload(firm: Firm, report: Report) -> None:
    """Read a sheet of new limits in which three rows in a hundred are wrong."""
    kind = KINDS["auto_liq_limits"]
    names = list(Account.objects.filter(environment="demo", archived=False).order_by("name").values_list("name", flat=True))
    rows = [f"{name},{1000 + number % 500}.00" for number, name in enumerate(names[:10_000])]
    spoiled = range(0, len(rows) - 2, 100)
    for number in spoiled:
        rows[number : number + 3] = [f"NOBODY-{number},1000.00", rows[number + 1] + "x", f"{names[number + 2]},-5"]
    content = "\n".join(["account,daily_loss_auto_liq_usd", *rows]).encode()
    wrong = 3 * len(spoiled)
    csv_s, chosen = timed(lambda: read_csv(kind, Environment.DEMO, content, filename="limits.csv"))
    report.at_most(
        f"CSV of {len(rows):,} rows, {wrong} wrong, validated", csv_s, "s", goal=1.5, compared_with="design.md section 7"
    )
    report.at_least("  wrong rows that are told", len(chosen.problems), "rows", goal=wrong, compared_with=f"{wrong} are wrong")


def _new_limit(kind: Kind) -> State:
    return kind.parameters({"level": "firm", "daily_loss_auto_liq_usd": Decimal("1234.00")})


def _asked(firm: Firm, ids: list[int], category: RiskCategory) -> Change:
    kind = KINDS["risk_category"]
    other = RiskCategory.objects.filter(environment="demo").exclude(pk=category.pk)[0]
    parameters = kind.parameters({"category": other})
    return submitted(firm, ids, plan(kind, environment=Environment.DEMO, target_ids=ids, parameters=parameters))


def submitted(firm: Firm, ids: list[int], shown: Plan) -> Change:
    return submit(
        actor=firm.support,
        origin=ORIGIN,
        kind=shown.kind,
        environment=shown.environment,
        target_ids=ids,
        parameters=shown.parameters,
        reason_code=ReasonCode.OTHER,
        reason_text="A benchmark",
        form_key=uuid4(),
        shown_digest=shown.digest,
        confirmed_count=len(shown.sent),
    )


def approved(firm: Firm, change: Change) -> Change:
    for person in (firm.supervisor, firm.second_supervisor)[: change.approval.needed]:
        decide(
            actor=person,
            origin=ORIGIN,
            request_id=change.approval_id,
            verdict=Verdict.APPROVE,
            digest=change.digest,
            comment="",
        )
    change.refresh_from_db()
    return change


def _run(change: Change) -> None:
    """Carry a change out; the times for which its items wait pass at once."""
    later(change)
