"""Gives the demo some life: changes that wait, are decided, scheduled or paused, and a version of the policy that waits."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from celery.app.utils import find_app
from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.approvals.actions import decide
from accounts.approvals.models import PolicyVersion
from accounts.approvals.policy import Stage
from accounts.approvals.policy_versions import RuleDraft, drafts_in_force, propose
from accounts.approvals.states import PolicyState, Verdict
from accounts.approvals.subjects import DecisionRefused
from accounts.changes.actions import PlanMoved, submit
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.plan import plan
from accounts.changes.scheduling.timing import IMMEDIATELY, Timing
from accounts.changes.tracking.control import InvalidTransition, pause
from accounts.models import Account
from riskadmin.audit.commands import OperatorCommand
from riskadmin.audit.origin import Origin
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import AdminAction, Environment, ReasonCode

ORIGIN: Final = Origin(job="seed_demo")
FORM_KEYS: Final = UUID("6a0f9ad4-6f0b-4c0e-9d53-0f2f4c8d7d10")
"""The one-time key of each change follows from its name and this, so that it is requested once."""

ENVIRONMENT: Final = Environment.DEMO
TRIED_MAX: Final = 400
"""Accounts that are looked at for one change."""


class Command(OperatorCommand):
    """`manage.py seed_demo --operator NAME`."""

    help = "Request, approve and reject some changes as the demo's people; what was requested before is left alone."

    def handle(self, *_: Any, **__: Any) -> None:
        """Refuse anywhere but in a demo with the simulator, else request what is not there yet."""
        if not settings.DEMO or not _is_simulated():
            raise CommandError(
                "These changes are sent, so they are requested only in a demo (RISKADMIN_DEMO) with a simulated Tradovate."
            )
        staff = {person.username: person for person in Staff.objects.all()}
        if missing := {"support", "supervisor", "supervisor2", "administrator"} - staff.keys():
            raise CommandError(f"These people are missing: {', '.join(sorted(missing))}. Run create_demo_people first.")
        find_app("riskadmin")  # this process is no worker: changes are announced over that application's broker
        Seeding(staff, self.stdout.write).run()


class Seeding:
    """Requests the changes, each for accounts that no earlier one has."""

    def __init__(self, staff: Mapping[str, Staff], say: Callable[[str], object]) -> None:
        """Take the demo's people by username."""
        self._staff, self._say = staff, say
        self._taken: set[int] = set()

    def run(self) -> None:
        """Request what is not there yet, and decide about it."""
        locked = {"risk_status__admin_action": AdminAction.LOCK.value}
        trading = {"risk_status__admin_action": AdminAction.NORMAL.value}
        ask = self._ask
        if change := ask("approved", "unlock", 3, locked, reason="Reviewed with the traders, new session"):
            self._decide(change, "supervisor", Verdict.APPROVE, "Losses are understood.")
        if change := ask("rejected", "unlock", 2, locked, reason="Trader asks to trade again today"):
            self._decide(change, "supervisor2", Verdict.REJECT, "The daily loss was exceeded twice. Unlock after the session.")
        ask("waiting", "unlock", 1, locked, reason="Locked by mistake, wrong account number")
        new_limit = {"daily_loss_auto_liq_usd": "900"}
        ask("limits", "auto_liq_limits", 40, trading, reason="Daily loss of the new program", parameters=new_limit)
        ask("by a supervisor", "unlock", 4, locked, reason="New session", by="supervisor2")
        if change := ask("edits", "unlock", 2, locked, reason="New session, both traders called"):
            self._decide(change, "supervisor2", Verdict.REQUEST_EDITS, "Only the first one: the second is under review.")
        tomorrow = Timing(runs_at=timezone.now() + timedelta(hours=20))
        if change := ask("scheduled", "unlock", 2, locked, reason="Suspension ends tomorrow", timing=tomorrow):
            self._decide(change, "supervisor", Verdict.APPROVE, "")
        ask("at once", "lock", 12, trading, reason="Suspicious copy trading", by="supervisor")
        self._propose_policy()
        if change := ask("paused", "lock", 60, trading, reason="Accounts without activity", by="supervisor"):
            self._pause(change, "supervisor2")

    def _ask(  # the parts of a form
        self,
        name: str,
        kind_name: str,
        count: int,
        where: Mapping[str, str],
        *,
        reason: str,
        parameters: Mapping[str, str] | None = None,
        by: str = "support",
        timing: Timing = IMMEDIATELY,
    ) -> Change | None:
        """Request a change of some accounts; return it, or None if it was requested before, or nothing suits it."""
        form_key = uuid5(FORM_KEYS, name)
        kind = KINDS[kind_name]
        if Change.objects.filter(form_key=form_key).exists():
            return None
        tried = [number for number in self._account_ids(where) if number not in self._taken]
        ids = [row.target_id for row in plan(kind, environment=ENVIRONMENT, target_ids=tried, parameters=parameters).sent]
        ids = ids[:count]
        planned = plan(kind, environment=ENVIRONMENT, target_ids=ids, parameters=parameters)
        if not planned.sent:
            self._say(f"No account suits {kind.words(count)}, so it is not requested.")
            return None
        self._taken.update(ids)
        try:
            change = submit(
                actor=self._staff[by],
                origin=ORIGIN,
                kind=kind,
                environment=ENVIRONMENT,
                target_ids=ids,
                parameters=parameters,
                reason_code=ReasonCode.OTHER,
                reason_text=reason,
                form_key=form_key,
                shown_digest=planned.digest,
                confirmed_count=len(planned.sent),
                timing=timing,
            )
        except PlanMoved as error:  # the simulated traders trade
            self._say(f"{kind.words(count)}: {error}")
            return None
        self._say(f"Change {change.pk}: {kind.words(len(ids))}")
        return change

    def _propose_policy(self) -> None:
        """Let a version of the policy wait for approval, unless there was one before."""
        if PolicyVersion.objects.exclude(state=PolicyState.IN_FORCE).exists():
            return
        many = RuleDraft(
            kinds=("unlock",),
            from_items_24h=3,
            stages=(Stage(approvals=2, role=Role.SUPERVISOR.value),),
            valid_hours=8,
            note="Several traders at once: two people check them.",
        )
        version = propose(
            actor=self._staff["administrator"],
            origin=ORIGIN,
            rules=[*drafts_in_force(), many],
            note="After last week's unlocks: three and more within a day need a second look.",
        )
        self._say(f"Policy version {version.number} waits for approval.")

    def _pause(self, change: Change, username: str) -> None:
        try:
            pause(actor=self._staff[username], origin=ORIGIN, change_id=change.pk)
        except InvalidTransition as refusal:  # a worker was faster
            self._say(f"Change {change.pk} is not paused: {refusal}")

    def _account_ids(self, where: Mapping[str, str]) -> Iterator[int]:
        found = Account.objects.filter(environment=ENVIRONMENT.value, missing_since=None, **where).order_by("pk")
        return found.values_list("tradovate_id", flat=True)[:TRIED_MAX].iterator()

    def _decide(self, change: Change, username: str, verdict: Verdict, comment: str) -> None:
        try:
            decide(
                actor=self._staff[username],
                origin=ORIGIN,
                request_id=change.approval_id,
                verdict=verdict,
                digest=change.digest,
                comment=comment,
            )
        except DecisionRefused as refusal:
            self._say(f"Change {change.pk} stays undecided: {refusal.message}")


def _is_simulated() -> bool:
    """Whether every environment that is connected is on this machine."""
    urls = [url for url in settings.TRADOVATE_URLS.values() if url]
    return bool(urls) and all(urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"} for url in urls)
