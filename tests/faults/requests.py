"""What people ask for in a run: drawn from the seed, submitted and decided by the product's own functions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from psycopg_pool import PoolTimeout

from accounts.approvals.actions import decide, withdraw
from accounts.approvals.policy_versions import RuleDraft
from accounts.approvals.states import Verdict
from accounts.approvals.subjects import DecisionRefused
from accounts.changes.actions import NothingToDo, PlanMoved, submit
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change
from accounts.changes.plan import plan
from accounts.changes.scheduling.timing import Timing
from accounts.changes.states import ChangeState
from accounts.models import Account, RiskCategory, Trader
from accounts.sync.actions import Part, refresh, sync
from riskadmin.audit.origin import Origin
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment, Lane, ReasonCode
from tests.approvals.policies import SUPERVISOR, put_policy_in_force
from tests.faults.kinds import DRAWN, WITHOUT_APPROVAL, Draw, Pools, requester
from tests.faults.world import World
from tests.staff.people import make_person

ORIGIN: Final = Origin(request_id="0" * 32, job="faults")
LIMITED: Final = 40
FEW: Final = 5
VERDICTS: Final = (*["approve"] * 14, "reject", "withdraw")
"""Of changes of few; one of many is worth more when it is carried out."""

TRIES_TO_DECIDE: Final = 30


class Later(Exception):
    """It can't be done just now, and is to be tried again in a moment."""


@dataclass(frozen=True)
class Wanted:
    """One change that somebody asks for, `at_s` seconds into the run, and that begins `starts_in_s` after that.

    What it carries is found again in the simulator's log.
    """

    number: int
    kind: str
    targets: tuple[int, ...]
    at_s: float
    reason: str
    parameters: dict[str, Any]
    form_key: UUID
    verdict: str
    starts_in_s: float  # 0: as soon as it is decided
    decided_after_s: float = 0.0  # so long its decision waits


def set_up(world: World) -> Pools:
    """Make people and policy, and read the simulator into the mirror; return who can be asked about."""
    for role in (Role.SUPPORT, Role.SUPERVISOR):
        make_person(role)
    make_person(Role.SUPERVISOR, "supervisor2")
    put_policy_in_force([RuleDraft(kinds=(name,), stages=() if name in WITHOUT_APPROVAL else SUPERVISOR) for name in KINDS])
    run = sync(Environment.DEMO)
    assert run is not None
    assert not run.failure, run.failure
    found = Account.objects.filter(environment="demo", archived=False, closed=False).order_by("tradovate_id")
    plain = found.filter(risk_status__admin_at=None, risk_status__liquidate_only_at=None)
    holding = plain.filter(positions__net_pos__gt=0).distinct()

    def ids(accounts: Any) -> tuple[int, ...]:
        return tuple(accounts.values_list("tradovate_id", flat=True))

    free = ids(plain.exclude(pk__in=holding.values("pk")))
    refresh(Environment.DEMO, free[:LIMITED], lane=Lane.BULK, parts=frozenset({Part.PRE_TRADE}))
    pools = Pools(
        open=free[LIMITED:],
        limited=free[:LIMITED],
        locked=ids(found.filter(risk_status__admin_action="LockTradingImmediately")),
        stopped=ids(found.filter(risk_status__admin_at=None, risk_status__liquidate_only_at__isnull=False)),
        holding=ids(holding),
        traders=tuple(
            Trader.objects.filter(environment="demo").order_by("tradovate_id").values_list("tradovate_id", flat=True)
        ),
        categories=tuple(
            RiskCategory.objects.filter(environment="demo").order_by("tradovate_id").values_list("tradovate_id", flat=True)
        ),
    )
    connection.close()
    return pools


