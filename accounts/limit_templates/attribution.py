"""Since when a field is as it is, and by whose hand: that of a change here, or somebody's outside of riskadmin.

What is known is two things: the changes that altered the field, and the moves that readings found. Which of those a change can
have made, `changes.authorship` says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import F, Func, Q, TextField, Window
from django.db.models.functions import RowNumber

from accounts.changes.authorship import Act, as_recorded
from accounts.changes.kinds.auto_liq_limits import LEVEL, AutoLiqLimitsKind
from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.limit_templates.models import Governed
from accounts.models import LimitLevel, MirrorMove

ITEMS_AT_MOST: Final = 20
"""So many of an account's last changes are looked through for the one that altered a field."""


@dataclass(frozen=True, kw_only=True)
class Hand:
    """By whose hand a field is as it is.

    With `change_id`: by that change, which `person` asked for, at `at`. Else outside of riskadmin: between `after`, when it was
    last read otherwise, and `at`, when it was first read so; both None where it was never read otherwise.
    """

    change_id: int | None = None
    person: str = ""
    after: datetime | None = None
    at: datetime | None = None

    @property
    def is_known(self) -> bool:
        """Whether anything is known of it."""
        return self.at is not None


@dataclass(frozen=True, kw_only=True)
class _Done(Act):
    """A change's item that was applied, and when it was settled."""

    change_id: int
    person: str
    at: datetime


def hands(rows: Sequence[Governed], records: Mapping[Any, Mapping[str, Any]]) -> dict[tuple[Any, str], Hand]:
    """Return by whose hand each differing field of each row is as its record says, by row and field; two queries, or none."""
    asked = [row for row in rows if row.differing]
    if not asked:
        return {}
    done, moved = _done(asked), _moved(asked)
    return {
        (row.pk, name): _hand(
            name,
            records[row.pk].get(name),
            done.get((row.account_id, row.limits.level), ()),
            moved.get((row.account_id, row.limits.level, name)),
        )
        for row in asked
        for name in row.differing
    }


def _hand(name: str, now: Any, done: Sequence[_Done], move: MirrorMove | None) -> Hand:
    by = next((item for item in done if item.meant(name, now)), None)
    if by and (move is None or by.fits(known_at=move.known_at, noted_at=move.noted_at)):
        return Hand(change_id=by.change_id, person=by.person, at=by.at)
    if move is None or as_recorded(name, move.fields[name][1]) != now:
        return Hand()
    return Hand(after=move.known_at, at=move.read_at)


def _done(rows: Sequence[Governed]) -> dict[tuple[int, str], list[_Done]]:
    """Return the last changes that were applied to these limits, newest first, by account and level."""
    items = (
        Item.objects.filter(
            account__in={row.account_id for row in rows},
            change__kind=AutoLiqLimitsKind.name,
            state=ItemState.APPLIED,
            settled_at__isnull=False,
        )
        .annotate(level=F(f"after__{LEVEL}"))
        .annotate(
            place=Window(
                RowNumber(), partition_by=[F("account"), F("level")], order_by=[F("settled_at").desc(), F("pk").desc()]
            )
        )
        .filter(place__lte=ITEMS_AT_MOST)
        .order_by("-settled_at", "-pk")
    )
    found: dict[tuple[int, str], list[_Done]] = {}
    for item in items.select_related("change"):
        settled_at = item.settled_at or item.change.submitted_at
        done = _Done(
            change_id=item.change_id,
            person=item.change.requested_by_name,
            before=item.before or {},
            after=item.after or {},
            began_at=item.claimed_at or item.change.submitted_at,
            over_at=settled_at,
            at=settled_at,
        )
        found.setdefault((item.account_id or 0, item.level), []).append(done)
    return found


def _moved(rows: Sequence[Governed]) -> dict[tuple[int, str, str], MirrorMove]:
    """Return the newest move of each field that is asked about, by account, level and field."""
    each = Func(F("fields"), function="jsonb_object_keys", output_field=TextField())
    each.set_returning = True
    asked = Q(fields__has_any_keys=sorted({name for row in rows for name in row.differing}))
    newest = (
        MirrorMove.objects.filter(asked, account__in={row.account_id for row in rows}, subject__in=LimitLevel.values)
        .annotate(name=each)
        .order_by("account", "subject", "name", "-read_at", "-pk")
        .distinct("account", "subject", "name")
    )
    return {(move.account_id, move.subject, move.name): move for move in newest}
