"""The rows of a preview and of a decision, as the list of both shows them: with the account's trader, money and positions.

What only the list shows is read for one page of it, not for all of 10,000 rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from django.db.models import Prefetch

from accounts.access.queries import owners_of
from accounts.changes.kinds.effects import Liquidation
from accounts.changes.kinds.stored import State
from accounts.changes.lock_history import locked_by
from accounts.changes.models import Item
from accounts.changes.plan import Plan, Row
from accounts.changes.recomputed import Recomputed, Reviewed
from accounts.models import Account, Cash, Position

LOSS_LIMIT: Final = "daily_loss_auto_liq_usd"
"""The limit that a row draws today's loss against, by its name in stored states."""


@dataclass(frozen=True, kw_only=True)
class LossBar:
    """Today's loss against the present and the new daily loss limit, in percent of a scale that all rows of a page share.

    `left_usd` is what can still be lost before the new limit, with today's profit; `past_usd` how far the loss is past it.
    """

    within: float
    past: float
    new: float
    present: float | None
    left_usd: Decimal
    past_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class ListedRow:
    """One target as the list shows it: what was requested or, in a preview, what would be.

    `item` is None in a preview, `row` None for what was skipped when requested. `locked` says who locked the account, if its
    warnings don't; `owners` to whom of the staff, or whose relative, it belongs, for those who may see that.
    """

    target_id: int
    name: str
    before: State | None
    after: State | None
    row: Row | None
    item: Item | None = None
    has_moved: bool = False
    now: State | None = None
    account: Account | None = None
    locked: str = ""
    owners: Sequence[str] = ()
    bar: LossBar | None = None

    @classmethod
    def of_row(cls, row: Row) -> "ListedRow":
        """Return a row of a preview."""
        return cls(target_id=row.target_id, name=row.name, before=row.before, after=row.after, row=row)

    @classmethod
    def of_item(cls, each: Reviewed) -> "ListedRow":
        """Return an item of a request, with its row as planned now."""
        item = each.item
        return cls(
            target_id=item.target_id,
            name=item.target_name,
            before=item.before,
            after=item.after,
            row=each.row,
            item=item,
            has_moved=each.has_moved,
            now=each.now,
        )

    @property
    def not_recomputed(self) -> str:
        """Why the effects of what was requested can't be worked out now, or ""."""
        return self.row.skip_reason if self.row else ""

    @property
    def group(self) -> str:
        """The group of rows that it is listed in: by what happens to its positions."""
        return str(self.row.effects.liquidation) if self.row and self.row.effects else str(Liquidation.NO)


def previewed(planned: Plan, rows: Sequence[Row], *, names_owners: bool) -> list[ListedRow]:
    """Return rows of a preview for its list; at most four queries, and four more to name owners."""
    names_locks = not planned.kind.shows_who_locked
    return _detailed([ListedRow.of_row(row) for row in rows], names_locks=names_locks, names_owners=names_owners)


def reviewed(review: Recomputed, rows: Sequence[Reviewed], *, names_owners: bool) -> list[ListedRow]:
    """Return items of a decision for its list; at most four queries, and four more to name owners."""
    names_locks = not review.plan.kind.shows_who_locked
    return _detailed([ListedRow.of_item(each) for each in rows], names_locks=names_locks, names_owners=names_owners)


def result_today(rows: Iterable[Row]) -> Decimal | None:
    """Return today's realised result of accounts together; None if it is not known for each of them. One query."""
    accounts = [row.account.pk for row in rows if row.account]
    found = list(Cash.objects.filter(account__in=accounts).values_list("realized_pnl_usd", flat=True)) if accounts else []
    known = [result for result in found if result is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(accounts) else None


def _detailed(rows: Sequence[ListedRow], *, names_locks: bool, names_owners: bool) -> list[ListedRow]:
    keys = [each.row.account.pk for each in rows if each.row and each.row.account]
    accounts = _accounts(keys) if keys else {}
    locked = locked_by(accounts.values()) if names_locks and accounts else {}
    owners = owners_of(keys) if names_owners else {}
    limits = [
        Decimal(state[LOSS_LIMIT]) for each in rows for state in (each.before, each.after) if state and state.get(LOSS_LIMIT)
    ]
    scale = max(limits, default=Decimal(0))
    detailed = []
    for each in rows:
        account = accounts.get(each.row.account.pk) if each.row and each.row.account else None
        said = locked.get(account.pk, "") if account else ""
        whose = owners.get(account.pk, ()) if account else ()
        detailed.append(replace(each, account=account, locked=said, owners=whose, bar=_bar(each, account, scale)))
    return detailed


def _accounts(keys: Sequence[int]) -> Mapping[int, Account]:
    held = Prefetch("positions", Position.objects.exclude(net_pos=0).order_by("pk"), to_attr="held")
    found = Account.objects.filter(pk__in=keys).select_related("trader", "cash", "risk_status").prefetch_related(held)
    return {account.pk: account for account in found}


def _bar(each: ListedRow, account: Account | None, scale: Decimal) -> LossBar | None:
    new = Decimal((each.after or {}).get(LOSS_LIMIT) or 0)
    cash: Cash | None = getattr(account, "cash", None)
    if not new or cash is None or cash.realized_pnl_usd is None:
        return None
    loss, present = max(-cash.realized_pnl_usd, Decimal(0)), (each.before or {}).get(LOSS_LIMIT)
    drawn = min(loss, scale)  # a loss beyond the scale ends at its edge; the amounts stand beside it
    return LossBar(
        within=float(min(drawn, new) / scale * 100),
        past=float(max(drawn - new, Decimal(0)) / scale * 100),
        new=float(new / scale * 100),
        present=float(Decimal(present) / scale * 100) if present else None,
        left_usd=max(new + cash.realized_pnl_usd, Decimal(0)),
        past_usd=max(loss - new, Decimal(0)),
    )
