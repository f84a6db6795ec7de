"""Keyset paging: a page costs the same anywhere in a large table, and no row is skipped or shown twice.

A cursor holds the ordering values of the row at a page's edge, signed for this table and ordering. A cursor that is not
ours is refused before it is used in a query.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

from django.core.exceptions import BadRequest
from django.core.signing import BadSignature, Signer
from django.db.models import BooleanField, F, Field, ForeignKey, Func, Model, QuerySet, Value

DEFAULT_SIZE = 50

AnyModel = TypeVar("AnyModel", bound=Model)


class BadCursor(BadRequest):
    """The cursor does not belong to this list. Answered with 400."""

    def __init__(self) -> None:
        """The message is shown to the person."""
        super().__init__("This address points to a place in the list that no longer exists. Start at its first page.")


@dataclass(frozen=True)
class Page(Generic[AnyModel]):
    """Some rows in order, and the cursors of the neighbouring pages. A cursor is None where there is no such page."""

    rows: list[AnyModel]
    previous_cursor: str | None
    next_cursor: str | None

    @property
    def is_only_page(self) -> bool:
        """Whether the list fits this page, so that no pager is needed."""
        return self.previous_cursor is None and self.next_cursor is None


def keyset(
    rows: QuerySet[AnyModel],
    order: Sequence[str],
    cursor: str | None = None,
    *,
    size: int = DEFAULT_SIZE,
) -> Page[AnyModel]:
    """Return the page that `cursor` names, or the first one: at most `size` rows in one or two queries.

    `order` is the list's full ordering, such as `("-at", "-id")`: all ascending or all descending (so that one index serves
    it), columns without NULL, the last one unique. Anything else is a `ValueError`. Raises `BadCursor`.
    """
    ordering = _Ordering.of(rows.model, order)
    if not cursor:
        return _forward(rows, ordering, None, size)
    direction, edge = ordering.read(cursor)
    if direction == "next":
        return _forward(rows, ordering, edge, size)
    return _backward(rows, ordering, edge, size)


Edge = tuple[Any, ...]


@dataclass(frozen=True)
class _Ordering:
    """The validated ordering of one list."""

    columns: tuple[str, ...]
    fields: tuple["Field[Any, Any]", ...]
    descending: bool
    signer: Signer

    @classmethod
    def of(cls, model: type[Model], order: Sequence[str]) -> "_Ordering":
        columns = tuple(name.removeprefix("-") for name in order)
        directions = {name.startswith("-") for name in order}
        if len(directions) != 1:
            message = f"{model._meta.label}: order {order} must have columns, all ascending or all descending."
            raise ValueError(message)
        fields = tuple(_field(model, column) for column in columns)
        if not fields[-1].unique:
            message = f"{model._meta.label}: the last column of order {order} must be unique."
            raise ValueError(message)
        signer = Signer(salt=f"paging:{model._meta.label}:{','.join(order)}")
        return cls(columns, fields, directions.pop(), signer)

    def read(self, cursor: str) -> tuple[str, Edge]:
        """Return the direction and edge of a cursor. Raises `BadCursor`."""
        try:
            said = self.signer.unsign_object(cursor)
        except (BadSignature, ValueError) as error:  # ValueError: not base64, not JSON
            raise BadCursor from error
        return said["to"], tuple(field.to_python(text) for field, text in zip(self.fields, said["from"], strict=True))

    def write(self, direction: str, row: Model) -> str:
        """Return the cursor for the rows beyond `row` in a direction, `next` or `previous`."""
        edge = [
            # value_to_string reads the field from the object that owns it, which for "account__name" is the account.
            field.value_to_string(attrgetter(".".join(column.split("__")[:-1]))(row) if "__" in column else row)
            for column, field in zip(self.columns, self.fields, strict=True)
        ]
        return self.signer.sign_object({"to": direction, "from": edge})

    def beyond(self, edge: Edge, *, backward: bool) -> Func:
        """The condition for rows beyond the edge, as one row comparison, which an index answers directly."""
        columns = Func(*(F(column) for column in self.columns), function="ROW")
        values = Func(
            *(Value(value, output_field=field) for value, field in zip(edge, self.fields, strict=True)), function="ROW"
        )
        sign = "<" if self.descending != backward else ">"
        return Func(columns, values, template="%(expressions)s", arg_joiner=f" {sign} ", output_field=BooleanField())

    def terms(self, *, backward: bool) -> list[str]:
        """The arguments of `order_by`."""
        sign = "-" if self.descending != backward else ""
        return [f"{sign}{column}" for column in self.columns]


def _forward(rows: QuerySet[AnyModel], ordering: _Ordering, edge: Edge | None, size: int) -> Page[AnyModel]:
    if edge is not None:
        rows = rows.filter(ordering.beyond(edge, backward=False))
    found = list(rows.order_by(*ordering.terms(backward=False))[: size + 1])
    shown = found[:size]
    return Page(
        shown,
        previous_cursor=ordering.write("previous", shown[0]) if edge is not None and shown else None,
        next_cursor=ordering.write("next", shown[-1]) if len(found) > size else None,
    )


def _backward(rows: QuerySet[AnyModel], ordering: _Ordering, edge: Edge, size: int) -> Page[AnyModel]:
    before = rows.filter(ordering.beyond(edge, backward=True)).order_by(*ordering.terms(backward=True))
    found = list(before[: size + 1])
    if len(found) < size:
        # The start of the list, with less than a page before the edge: show the whole first page instead of a few rows.
        return _forward(rows, ordering, None, size)
    shown = found[:size][::-1]
    return Page(
        shown,
        previous_cursor=ordering.write("previous", shown[0]) if len(found) > size else None,
        next_cursor=ordering.write("next", shown[-1]),
    )


def _field(model: type[Model], column: str) -> "Field[Any, Any]":
    """Return the field at the end of a path such as `account__name`. A NULL anywhere on the path would lose rows."""
    *relations, last = column.split("__")
    for relation in relations:
        step = model._meta.get_field(relation)
        if not isinstance(step, ForeignKey) or step.null:
            message = f"{model._meta.label}.{relation} must be a foreign key without NULL to be ordered by."
            raise ValueError(message)
        model = step.related_model
    field = model._meta.pk if last == "pk" else model._meta.get_field(last)
    if not isinstance(field, Field) or field.null:
        message = f"{model._meta.label}.{last} must be a column without NULL to be ordered by."
        raise ValueError(message)
    return field
