"""What others changed at Tradovate, counted and grouped for pages: Tradovate may move every account at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Func, JSONField, Min, QuerySet
from django.utils import timezone

from accounts.access.queries import access_of
from accounts.models import Account, MirrorMove
from accounts.outside.attribute import NOT_SHOWN
from riskadmin.audit.outside import OutsideKind
from riskadmin.audit.rendering import FieldChange
from riskadmin.audit.wording import field_words, value_words
from riskadmin.staff.models import Staff
from riskadmin.web.clock import display_zone

FOLDS_AT_MOST: Final = 100


@dataclass(frozen=True, kw_only=True)
class Counted:
    """How many changes there were, in total and for each kind in words, the most frequent first."""

    count: int
    kinds: Sequence[tuple[str, int]]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """The same change of one or more accounts, found by one reading; `account` is the first of them."""

    kind: OutsideKind
    account: Account
    count: int
    known_at: datetime
    read_at: datetime
    changes: Sequence[FieldChange]

    @property
    def others(self) -> int:
        """How many accounts are not named."""
        return self.count - 1


class _WithoutTimes(Func):
    """What moved, without the times: each account has its own time of the same action."""

    template = "(%(expressions)s - '{admin_at,liquidate_only_at}'::text[])"
    output_field = JSONField()


def yesterday() -> datetime:
    """Return when yesterday began, in the time zone of the pages."""
    today = timezone.now().astimezone(display_zone()).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=1)


def outside_since_yesterday(viewer: Staff) -> Counted:
    """Count the changes found since yesterday of accounts within the viewer's access; one query."""
    kinds = _outside(yesterday(), viewer).order_by().values_list("outside_kind").annotate(count=Count("pk"))
    found = sorted(kinds, key=lambda pair: (-pair[1], pair[0]))
    return Counted(
        count=sum(count for _, count in found),
        kinds=[(OutsideKind(kind).label, count) for kind, count in found],
    )


def folds(since: datetime, viewer: Staff) -> list[Fold]:
    """Return the changes found, newest first, each change once for all accounts of one reading within the viewer's access.

    Two queries; one more than `FOLDS_AT_MOST` means that there are more.
    """
    rows = list(
        _outside(since, viewer)
        .values("account__environment", "read_at", "outside_kind", part=_WithoutTimes("outside"))
        .annotate(count=Count("pk"), earliest=Min("known_at"), first=Min("account"))
        .order_by("-read_at", "first")[: FOLDS_AT_MOST + 1]
    )
    accounts = Account.objects.in_bulk([row["first"] for row in rows])
    return [
        Fold(
            kind=OutsideKind(row["outside_kind"]),
            account=accounts[row["first"]],
            count=row["count"],
            known_at=row["earliest"],
            read_at=row["read_at"],
            changes=_changes(row["part"]),
        )
        for row in rows
    ]


def _outside(since: datetime, viewer: Staff) -> QuerySet[MirrorMove]:
    found = MirrorMove.objects.exclude(outside_kind="").filter(read_at__gte=since)
    access = access_of(viewer)
    return found.filter(access.accounts("account__")) if access else found


def _changes(part: Mapping[str, Sequence[Any]]) -> list[FieldChange]:
    return [
        FieldChange(name, field_words(name), value_words(name, before), value_words(name, after))
        for name, (before, after) in part.items()
        if name not in NOT_SHOWN
    ]
