"""Drift: which accounts differ from their template, in which fields, and how many of each.

Everything is queried from one view (migration 0003), which compares in SQL; Python sees only the rows of the page that is
shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Count, F, Func, Q, QuerySet

from accounts.access.queries import access_of
from accounts.changes.kinds.limit_fields import direction, in_json, in_words
from accounts.limit_templates.attribution import SetBy, field_setters
from accounts.limit_templates.fields import TEMPLATE_FIELDS
from accounts.limit_templates.models import Governed, LimitTemplate
from accounts.models import Account
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, AutoLiqField
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.paging import Page, keyset

IN_ORDER: Final = ("account__name", "limits__pk")
ROWS_A_PAGE: Final = 50
_NOWHERE: Final = models.Value([], output_field=ArrayField(models.TextField()))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The filters of the drift list; the defaults filter nothing."""

    template_id: int | None = None
    environment: str = ""
    field_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """One field of an account that differs from its template, in words, and who last changed it."""

    field: AutoLiqField
    before: str
    after: str
    direction: str
    set_by: SetBy


@dataclass(frozen=True, kw_only=True)
class Drifting:
    """One account's limits of one level that differ from their template's version in force."""

    governed: Governed
    deviations: Sequence[Deviation]

    @property
    def account(self) -> Account:
        """The account."""
        return self.governed.account


@dataclass(frozen=True, kw_only=True)
class Sum:
    """How many accounts of one environment a template governs, and how many of them differ from it."""

    template: LimitTemplate
    environment: str
    governed: int
    drifting: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """A page of drift, with the total counts: by template and environment, and by field, most frequent first."""

    page: Page[Governed]
    rows: Sequence[Drifting]
    sums: Sequence[Sum]
    fields: Sequence[tuple[AutoLiqField, int]] = field(default_factory=tuple)

    @property
    def drifting(self) -> int:
        """How many of the matching accounts differ."""
        return sum(each.drifting for each in self.sums)


def drift(wanted: Wanted, cursor: str | None, *, viewer: Staff | None = None, size: int = ROWS_A_PAGE) -> Found:
    """Return a page of what differs from its template, in a fixed number of queries. Raises `BadCursor`.

    Here and below, of accounts that `viewer` has access to.
    """
    page = keyset(_with_all(differing(wanted, viewer)), IN_ORDER, cursor, size=size)
    return Found(page=page, rows=explained(page.rows), sums=sums(wanted, viewer), fields=_fields(wanted, viewer))


def differing(wanted: Wanted, viewer: Staff | None = None) -> QuerySet[Governed]:
    """Return the limits that differ from their template's version in force."""
    rows = _governed(wanted, viewer).exclude(differing=_NOWHERE)
    return rows.filter(differing__contains=[wanted.field_name]) if wanted.field_name else rows


def of_account(account: Account) -> dict[str, Drifting]:
    """Return how an account's limits differ from their templates, by level; without drift there are no deviations."""
    rows = _with_all(Governed.objects.filter(account=account))
    return {each.governed.limits.level: each for each in explained(list(rows))}


def drifting_ids(wanted: Wanted, environment: Environment, *, at_most: int, viewer: Staff | None = None) -> list[int]:
    """Return Tradovate's ids of the differing accounts, in list order; one more than `at_most` means that there are more."""
    rows = differing(wanted, viewer).filter(account__environment=environment.value).order_by("account__name", "pk")
    return list(rows.values_list("account__tradovate_id", flat=True)[: at_most + 1])


def explained(rows: Sequence[Governed]) -> list[Drifting]:
    """Return rows with their deviations in words, in at most two queries."""
    records = {row.pk: _record(row) for row in rows}
    found = field_setters(rows, records)
    return [
        Drifting(
            governed=row,
            deviations=[
                _deviation(AUTO_LIQ_FIELDS[name], records[row.pk], row.version.limits, found[row.pk, name])
                for name in TEMPLATE_FIELDS
                if name in row.differing
            ],
        )
        for row in rows
    ]


def _deviation(limit: AutoLiqField, held: Mapping[str, Any], said: Mapping[str, Any], set_by: SetBy) -> Deviation:
    before, after = held.get(limit.name), said[limit.name]
    return Deviation(
        field=limit,
        before=in_words(limit, before),
        after=in_words(limit, after),
        direction=direction(limit, before, after),
        set_by=set_by,
    )


def _record(row: Governed) -> dict[str, Any]:
    """Return a row's limits as a record."""
    values = {name: getattr(row.limits, name) for name in TEMPLATE_FIELDS}
    return {name: in_json(value) for name, value in values.items() if value is not None and value != ""}


def _governed(wanted: Wanted, viewer: Staff | None) -> QuerySet[Governed]:
    access = access_of(viewer) if viewer else None
    rows = Governed.objects.filter(access.accounts("account__")) if access else Governed.objects.all()
    if wanted.template_id is not None:
        rows = rows.filter(template=wanted.template_id)
    return rows.filter(account__environment=wanted.environment) if wanted.environment else rows


def _with_all(rows: QuerySet[Governed]) -> QuerySet[Governed]:
    return rows.select_related("account", "limits", "version__template", "assignment__risk_category")


def sums(wanted: Wanted, viewer: Staff | None = None) -> list[Sum]:
    """Return how many accounts each template governs, and how many of them differ; one query."""
    differs = ~Q(differing=_NOWHERE)
    if wanted.field_name:
        differs &= Q(differing__contains=[wanted.field_name])
    rows = (
        _governed(wanted, viewer)
        .order_by("template__name", "template", "account__environment")
        .values_list("template", "template__name", "template__level", "account__environment")
        .annotate(governed=Count("pk"), drifting=Count("pk", filter=differs))
    )
    return [
        Sum(
            template=LimitTemplate(pk=pk, name=name, level=level), environment=environment, governed=governed, drifting=drifting
        )
        for pk, name, level, environment, governed, drifting in rows
    ]


def _fields(wanted: Wanted, viewer: Staff | None) -> list[tuple[AutoLiqField, int]]:
    each = Func(F("differing"), function="unnest", output_field=models.TextField())
    each.set_returning = True
    rows = (
        differing(wanted, viewer)
        .order_by()
        .annotate(name=each)
        .values_list("name")
        .annotate(rows=Count("pk"))
        .order_by("-rows", "name")
    )
    return [(AUTO_LIQ_FIELDS[name], count) for name, count in rows]
