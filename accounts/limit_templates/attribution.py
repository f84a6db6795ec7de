"""Since when a field has its value, and who set it: a change here, or someone outside riskadmin.

Two things are known: the changes that modified the field, and the moves that readings found. `changes.authorship` decides which
of those a change can have made.
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
"""This many of an account's last changes are searched for the one that modified a field."""


@dataclass(frozen=True, kw_only=True)
class SetBy:
    """Who set a field's current value.

    With `change_id`: that change, which `person` requested, at `at`. Otherwise someone outside riskadmin: between `after`, when
    another value was last read, and `at`, when this one was first read; both None if no other value was ever read.
    """

    change_id: int | None = None
    person: str = ""
    after: datetime | None = None
    at: datetime | None = None

    @property
    def is_known(self) -> bool:
        """Whether anything is known about it."""
        return self.at is not None


@dataclass(frozen=True, kw_only=True)
class _Done(Act):
    """An applied item of a change, and when it was settled."""

    change_id: int
    person: str
    at: datetime


def field_setters(rows: Sequence[Governed], records: Mapping[Any, Mapping[str, Any]]) -> dict[tuple[Any, str], SetBy]:
    """Return who last changed each differing field of each row, by row and field; two queries, or none."""
    asked = [row for row in rows if row.differing]
    if not asked:
        return {}
    done, moved = _done(asked), _moved(asked)
    return {
        (row.pk, name): _set_by(
            name,
            records[row.pk].get(name),
            done.get((row.account_id, row.limits.level), ()),
            moved.get((row.account_id, row.limits.level, name)),
        )
        for row in asked
        for name in row.differing
    }


def _set_by(name: str, now: Any, done: Sequence[_Done], move: MirrorMove | None) -> SetBy:
    by = next((item for item in done if item.meant(name, now)), None)
    if by and (move is None or by.fits(known_at=move.known_at, noted_at=move.noted_at)):
        return SetBy(change_id=by.change_id, person=by.person, at=by.at)
    if move is None or as_recorded(name, move.fields[name][1]) != now:
        return SetBy()
    return SetBy(after=move.known_at, at=move.read_at)


def _done(rows: Sequence[Governed]) -> dict[tuple[int, str], list[_Done]]:
    """Return the last applied changes of these limits, newest first, by account and level."""
    items = (
        Item.objects.filter(
            account__in={row.account_id for row in rows},
            change__kind=AutoLiqLimitsKind.spec.name,
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
    """Return the latest move of each requested field, by account, level and field."""
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
