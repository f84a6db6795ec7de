"""Random interleavings of what people, the clock and workers do to changes, on real PostgreSQL.

After every step each claimed item has to have the approvals that policy wanted when it was requested: by different people, none
of them its requester, each active and a supervisor when they approved, and each for exactly the content that is stored. That is
worked out here from what the machine did itself, and not from what the application keeps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import ClassVar, Final, TypeAlias

import time_machine
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from accounts.approvals.actions import decide, expire_overdue, withdraw
from accounts.approvals.states import Verdict
from accounts.approvals.subjects import DecisionRefused, NotAllowed
from accounts.changes.models import Change, Item
from accounts.changes.scheduling.start import start_due
from accounts.changes.scheduling.timing import Timing
from accounts.changes.states import ChangeState, ItemState
from accounts.changes.tracking import control
from accounts.execution.claim import claim
from accounts.execution.queue import with_work
from riskadmin.audit.origin import Origin
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Lane
from tests.approvals.policies import SUPERVISOR, TWO_SUPERVISORS, edit_policy, want_for
from tests.changes.world import LOCKED, approve, ask, make_account
from tests.rewriting import unguarded
from tests.staff.people import make_person

ORIGIN: Final = Origin(job="tests")
KIND: Final = "unlock"
APPROVERS: Final = ("supervisor1", "supervisor2", "supervisor3")
LATER: Final = timedelta(days=1)
Content: TypeAlias = frozenset[tuple[str, str]]
"""Of each item that would be sent: its target, and what it would be set to."""

people, numbers = st.sampled_from(APPROVERS), st.integers(0, 5)


@dataclass(frozen=True, kw_only=True)
class Given:
    """An approval that the machine has seen accepted."""

    person: int
    might: bool
    content: Content


@dataclass(kw_only=True)
class Asked:
    """What the machine knows of a change: how many approvals it needs, those it has, and what its digest was at first."""

    requester: int
    needed: int
    shown: str
    given: list[Given] = field(default_factory=list)

    @classmethod
    def of(cls, change: Change, *, needed: int) -> "Asked":
        """Return what is known of a change that was just requested."""
        return cls(requester=change.requested_by_id, needed=needed, shown=change.digest)


@dataclass(frozen=True, kw_only=True)
class Firm:
    """What every run begins with: changes, with what is known of them, and accounts that none of them has."""

    asked: Mapping[int, Asked]
    accounts: Sequence[int]


def make_firm() -> Firm:
    """Write people, accounts, and changes: two that wait, one for two approvals with the first, one for later, one that runs."""
    support = make_person(Role.SUPPORT)
    first, second, _ = [make_person(Role.SUPERVISOR, name) for name in APPROVERS]
    want_for(KIND, stages=SUPERVISOR)
    for number in range(1, 16):
        make_account(number, LOCKED)
    waiting, own = ask(support, KIND, 1, 2), ask(first, KIND, 3)
    later = ask(support, KIND, 4, 5, timing=Timing(runs_at=timezone.now() + LATER))
    running = ask(support, KIND, 6, 7)
    want_for(KIND, stages=TWO_SUPERVISORS)
    double = ask(support, KIND, 8, 9)
    want_for(KIND, stages=SUPERVISOR)
    asked = {change.pk: Asked.of(change, needed=1) for change in (waiting, own, later, running)}
    asked[double.pk] = Asked.of(double, needed=2)
    for change in (later, running, double):
        asked[change.pk].given.append(Given(person=second.pk, might=True, content=content_of(change.pk)))
        approve(second, change)
    return Firm(asked=asked, accounts=range(10, 16))


def content_of(change_id: int) -> Content:
    """Return what is stored of a change now."""
    items = Item.objects.filter(change=change_id).exclude(state=ItemState.SKIPPED)
    return frozenset((item.target, repr(item.after)) for item in items)


class Interleavings(RuleBasedStateMachine):
    """One run: it begins with a firm, and everything that it does is taken back."""

    firm: ClassVar[Firm]
    runs: ClassVar[int] = 0
    claimed: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.savepoint()
        self.active = dict.fromkeys(APPROVERS, True)
        self.has_role = dict.fromkeys(APPROVERS, True)
        self.two_wanted = False
        self.unused = list(self.firm.accounts)
        self.asked = {pk: replace(asked, given=list(asked.given)) for pk, asked in self.firm.asked.items()}

    def teardown(self) -> None:
        """Take everything back, and count the run."""
        type(self).claimed += Item.objects.exclude(claimed_at=None).count()
        transaction.savepoint_rollback(self.savepoint)
        type(self).runs += 1

    def _change(self, number: int) -> Change:
        ids = sorted(self.asked)
        return Change.objects.get(pk=ids[number % len(ids)])

    def _attempt(self, act: Callable[[], object]) -> bool:
        try:
            with transaction.atomic():
                act()
        except (DecisionRefused, NotAllowed, control.InvalidTransition):
            return False
        return True

    # --- What people do ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.unused)
    @rule(by_supervisor=st.booleans(), later=st.booleans())
    def submit(self, *, by_supervisor: bool, later: bool) -> None:
        """Ask for another change."""
        name = APPROVERS[0] if by_supervisor else "support"
        if not self.active.get(name, True) or not self.has_role.get(name, True):
            return
        timing = Timing(runs_at=timezone.now() + LATER) if later else Timing()
        change = ask(Staff.objects.get(username=name), KIND, self.unused.pop(), timing=timing)
        self.asked[change.pk] = Asked.of(change, needed=2 if self.two_wanted else 1)

    @rule(number=numbers, name=people)
    def approve(self, number: int, name: str) -> None:
        """Approve a change as it is."""
        self._approve(number, name, stale=False)

    @rule(number=numbers, name=people)
    def approve_what_was_shown(self, number: int, name: str) -> None:
        """Approve a change as it was when it was requested."""
        self._approve(number, name, stale=True)

    def _approve(self, number: int, name: str, *, stale: bool) -> None:
        change, person = self._change(number), Staff.objects.get(username=name)
        asked = self.asked[change.pk]
        given = Given(person=person.pk, might=self.active[name] and self.has_role[name], content=content_of(change.pk))
        if self._decide(change, person, Verdict.APPROVE, asked.shown if stale else change.digest):
            asked.given.append(given)

    @rule(number=numbers, name=people, verdict=st.sampled_from([Verdict.REJECT, Verdict.REQUEST_EDITS, None]))
    def end(self, number: int, name: str, verdict: Verdict | None) -> None:
        """Reject a change, ask for edits, or withdraw it; what is edited is asked for again by `submit`."""
        change = self._change(number)
        if verdict:
            self._decide(change, Staff.objects.get(username=name), verdict, change.digest)
        else:
            self._attempt(lambda: withdraw(actor=change.requested_by, origin=ORIGIN, request_id=change.approval_id))

    def _decide(self, change: Change, person: Staff, verdict: Verdict, digest: str, excluded: Sequence[str] = ()) -> bool:
        return self._attempt(
            lambda: decide(
                actor=person,
                origin=ORIGIN,
                request_id=change.approval_id,
                verdict=verdict,
                digest=digest,
                comment="A reason",
                excluded=excluded,
            )
        )

    @rule(number=numbers, name=people)
    def exclude(self, number: int, name: str) -> None:
        """Approve a change without one of its items."""
        change, person = self._change(number), Staff.objects.get(username=name)
        item = change.items.filter(state=ItemState.WAITING).order_by("-position").first()
        if change.state != ChangeState.PENDING or item is None or item.position == 1:
            return
        might = self.active[name] and self.has_role[name]
        if self._decide(change, person, Verdict.APPROVE, change.digest, [str(item.pk)]):
            self.asked[change.pk].given[:] = [
                Given(person=person.pk, might=might, content=content_of(change.pk))
            ]  # others lapse

    @rule(number=numbers, name=people)
    def pause(self, number: int, name: str) -> None:
        """Pause a change."""
        change, person = self._change(number), Staff.objects.get(username=name)
        self._attempt(lambda: control.pause(actor=person, origin=ORIGIN, change_id=change.pk))

    @rule(number=numbers, name=people)
    def resume(self, number: int, name: str) -> None:
        """Resume a change."""
        change, person = self._change(number), Staff.objects.get(username=name)
        self._attempt(lambda: control.resume(actor=person, origin=ORIGIN, change_id=change.pk))

    @rule(name=people, is_switched=st.booleans())
    def change_person(self, name: str, *, is_switched: bool) -> None:
        """Switch a person off or take their role away, or the other way round."""
        if is_switched:
            self.active[name] = not self.active[name]
            Staff.objects.filter(username=name).update(is_active=self.active[name])
        else:
            self.has_role[name] = not self.has_role[name]
            role = Role.SUPERVISOR if self.has_role[name] else Role.SUPPORT
            Staff.objects.get(username=name).groups.set(Group.objects.filter(name=role.value))

    @rule()
    def change_policy(self) -> None:
        """Have a policy in force that wants two approvals, or one again."""
        self.two_wanted = not self.two_wanted
        stages = TWO_SUPERVISORS if self.two_wanted else SUPERVISOR
        edit_policy(lambda each: replace(each, stages=stages) if each.kinds == (KIND,) else each)

    # --- What happens by itself -------------------------------------------------------------------------------------------

    @rule()
    def expire(self) -> None:
        """Let what waits expire."""
        with time_machine.travel(timezone.now() + timedelta(hours=49), tick=False):
            expire_overdue(origin=ORIGIN)

    @rule()
    def start(self) -> None:
        """Let the time of scheduled changes come."""
        with time_machine.travel(timezone.now() + LATER, tick=False):
            start_due(origin=ORIGIN)

    @rule()
    def claim(self) -> None:
        """Claim whatever a worker of one lane would."""
        self._claim()

    @rule()
    def claim_again(self) -> None:
        """The same, so that it happens often."""
        self._claim()

    def _claim(self) -> None:
        now = timezone.now()
        for change in [each for lane in Lane for each in with_work(lane, now)]:
            claim(change, calls=5, origin=ORIGIN, read_since=now - LATER)

    @rule(number=numbers)
    def alter(self, number: int) -> None:
        """Alter what an item would be set to, as the owner of the database; the approvals are for the content before."""
        item = self._change(number).items.order_by("position").first()
        if item is not None and item.claimed_at is None:
            with unguarded("changes_item"):
                Item.objects.filter(pk=item.pk).update(after={"admin_action": "Liquidate"})

    # --- What has to hold -------------------------------------------------------------------------------------------------

    @invariant()
    def whatever_is_claimed_is_approved(self) -> None:
        """Every claimed item has the approvals that it needs."""
        for item in Item.objects.exclude(claimed_at=None):
            asked = self.asked[item.change_id]
            right = {
                given.person
                for given in asked.given
                if given.might and given.person != asked.requester and (item.target, repr(item.after)) in given.content
            }
            assert len(right) >= asked.needed, (item, asked)

    @invariant()
    def a_request_keeps_its_policy(self) -> None:
        """A later version of the policy does not affect what was asked for before."""
        wanted = Change.objects.filter(pk__in=self.asked).values_list("pk", "approval__needed")
        assert dict(wanted) == {pk: asked.needed for pk, asked in self.asked.items()}
