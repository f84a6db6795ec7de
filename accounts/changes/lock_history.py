"""Who locked accounts, when and why: a change made here, somebody outside riskadmin, or only a limit."""

from collections.abc import Collection, Iterable

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.admin_action import AdminActionKind, RiskState, risk_state
from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.models import Account
from accounts.models.ids import AnyOf
from riskadmin.audit.wording import ADMIN_ACTION_WORDS, reason_words
from riskadmin.tradovate.vocabulary import AdminAction
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment
from riskadmin.web.visible import isolated

_LEFT_AS_SET = (ItemState.APPLIED, ItemState.UNCHANGED)


def locked_by(accounts: Iterable[Account]) -> dict[int, str]:
    """Return in words who set the present restriction of each account, by its id here; one query.

    Accounts without a restriction, or whose risk status was never read, are left out.
    """
    shown = [account for account in accounts if hasattr(account, "risk_status")]
    items = _last_acts([account.pk for account in shown])
    words_by_account = ((account.pk, _words(account, items.get(account.pk))) for account in shown)
    return {pk: words for pk, words in words_by_account if words}


def _last_acts(account_ids: Collection[int]) -> dict[int, Item]:
    acts = [kind.name for kind in KINDS.values() if isinstance(kind, AdminActionKind)]
    items = Item.objects.filter(AnyOf("account_id", list(account_ids)), state__in=_LEFT_AS_SET, change__kind__in=acts)
    return {item.account_id: item for item in items.select_related("change").order_by("pk") if item.account_id is not None}


def _words(account: Account, item: Item | None) -> str:
    status = account.risk_status
    now = risk_state(status)
    if now.admin_action == AdminAction.NORMAL:
        since = status.liquidate_only_at
        return f"Stopped by a limit: {moment(since, display_zone())}; no admin locked it" if since else ""
    what = ADMIN_ACTION_WORDS.get(now.admin_action, now.admin_action)
    observed = (item.observed or {}) if item else {}
    if item and RiskState.fits(observed) and not now.is_acted_on_since(RiskState.from_json(observed)):
        change = item.change
        reason = reason_words(change.reason_code) + (f", “{isolated(change.reason_text)}”" if change.reason_text else "")
        at = f", {moment(status.admin_at, display_zone())}" if status.admin_at else ""
        return f"{what} by riskadmin: change {change.pk}, {isolated(change.requested_by_name)}{at}. {reason}"
    at = moment(status.admin_at, display_zone()) if status.admin_at else "at a time that Tradovate does not tell"
    return f"{what} outside riskadmin: {at}"
