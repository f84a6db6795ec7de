"""Since when a field is as it is, and by whose hand: that of a change here, or somebody's outside of riskadmin.

What is known is two things: the changes that altered the field, with what was read back, and the moves that readings found.
A move that began to be known only after a change had ended is none of that change's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db.models import F, Func, Q, TextField, Window
from django.db.models.functions import RowNumber

from accounts.changes.kinds.auto_liq_limits import LEVEL, AutoLiqLimitsKind
from accounts.changes.kinds.limit_fields import LIMIT_FIELDS, digits, in_json
from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.limit_templates.models import Governed
from accounts.models import LimitsMove

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
class _Done:
    """A change's item that was applied: what it altered, and when."""

    change_id: int
    person: str
    before: Mapping[str, Any]
    observed: Mapping[str, Any]
    at: datetime

    def altered(self, name: str, now: Any) -> bool:
        """Whether it altered a field, to what it is now."""
        return bool(self.before.get(name) != self.observed.get(name) and self.observed.get(name) == now)


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


def _hand(name: str, now: Any, done: Sequence[_Done], move: LimitsMove | None) -> Hand:
    by = next((item for item in done if item.altered(name, now)), None)
    # What was still known otherwise after a change had ended, that change did not do.
    if by and (move is None or move.known_at <= by.at):
        return Hand(change_id=by.change_id, person=by.person, at=by.at)
    if move is None or _kept(name, move.fields[name][1]) != now:
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
        done = _Done(
            change_id=item.change_id,
            person=item.change.requested_by_name,
            before=item.before or {},
            # Where Tradovate said nothing when it was read back, a person knew that it had been done.
            observed=item.observed or item.after or {},
            at=item.settled_at or item.change.submitted_at,
        )
        found.setdefault((item.account_id or 0, item.level), []).append(done)
    return found


def _moved(rows: Sequence[Governed]) -> dict[tuple[int, str, str], LimitsMove]:
    """Return the newest move of each field that is asked about, by account, level and field."""
    each = Func(F("fields"), function="jsonb_object_keys", output_field=TextField())
    each.set_returning = True
    asked = Q(fields__has_any_keys=sorted({name for row in rows for name in row.differing}))
    newest = (
        LimitsMove.objects.filter(asked, account__in={row.account_id for row in rows})
        .annotate(name=each)
        .order_by("account", "level", "name", "-read_at", "-pk")
        .distinct("account", "level", "name")
    )
    return {(move.account_id, move.level, move.name): move for move in newest}


def _kept(name: str, value: Any) -> Any:
    """Return a value that a move keeps in the terms of records."""
    if value is not None and LIMIT_FIELDS[name].is_number:
        return digits(Decimal(value))
    return in_json(value)
