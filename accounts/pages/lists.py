"""The list of accounts."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from accounts.models import Account
from accounts.pages.filters import AccountFilters
from accounts.pages.queries import IN_ORDER
from accounts.sync import not_reported, unreadable
from riskadmin.web.csv_file import utc
from riskadmin.web.lists.spec import Column, CsvColumn, ListSpec


def _with_faults(accounts: Sequence[Account]) -> Sequence[Account]:
    unreadable.attach(accounts)
    not_reported.attach(accounts)
    return accounts


def _cash(name: str) -> Callable[[Account], Decimal | None]:
    return lambda account: getattr(getattr(account, "cash", None), name, None)


def _open_positions(account: Any) -> int | None:
    return account.open_positions if account.positions_read_at else None  # counted by the query


def _status_read_at(account: Account) -> str:
    status = getattr(account, "risk_status", None)
    return utc(status.fresh_at if status else account.fresh_at)


ACCOUNTS: ListSpec[Account] = ListSpec(
    name="accounts",
    noun="account",
    filters=AccountFilters,
    order="account",
    row_template="accounts/_row.html",
    rows=_with_faults,
    columns=(
        Column(name="account", label="Account", sort=IN_ORDER, css="nowrap", is_optional=False),
        Column(name="status", label="Status", is_optional=False),
        Column(name="trader", label="Trader"),
        Column(name="category", label="Risk category", css="wide"),
        Column(name="today", label="Realised today", css="num"),
        Column(name="cash", label="Cash", css="num wide"),
        Column(name="positions", label="Positions", css="num"),
        Column(name="size", label="Evaluation size", css="num wide", is_shown_at_first=False),
        Column(name="opened", label="Opened", css="num wide", is_shown_at_first=False),
        Column(name="read", label="Read", css="num wide"),
    ),
    csv=(
        CsvColumn(heading="environment", value=lambda account: account.environment),
        CsvColumn(heading="id", value=lambda account: account.tradovate_id),
        CsvColumn(heading="name", value=lambda account: account.name),
        CsvColumn(heading="status", value=lambda account: str(account.status.label)),
        CsvColumn(heading="since (UTC)", value=lambda account: utc(account.status_since)),
        CsvColumn(heading="status not reported since (UTC)", value=lambda account: utc(account.not_reported_since)),
        CsvColumn(heading="unreadable", value=lambda account: "; ".join(each.words for each in account.unreadable)),
        CsvColumn(heading="trader", value=lambda account: account.trader.name if account.trader else None),
        CsvColumn(heading="e-mail", value=lambda account: account.trader.email if account.trader else None),
        CsvColumn(
            heading="risk category", value=lambda account: account.risk_category.label if account.risk_category else None
        ),
        CsvColumn(heading="realised today (USD)", value=_cash("realized_pnl_usd")),
        CsvColumn(heading="cash (USD)", value=_cash("amount_usd")),
        CsvColumn(heading="positions", value=_open_positions),
        CsvColumn(heading="evaluation size (USD)", value=lambda account: account.evaluation_size_usd),
        CsvColumn(heading="opened (UTC)", value=lambda account: utc(account.opened_at)),
        CsvColumn(heading="read (UTC)", value=_status_read_at),
    ),
)
