"""What the API takes and answers. Times are UTC, money is in US dollars as decimal text, ids are Tradovate's."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from ninja import Field, Schema

from accounts.changes.freshness import outdated_since
from accounts.changes.models import Change, Item
from accounts.changes.plan import Plan, Row
from accounts.models import Account
from accounts.models.ids import BIGGEST_ID
from riskadmin.tradovate.vocabulary import Environment

TradovateId = Annotated[int, Field(ge=1, le=BIGGEST_ID)]
Number = Annotated[int, Field(ge=1, le=BIGGEST_ID, description="the number of a change")]


class AccountRow(Schema):
    """An account as riskadmin last read it."""

    environment: Environment
    id: int
    name: str
    status: str = Field(description="active, locked, breached, … as on the account's page")
    status_words: str
    risk_category: str | None
    trader: str | None
    open_positions: int | None = Field(description="null if its positions were never read")
    read_at: datetime | None = Field(description="when its risk status was read from Tradovate")

    @classmethod
    def of(cls, account: Account, *, open_positions: int) -> Self:
        """Return an account that was read with its risk status, category and trader."""
        status = getattr(account, "risk_status", None)
        return cls(
            environment=Environment(account.environment),
            id=account.tradovate_id,
            name=account.name,
            status=account.status.value,
            status_words=account.status.label,
            risk_category=account.risk_category.name if account.risk_category else None,
            trader=account.trader.name if account.trader else None,
            open_positions=open_positions if account.positions_read_at else None,
            read_at=status.fresh_at if status else None,
        )


class AccountPage(Schema):
    """Some accounts by name, and the cursor of the next page; null at the end."""

    accounts: list[AccountRow]
    next_cursor: str | None


class AccountDetail(AccountRow):
    """An account, and why it can or can't trade."""

    explanation: list[str]
    until: str
    since: datetime | None
    open_changes: list[int] = Field(description="changes that are waiting or under way for it")


class Position(Schema):
    """Where an item of a change stands. Only `applied` and `unchanged` say that the account is as intended."""

    target_id: int
    name: str
    state: str
    note: str
    settled_at: datetime | None

    @classmethod
    def of(cls, item: Item) -> Self:
        """Return an item."""
        return cls(
            target_id=item.target_id, name=item.target_name, state=item.state, note=item.note, settled_at=item.settled_at
        )


class ChangeRow(Schema):
    """A change."""

    id: int
    kind: str
    environment: Environment
    state: str
    items: int
    requested_by: str
    submitted_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, change: Change) -> Self:
        """Return a change."""
        return cls(**_columns(change))


def _columns(change: Change) -> dict[str, Any]:
    return {
        "id": change.pk,
        "kind": change.kind,
        "environment": change.environment,
        "state": change.state,
        "items": change.item_count,
        "requested_by": change.requested_by_name,
        "submitted_at": change.submitted_at,
        "finished_at": change.finished_at,
    }


class ChangePage(Schema):
    """Some changes, newest first, and the cursor of the next page; null at the end."""

    changes: list[ChangeRow]
    next_cursor: str | None


class ChangeDetail(ChangeRow):
    """A change with its progress: how many items are in each state, and how many approvals it has of those it needs."""

    by_state: dict[str, int]
    approvals: int
    approvals_needed: int
    reason_code: str
    reason_text: str

    @classmethod
    def with_progress(cls, change: Change, *, by_state: dict[str, int], approvals: int, needed: int) -> Self:
        """Return a change with its progress."""
        return cls(
            **_columns(change),
            by_state=by_state,
            approvals=approvals,
            approvals_needed=needed,
            reason_code=change.reason_code,
            reason_text=change.reason_text,
        )


class ItemPage(Schema):
    """Some items of a change in order, and the cursor of the next page; null at the end."""

    items: list[Position]
    next_cursor: str | None


class Wanted(Schema):
    """What a change is to do: a kind, its parameters as on its form, and the targets of one environment."""

    kind: str
    environment: Environment
    targets: list[TradovateId] = Field(
        min_length=1, max_length=10_000, description="Tradovate's ids of accounts, or of traders"
    )
    parameters: dict[str, str | list[str]] = Field(default_factory=dict, max_length=100)


class Requested(Wanted):
    """A request: what a preview showed, and why."""

    reason_code: str
    reason_text: str = ""
    ticket: str = ""
    digest: str = Field(description="the digest that the preview answered: what you saw is what is requested")
    key: UUID = Field(description="a key of your own for this request: sent twice, it makes one change")
    confirm_count: int | None = Field(default=None, description="how many targets would be sent, where the preview asks for it")


class PlanRow(Schema):
    """What would happen to one target, or why nothing would."""

    target_id: int
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    skip_reason: str
    warnings: list[str]

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return a row of a plan."""
        return cls(
            target_id=row.target_id,
            name=row.name,
            before=None if row.before is None else dict(row.before),
            after=None if row.after is None else dict(row.after),
            skip_reason=row.skip_reason,
            warnings=list(row.warnings),
        )


class Preview(Schema):
    """What a change would do now. Nothing was written."""

    digest: str
    sent: int
    skipped: int
    asks_for_count: bool
    effects: dict[str, Any] = Field(description="how many would be liquidated, become looser, …")
    warnings: list[str]
    needs: str = Field(description="who would have to approve")
    approvals_needed: int
    read_at: datetime | None = Field(
        description="when the oldest state that this depends on was read from Tradovate; null if it depends on none"
    )
    is_outdated: bool = Field(description="some of that state is older than riskadmin lets it get, and could not be read again")
    unread: str = Field(description="why it could not be read again; empty if it was, or had not to be")
    rows: list[PlanRow]

    @classmethod
    def of(
        cls, planned: Plan, *, effects: dict[str, Any], warnings: list[str], needs: str, approvals: int, unread: str
    ) -> Self:
        """Return a plan with its effects, what policy wants, and why outdated state could not be read again."""
        return cls(
            digest=planned.digest,
            sent=len(planned.sent),
            skipped=len(planned.skipped),
            asks_for_count=planned.asks_for_count,
            effects=effects,
            warnings=warnings,
            needs=needs,
            approvals_needed=approvals,
            read_at=planned.oldest_read_at,
            is_outdated=outdated_since(planned) is not None,
            unread=unread,
            rows=[PlanRow.of(row) for row in planned.rows],
        )


class Refusal(Schema):
    """Why nothing was done: in a sentence, and for input by field."""

    detail: str
    fields: dict[str, list[str]] = Field(default_factory=dict)


class SystemStatus(Schema):
    """Whether work is done: each lane's worker, and when each environment was last read whole."""

    lanes: dict[str, bool]
    last_read: dict[str, datetime | None]
    unknown_outcomes: int
