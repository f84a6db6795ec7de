"""End a trader's own lockout: one trader per call to expireuserlockout.

Source: seed "Expire User Lockout". It exists on demo only, acts on all the trader's accounts at once, and fails if no lockout
is active. Tradovate has no read for these lockouts, so its response is the only evidence: a call without one is left to people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from django.db.models import Prefetch

from accounts.changes.kinds.effects import EffectDirection, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Irreversible, Planned, Reading, Skip
from accounts.changes.kinds.spec import KindSpec, Unit
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.stored_form import Nothing, StoredForm
from accounts.changes.kinds.units import TraderKind
from accounts.changes.states import Direction
from accounts.models import Trader, TradingPermission
from accounts.models.ids import with_ids
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import EXPIRE_USER_LOCKOUT
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import Environment


@dataclass(frozen=True, kw_only=True)
class LockoutAfter(StoredForm):
    """What is asked for: `lockout` is always "ended"."""

    lockout: str


class NotReadable(TypeError):
    """Something was requested for which Tradovate has no read; the engine asks `is_read_back` first."""


class UserLockout(TraderKind):
    """The lockout that traders set on themselves and can't remove."""

    spec = KindSpec(
        name="user_lockout",
        verb="End the lockout of",
        action_label="End the trader's lockout",
        effect=(
            "Ends the lockout that traders have put on themselves: they may trade again at once, on all their accounts that "
            "nothing else has stopped. The reason goes into Tradovate's own log as notes."
        ),
        warning=(
            "Tradovate can't be asked who is locked out: it refuses where no lockout is active, and its answer is all there is."
        ),
        direction=Direction.LOOSENING,
        environments=frozenset({Environment.DEMO}),
        icon="user-check",
        unit=Unit.TRADER,
        permission="ask to end traders' lockouts",
        recorded={"lockout": "Own lockout"},
    )
    endpoints = (EXPIRE_USER_LOCKOUT,)
    urgent_up_to = 50
    rests_on_before = False
    is_read_back = False
    state_type = Nothing
    after_type = LockoutAfter

    def subjects(self, environment: Environment, ids: Sequence[int]) -> dict[int, Trader]:
        traded = TradingPermission.objects.filter(status="Accepted", missing_since=None, account__archived=False)
        found = Trader.objects.filter(with_ids(environment, ids))
        return {
            trader.tradovate_id: trader
            for trader in found.prefetch_related(Prefetch("permissions", queryset=traded, to_attr="open_permissions"))
        }

    def mirrored_state(self, subject: Trader) -> Nothing:
        return Nothing()

    def plan(self, subject: Trader, *, parameters: State, contested: bool) -> Planned | Skip:
        permissions: list[TradingPermission] = subject.open_permissions  # type: ignore[attr-defined]  # by `subjects`
        accounts = len({permission.account_id for permission in permissions})
        warning = f"Trades {accounts:,} open account{'' if accounts == 1 else 's'}" if accounts else "Trades no open account"
        # The positions are those of the trader's accounts, which are not read here.
        effects = TargetEffects(direction=EffectDirection.LOOSER)
        return Planned(
            before=self.state(subject),
            after=LockoutAfter(lockout="ended").to_json(),
            effects=effects,
            warnings=(warning,),
            weight=float(accounts),
        )

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        return (Difference(label="Own lockout", before="not known", after="ended", direction="looser"),)

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        (target,) = order.targets
        reply = client.expire_user_lockout(permit=order.permit, user_id=target.id, notes=order.reason_text, ticket=order.ticket)
        return reply.http_record

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        _refuse()

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        _refuse()

    def inverse(self, done: Done) -> Irreversible:
        return Irreversible(reason="Only traders can lock themselves out: lock their accounts instead")


def _refuse() -> NoReturn:
    raise NotReadable("Tradovate has no read for a trader's lockout.")
