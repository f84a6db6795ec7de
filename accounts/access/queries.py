"""Which accounts a person has access to, and which belong to them or to a relative: both rules stand here.

For somebody whose access is not limited, which is the rule, nothing is added to a query. `Staff` remembers what was read about
it, so a page costs one query more; an action reads the person again, under its lock.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.access.models import AccessLimit, RelatedAccount
from accounts.models import Account, RiskCategory, Trader, TradingPermission
from riskadmin.staff.models import Staff
from riskadmin.web.formats import listed
from riskadmin.web.visible import isolated

Target = TypeVar("Target", Account, Trader, Account | Trader)

MAY_TRADE: Final = Q(status="Accepted", missing_since=None)
"""The trading permissions that count: with one, a trader may trade the account."""


# --- Access -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Access:
    """What somebody's access is limited to: every account of some environments, and those of some risk categories."""

    environments: frozenset[str]
    categories: frozenset[int]

    def includes(self, account: Account) -> bool:
        """Whether an account, as it is at hand, is within it."""
        return account.environment in self.environments or account.risk_category_id in self.categories

    def accounts(self, prefix: str = "") -> Q:
        """Return the condition on accounts, or on rows that name one by `prefix`, such as "account__"."""
        condition = Q(**{f"{prefix}environment__in": sorted(self.environments)}) if self.environments else Q()
        if self.categories:
            condition |= Q(**{f"{prefix}risk_category__in": sorted(self.categories)})
        return condition or Q(pk__in=[])

    def traders(self) -> Q:
        """Return the condition on traders: what is done to one is done to all their accounts, so all have to be within it."""
        own = Account.objects.filter(trader=OuterRef("pk"))
        return Q(environment__in=sorted(self.environments)) | (
            Q(Exists(own.filter(self.accounts()))) & ~Q(Exists(own.exclude(self.accounts())))
        )


def limit_of(person: Staff) -> Access | None:
    """Return what a person's access is limited to, as it is now; None if it is not limited. One query."""
    return _access(AccessLimit.objects.filter(person=person.pk).first())


def access_of(person: Staff) -> Access | None:
    """Return what a person's access is limited to; None if it is not limited. One query for each loaded person."""
    if "_access" not in person.__dict__:
        person.__dict__["_access"] = limit_of(person)
    found: Access | None = person.__dict__["_access"]
    return found


def is_restricted(person_id: int) -> bool:
    """Whether somebody's access is limited, or something is marked as theirs or a relative's; one query."""
    limits = AccessLimit.objects.filter(person=OuterRef("pk"))
    theirs = RelatedAccount.objects.filter(person=OuterRef("pk"), ended_at=None)
    return Staff.objects.filter(Exists(limits) | Exists(theirs), pk=person_id).exists()


def limited_people() -> dict[int, Access]:
    """Return what is limited of everybody whose access is, by their keys; one query."""
    return {limit.person_id: access for limit in AccessLimit.objects.all() if (access := _access(limit))}


def _access(limit: AccessLimit | None) -> Access | None:
    return Access(environments=frozenset(limit.environments), categories=frozenset(limit.categories)) if limit else None


def as_stored(access: Access | None) -> dict[str, list[str] | list[int]] | None:
    """Return an access as JSON keeps it."""
    return {"environments": sorted(access.environments), "categories": sorted(access.categories)} if access else None


def of_stored(stored: Mapping[str, Any] | None) -> Access | None:
    """Return an access that JSON kept."""
    if stored is None:
        return None
    return Access(environments=frozenset(stored["environments"]), categories=frozenset(stored["categories"]))


def access_words(access: Access | None) -> str:
    """Return what an access includes, in words; one query if it has categories."""
    if access is None:
        return "every account"
    found = RiskCategory.objects.filter(pk__in=sorted(access.categories)).order_by("environment", "name", "pk")
    named = [f"{isolated(each.name)} on {each.environment}" for each in found] if access.categories else []
    return listed([*(f"all of {each}" for each in sorted(access.environments)), *named]) or "no account"


def visible_accounts(accounts: QuerySet[Account], person: Staff | None) -> QuerySet[Account]:
    """Return those of some accounts that a person has access to; all of them for None, which is riskadmin itself."""
    access = access_of(person) if person else None
    return accounts.filter(access.accounts()) if access else accounts


def visible_traders(traders: QuerySet[Trader], person: Staff | None) -> QuerySet[Trader]:
    """Return those of some traders that a person has access to; all of them for None."""
    access = access_of(person) if person else None
    return traders.filter(access.traders()) if access else traders


def visible_categories(categories: QuerySet[RiskCategory], person: Staff | None) -> QuerySet[RiskCategory]:
    """Return those of some risk categories whose accounts a person has access to; all of them for None."""
    access = access_of(person) if person else None
    if access is None:
        return categories
    return categories.filter(Q(environment__in=sorted(access.environments)) | Q(pk__in=sorted(access.categories)))


def within(targets: Mapping[int, Target], person: Staff | None) -> dict[int, Target]:
    """Return those of some accounts or traders, by any keys, that a person has access to. One query if it is limited."""
    access = access_of(person) if person else None
    if access is None:
        return dict(targets)
    traders = [each.pk for each in targets.values() if isinstance(each, Trader)]
    there = set(Trader.objects.filter(access.traders(), pk__in=traders).values_list("pk", flat=True)) if traders else set()
    return {
        key: each for key, each in targets.items() if (access.includes(each) if isinstance(each, Account) else each.pk in there)
    }