def let_go() -> None:
    """Close every connection of this process to the run's database."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # of the PostgreSQL backend


class Drawer:
    """Draws changes for one run. Accounts are used once, except by those who lock what somebody else has under way."""

    def __init__(self, rng: Random, pools: Pools, seed: int) -> None:
        self._rng = rng
        self._pools = pools
        self._seed = seed
        self._left = {
            name: rng.sample(ids, len(ids))
            for name, ids in (
                ("open", pools.open),
                ("locked", pools.locked),
                ("stopped", pools.stopped),
                ("holding", pools.holding),
                ("limited", pools.limited),
                ("traders", pools.traders),
            )
        }

    def changes(self, *, most_items: int, within_s: float) -> list[Wanted]:
        """Draw three to eight changes of together at most about `most_items` items, asked for within so many seconds."""
        rng = self._rng
        asked: list[Wanted] = []
        for _ in range(rng.randint(3, 8)):
            if sum(len(each.targets) for each in asked) >= most_items:
                break
            kind, drawn = rng.choices(list(DRAWN.items()), [each.how_often for each in DRAWN.values()])[0]
            most, left = drawn.most, self._left[drawn.pool]
            count = min(rng.choice((1, 3, rng.randint(1, most), rng.randint(1, most))), most)
            targets = tuple(left.pop() for _ in range(min(count, len(left))))
            if targets:
                asked.append(self._wanted(len(asked) + 1, kind, targets, rng.uniform(0, within_s)))
        rivals = [each for each in asked if each.kind not in {"lock", "user_lockout", "remediation"}]
        if rivals and rng.random() < 0.4:
            rival = rng.choice(rivals)
            some = tuple(rng.sample(rival.targets, min(len(rival.targets), 3)))
            asked.append(self._wanted(len(asked) + 1, "lock", some, rival.at_s + rng.uniform(0.2, 2.0)))
        return asked

    def _wanted(self, number: int, kind: str, targets: tuple[int, ...], at_s: float) -> Wanted:
        rng = self._rng
        return Wanted(
            number=number,
            kind=kind,
            targets=targets,
            at_s=round(at_s, 2),
            reason=f"Seed {self._seed}, change {number}",
            parameters=self._parameters(number, kind),
            form_key=UUID(int=rng.getrandbits(128), version=4),
            verdict="approve" if kind in WITHOUT_APPROVAL or len(targets) > FEW else rng.choice(VERDICTS),
            starts_in_s=self._starts_in_s(number) if kind == "lock" else 0.0,
        )

    def _starts_in_s(self, number: int) -> float:
        """Have one lock in four begin later; of its own chance, so that a seed's other draws don't rest on it.

        Other kinds set aside what has moved meanwhile, in a change that waits for somebody's decision.
        """
        chance = Random(f"{self._seed} {number}")
        return round(chance.uniform(2, 15), 1) if chance.random() < 0.25 else 0.0

    def _parameters(self, number: int, kind: str) -> dict[str, Any]:
        """Return parameters as a form's cleaned data; an amount of money says which change it is of."""
        comment = f"Seed {self._seed}, change {number}"
        return DRAWN[kind].parameters(Draw(number=number, rng=self._rng, pools=self._pools, comment=comment))


class Requester:
    """The people of a run. Each function raises Later while the database is away; asked again, it does nothing twice."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.change_id = 0
        self.is_decided = False
        self._decides_at_s = 0.0
        self._refused = 0

    def submit(self) -> None:
        """Ask for the change as it is planned now."""
        wanted = self.wanted
        kind = KINDS[wanted.kind]
        with _later_without_database():
            parameters = _given(kind, wanted.parameters)
            planned = plan(kind, environment=Environment.DEMO, target_ids=wanted.targets, parameters=parameters)
            try:
                change = submit(
                    actor=Staff.objects.get(username=requester(wanted.kind)),
                    origin=ORIGIN,
                    kind=kind,
                    environment=Environment.DEMO,
                    target_ids=wanted.targets,
                    parameters=parameters,
                    reason_code=ReasonCode.OTHER,
                    reason_text=wanted.reason,
                    form_key=wanted.form_key,
                    shown_digest=planned.digest,
                    confirmed_count=len(planned.sent),
                    timing=Timing(runs_at=timezone.now() + timedelta(seconds=wanted.starts_in_s))
                    if wanted.starts_in_s
                    else Timing(),
                )
            except NothingToDo:
                self.is_decided = True
                return
            except PlanMoved as moved:
                raise Later from moved  # somebody else's call was read back just now: look at the plan again
        self.change_id = change.pk
        self.is_decided = change.state != ChangeState.PENDING
        self._decides_at_s = time.monotonic() + wanted.decided_after_s

    def decide(self) -> None:
        """Decide about it; what can't be approved any more is taken back by who asked."""
        if time.monotonic() < self._decides_at_s:
            raise Later
        with _later_without_database():
            change = Change.objects.select_related("requested_by").get(pk=self.change_id)
            if change.state == ChangeState.PENDING:
                if self.wanted.verdict == "withdraw" or self._refused >= TRIES_TO_DECIDE:
                    withdraw(actor=change.requested_by, origin=ORIGIN, request_id=change.approval_id)
                else:
                    self._decide(change)
        self.is_decided = True

    def _decide(self, change: Change) -> None:
        supervisor = Staff.objects.get(username="supervisor")
        verdict = Verdict(self.wanted.verdict)
        try:
            decide(
                actor=supervisor,
                origin=ORIGIN,
                request_id=change.approval_id,
                verdict=verdict,
                digest=change.digest,
                comment="A test",
            )
        except DecisionRefused as refused:
            self._refused += TRIES_TO_DECIDE if refused.moved else 1
            raise Later from refused


def _given(kind: Kind, cleaned: dict[str, Any]) -> State:
    """Return a change's parameters as its form would."""
    if not cleaned:
        return {}
    if "category" in cleaned:
        cleaned = {"category": RiskCategory.objects.get(environment="demo", tradovate_id=cleaned["category"])}
    return kind.parameters(cleaned)


class _later_without_database:  # noqa: N801  (a context manager, named as it reads)
    """Raise Later for what a database that is away, or full, does to anyone who asks it."""

    def __enter__(self) -> None:
        """Nothing is kept open between two things that people do."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            connection.close()
        except (DatabaseError, InterfaceError):
            connection.connection = None
        if isinstance(error, DatabaseError | InterfaceError | PoolTimeout):
            raise Later from error
