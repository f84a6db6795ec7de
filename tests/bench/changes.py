"""Planning, validating and switching at scale."""

from __future__ import annotations

from uuid import uuid4

from celery import current_app
from django.utils import timezone

from accounts.changes.actions import decide, submit
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.plan import Plan, plan
from accounts.changes.states import ItemState, Verdict
from accounts.execution.confirm import read_back_due
from accounts.execution.send import send_batch
from accounts.models import Account, RiskCategory, RiskStatus, Source
from riskadmin.audit.origin import Origin
from riskadmin.tradovate.vocabulary import Environment, ReasonCode
from tests.bench.firm import Firm
from tests.bench.report import Report, timed

ORIGIN = Origin(request_id="0" * 32, job="bench")
UNKNOWN = (900_000_001, 900_000_002, 900_000_003)
FEW = 100


def measure(firm: Firm, report: Report) -> None:
    """Measure every goal that is about asking for many at once."""
    current_app.conf.task_always_eager = False
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
            environment="demo", tradovate_id=account_id, name=f"GONE-{account_id}", fresh_at=now, source=Source.SYNC
        )
        RiskStatus.objects.create(account=account, admin_action="Normal", fresh_at=now, source=Source.SYNC)
    kind = KINDS["risk_category"]
    categories = RiskCategory.objects.filter(environment="demo").order_by("pk")
    category = min(categories, key=lambda each: each.accounts.count())
    parameters = kind.parameters({"category": category})
    ids = [*firm.open_accounts(), *UNKNOWN]
    shown = plan(kind, environment=Environment.DEMO, target_ids=ids, parameters=parameters)
    firm.simulator.reset_counters()
    change_s, change = timed(lambda: _asked_and_approved(firm, ids, shown))
    run_s, _ = timed(lambda: _run(change))
    states = list(change.items.values_list("state", flat=True))
    calls = len(firm.simulator.calls(limit=10_000))
    applied, rejected = states.count(ItemState.APPLIED), states.count(ItemState.REJECTED)
    report.at_least(
        "category switch: unknown ids isolated", rejected, "items", goal=len(UNKNOWN), compared_with=f"{len(ids):,} asked"
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
    report.at_most(
        "  submit and approve, for each 10,000",
        change_s / len(ids) * 10_000,
        "s",
        goal=20,
        compared_with=f"{len(ids):,} items and their events",
    )
    report.at_most(
        "  send, isolate, confirm, settle, for each 10,000",
        run_s / len(ids) * 10_000,
        "s",
        goal=60,
        compared_with=f"{len(ids):,} items and their events",
    )


def _asked_and_approved(firm: Firm, ids: list[int], shown: Plan) -> Change:
    change = submit(
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
    for person in (firm.supervisor, firm.second_supervisor)[: change.decisions_needed]:
        change = decide(
            actor=person, origin=ORIGIN, change_id=change.pk, verdict=Verdict.APPROVE, digest=change.digest, comment=""
        )
    return change


def _run(change: Change) -> None:
    for _ in range(4):
        send_batch(change.pk, origin=ORIGIN)
        read_back_due(origin=ORIGIN)
