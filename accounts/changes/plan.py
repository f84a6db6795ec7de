"""The plan: for every target what would happen, or why nothing would. Read from the mirror; nothing is written."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from accounts.changes.kinds.kind import Kind, Planned, Skip, State
from accounts.changes.models import Item
from accounts.changes.states import ITEM_OPEN, ITEM_UNDER_WAY, ItemState
from accounts.models import Account
from riskadmin.tradovate.vocabulary import Environment, Lane


@dataclass(frozen=True, kw_only=True)
class Row:
    """One target of a plan; `skip_reason` is empty for what would be sent."""

    target: str
    account_id: int  # Tradovate's
    account: Account | None
    name: str
    before: State | None
    after: State | None
    skip_reason: str
    warnings: tuple[str, ...]

    @property
    def is_sent(self) -> bool:
        """Whether a call would be made for it."""
        return not self.skip_reason


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a change of this kind would do to these targets, as the mirror stands."""

    kind: Kind
    environment: Environment
    rows: tuple[Row, ...]

    @cached_property
    def sent(self) -> tuple[Row, ...]:
        """The rows that a call would be made for."""
        return tuple(row for row in self.rows if row.is_sent)

    @cached_property
    def skipped(self) -> tuple[Row, ...]:
        """The rows that nothing would happen to."""
        return tuple(row for row in self.rows if not row.is_sent)

    @cached_property
    def calls_needed(self) -> int:
        """How many calls to Tradovate it takes, read-backs not counted."""
        return -(-len(self.sent) // self.kind.batch_size)

    @cached_property
    def oldest_read_at(self) -> datetime | None:
        """When the oldest row that the plan rests on was read from Tradovate; None when it rests on none."""
        return min(
            (row.account.risk_status.fresh_at for row in self.rows if row.account and hasattr(row.account, "risk_status")),
            default=None,
        )

    @cached_property
    def digest(self) -> str:
        """The SHA-256, in hex, over what would be sent: each target in its order, with its before, after or skip.

        What is only told beside it (names, open positions) is left out: it moves all the time and alters no call.
        """
        return digest_of(
            {
                "kind": self.kind.name,
                "environment": self.environment.value,
                "items": [[row.target, row.before, row.after, row.skip_reason] for row in self.rows],
            },
        )


def digest_of(content: object) -> str:
    """Return the SHA-256, in hex, of `content` as canonical JSON: sorted keys, no blanks, UTF-8."""
    text = json.dumps(content, cls=DjangoJSONEncoder, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def target_of(environment: str, account_id: int) -> str:
    """Return the name of an account as a target: `demo:account:123`."""
    return f"{environment}:account:{account_id}"


def plan(kind: Kind, *, environment: Environment, account_ids: Sequence[int]) -> Plan:
    """Return the plan for accounts by Tradovate's ids, in the order given, each once.

    Costs a fixed number of queries, whatever the number of accounts.
    """
    wanted = list(dict.fromkeys(account_ids))
    found = {
        account.tradovate_id: account
        for account in kind.mirrored(Account.objects.filter(environment=environment, tradovate_id__in=wanted))
    }
    pending = _open_items([target_of(environment, account_id) for account_id in wanted])
    rows = (
        _row(kind, environment, account_id, found.get(account_id), pending.get(target_of(environment, account_id), ()))
        for account_id in wanted
    )
    return Plan(kind=kind, environment=environment, rows=tuple(rows))


@dataclass(frozen=True, kw_only=True)
class _Pending:
    """An open item of an account, as far as the plan of another one asks."""

    kind_name: str
    change_id: int
    state: str
    lane: str


def _open_items(targets: Sequence[str]) -> dict[str, list[_Pending]]:
    """Return every open item, oldest first, by target."""
    by_target: dict[str, list[_Pending]] = {}
    items = Item.objects.filter(target__in=targets, state__in=ITEM_OPEN).order_by("id")
    for target, kind_name, change_id, state, lane in items.values_list(
        "target", "change__kind", "change_id", "state", "change__lane"
    ):
        pending = _Pending(kind_name=kind_name, change_id=change_id, state=state, lane=lane)
        by_target.setdefault(target, []).append(pending)
    return by_target


def _row(
    kind: Kind,
    environment: Environment,
    account_id: int,
    account: Account | None,
    pending: Sequence[_Pending],
) -> Row:
    outcome = _outcome(kind, environment, account, pending)
    planned = outcome if isinstance(outcome, Planned) else None
    return Row(
        target=target_of(environment, account_id),
        account_id=account_id,
        account=account,
        name=account.name if account else str(account_id),
        before=outcome.before,
        after=planned.after if planned else None,
        skip_reason=outcome.reason if isinstance(outcome, Skip) else "",
        warnings=planned.warnings if planned else (),
    )


def _outcome(
    kind: Kind,
    environment: Environment,
    account: Account | None,
    pending: Sequence[_Pending],
) -> Planned | Skip:
    if environment not in kind.environments:
        where = " and ".join(sorted(each.value for each in kind.environments))
        return Skip(reason=f"Tradovate takes this on {where} only; the account is on {environment.value}")
    if account is None:
        return Skip(reason="Unknown: no such account was read from Tradovate")
    # A closed account is archived too (account_gone_is_archived), and "closed" says more.
    if account.closed:
        return Skip(reason="Closed: Tradovate would accept the call and do nothing")
    if account.archived:
        return Skip(reason="Archived: Tradovate would accept the call and do nothing")
    if not hasattr(account, "risk_status"):
        return Skip(reason="Its risk status was never read; read the account first")
    blocking = next((item for item in pending if _blocks(kind, item)), None)
    if blocking:
        return Skip(reason=f"Change {blocking.change_id} is already on its way for this account")
    return kind.plan(account, contested=any(item.kind_name != kind.name for item in pending))


def _blocks(kind: Kind, item: _Pending) -> bool:
    """Say whether an open item stands in the way: for protective kinds only the very same thing, surely and soon sent.

    One that waits for a decision, stands in the bulk lane or has no known outcome must not hold an emergency up.
    """
    if not kind.is_protective:
        return True
    is_next = item.state == ItemState.QUEUED and item.lane == Lane.URGENT
    return item.kind_name == kind.name and (is_next or item.state in ITEM_UNDER_WAY)


def moved_since(kind: Kind, items: Sequence[Item]) -> list[tuple[Item, dict[str, Any] | None]]:
    """Return the items whose account no longer stands as it was shown, each with its state now (None: gone or closed).

    Costs a fixed number of queries, whatever the number of items.
    """
    by_account = {item.account_id: item for item in items}
    found = {account.pk: account for account in kind.mirrored(Account.objects.filter(pk__in=list(by_account)))}
    moved: list[tuple[Item, dict[str, Any] | None]] = []
    for account_pk, item in by_account.items():
        account = found.get(account_pk) if account_pk else None
        if account is None or account.archived or account.closed or not hasattr(account, "risk_status"):
            moved.append((item, None))
            continue
        now = kind.state(account)
        if now != item.before:
            moved.append((item, dict(now)))
    return moved
