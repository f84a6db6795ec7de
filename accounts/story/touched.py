"""Which changes and calls are about an account or a trader: found through their items, by index."""

from collections.abc import Sequence

from django.db.models import Q, TextField

from accounts.changes.kinds.spec import Unit
from accounts.changes.models import Item
from accounts.changes.plan import target_of
from accounts.execution.models import CallItem
from accounts.models import Account, EnvironmentChoice, Trader
from accounts.models.ids import BIGGEST_ID, AnyOf
from accounts.pages.queries import TRIGRAM, ILike
from riskadmin.audit.touched import AT_MOST, Subject, Touched

ACCOUNTS_AT_MOST = 500
"""Accounts that one trader's filter considers."""


def about(subject: Subject, text: str) -> Touched:
    """Return what is about the account, or the trader with all accounts, of a number or whole name; at most five queries."""
    if subject == "account":
        accounts = list(Account.objects.filter(_called(text)).order_by("pk")[:ACCOUNTS_AT_MOST])
        return of_items(accounts, [])
    traders = list(Trader.objects.filter(_called(text)).order_by("pk")[:ACCOUNTS_AT_MOST])
    accounts = list(Account.objects.filter(trader__in=traders).order_by("pk")[:ACCOUNTS_AT_MOST])
    return of_items(accounts, traders)


def of_items(accounts: Sequence[Account], traders: Sequence[Trader]) -> Touched:
    """Return the changes that have an item of one of these accounts or traders, newest first, and the calls that carried it."""
    targets = [target_of(trader.environment, trader.tradovate_id, Unit.TRADER) for trader in traders]
    items: list[tuple[int, int]] = []
    if accounts:
        of_accounts = Item.objects.filter(AnyOf("account_id", [account.pk for account in accounts]))
        items += of_accounts.order_by("-pk").values_list("pk", "change_id")[: AT_MOST + 1]
    if targets:
        of_traders = Item.objects.filter(AnyOf("target", targets, TextField()), account=None)
        items += of_traders.order_by("-pk").values_list("pk", "change_id")[: AT_MOST + 1]
    newest = sorted(items, reverse=True)
    kept = newest[:AT_MOST]
    carried = CallItem.objects.filter(AnyOf("item_id", [pk for pk, _ in kept])) if kept else CallItem.objects.none()
    return Touched(
        accounts=[(account.environment, account.tradovate_id) for account in accounts],
        changes=list(dict.fromkeys(change for _, change in kept)),
        calls=list(carried.values_list("call_id", flat=True)),
        is_cut=len(newest) > AT_MOST,
    )


def _called(text: str) -> Q:
    """Return the condition on rows with a number or whole name, in any case; the trigram index finds names of three letters."""
    named = Q(name__in={text, text.upper()}) if len(text) < TRIGRAM else Q(ILike("name", text)) & Q(name__iexact=text)
    is_number = text.isascii() and text.isdigit() and int(text) <= BIGGEST_ID
    return named | Q(environment__in=EnvironmentChoice.values, tradovate_id=int(text)) if is_number else named