# --- Accounts of staff and their relatives ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Related:
    """The accounts and traders that belong to a person or to a relative, each by its key, with whose it is in words."""

    accounts: Mapping[int, str] = field(default_factory=dict)
    traders: Mapping[int, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.accounts or self.traders)

    def conflict(self, target: Account | Trader) -> str:
        """Return whose a target is, if it is one of these, or ""."""
        return (self.accounts if isinstance(target, Account) else self.traders).get(target.pk, "")


def related_to(person: Staff) -> Related:
    """Return what belongs to a person or to a relative of theirs. For most people, one query for each loaded person."""
    if "_related" not in person.__dict__:
        person.__dict__["_related"] = _related(marks().filter(person=person.pk)).get(person.pk, Related())
    found: Related = person.__dict__["_related"]
    return found


def related_people() -> dict[int, Related]:
    """Return what belongs to everybody who is marked, or to a relative of theirs, by their keys; at most four queries."""
    return _related(marks())


def owners_of(accounts: Collection[int]) -> dict[int, list[str]]:
    """Return whose some accounts are, in words, by the accounts' keys; the others are not in it. At most four queries."""
    found: dict[int, list[str]] = {}
    for related in related_people().values() if accounts else ():
        for key in related.accounts.keys() & set(accounts):
            found.setdefault(key, []).append(related.accounts[key])
    return found


def conflicts(person: Staff | None, targets: Mapping[int, Account | Trader]) -> dict[int, str]:
    """Return which of some targets, by any keys, belong to a person or to a relative, each with whose it is in words."""
    related = related_to(person) if person else Related()
    return {key: words for key, each in targets.items() if (words := related.conflict(each))} if related else {}


def marks() -> QuerySet[RelatedAccount]:
    """Return the marks in force, each with its person, newest first."""
    rows = RelatedAccount.objects.filter(ended_at=None)
    return rows.select_related("person", "account", "trader", "marked_by").order_by("-since", "-pk")


ENDED_AT_MOST: Final = 100
"""Ended marks that the page lists, the latest."""


def visible_marks(viewer: Staff, *, ended: bool = False) -> list[RelatedAccount]:
    """Return the marks in force, or those that ended lately, of what a person has access to; newest first."""
    rows = RelatedAccount.objects.exclude(ended_at=None) if ended else RelatedAccount.objects.filter(ended_at=None)
    access = access_of(viewer)
    if access:
        rows = rows.filter(
            Q(account__in=Account.objects.filter(access.accounts())) | Q(trader__in=Trader.objects.filter(access.traders()))
        )
    found = rows.select_related("person", "account", "trader").order_by("-ended_at" if ended else "-since", "-pk")
    return list(found[:ENDED_AT_MOST] if ended else found)


def marks_of(account: Account) -> list[RelatedAccount]:
    """Return the marks in force of an account: its own, and those of the traders who may trade it."""
    trading = TradingPermission.objects.filter(MAY_TRADE, account=account).values("trader")
    return list(marks().filter(Q(account=account) | Q(trader=account.trader_id) | Q(trader__in=trading)))


def _related(found: QuerySet[RelatedAccount]) -> dict[int, Related]:
    """Return what marks cover, by their people: a trader's mark every account they may trade, an account's also its traders."""
    rows = list(found)
    account_ids = [mark.account_id for mark in rows if mark.account_id]
    trader_ids = [mark.trader_id for mark in rows if mark.trader_id]
    pairs: set[tuple[int, int]] = set()
    if rows:
        either = Q(trader__in=trader_ids) | Q(pk__in=account_ids)
        pairs.update(Account.objects.filter(either, trader__isnull=False).values_list("pk", "trader"))
        trading = TradingPermission.objects.filter(MAY_TRADE, Q(trader__in=trader_ids) | Q(account__in=account_ids))
        pairs.update(trading.values_list("account", "trader"))
    by_person: dict[int, Related] = {}
    for mark in rows:
        one = by_person.setdefault(mark.person_id, Related(accounts={}, traders={}))
        covered = {pair for pair in pairs if mark.account_id == pair[0] or mark.trader_id == pair[1]}
        accounts = {account for account, _ in covered} | ({mark.account_id} if mark.account_id else set())
        traders = {trader for _, trader in covered if mark.account_id} | ({mark.trader_id} if mark.trader_id else set())
        by_person[mark.person_id] = Related(
            accounts={**dict.fromkeys(accounts, mark.words), **one.accounts},
            traders={**dict.fromkeys(traders, mark.words), **one.traders},
        )
    return by_person


# --- Both ---------------------------------------------------------------------------------------------------------------


def unimpeded(people: Iterable[Staff], targets: Iterable[Account | Trader]) -> list[Staff]:
    """Return those of some people who have access to all of some targets, and to whom or whose relatives none belongs."""
    limits, related, wanted = limited_people(), related_people(), dict(enumerate(targets))
    found = []
    for person in people:
        person.__dict__.setdefault("_access", limits.get(person.pk))
        person.__dict__.setdefault("_related", related.get(person.pk, Related()))
        if len(within(wanted, person)) == len(wanted) and not conflicts(person, wanted):
            found.append(person)
    return found
