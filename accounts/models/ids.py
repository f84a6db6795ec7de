"""Looking up rows by many of Tradovate's ids at once."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func

from riskadmin.tradovate.reading import INTEGER_MAX

BIGGEST_ID: Final = INTEGER_MAX


class AnyOf(Func):
    """`column = ANY('{1,2,3}')`: like `column__in`, but one parameter. With 10,000 parameters, each costs more than its row."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY("
    output_field = models.BooleanField()

    def __init__(
        self, column: str, values: Sequence[int] | Sequence[str], field: "models.Field[Any, Any] | None" = None
    ) -> None:
        """Take a column name, or a related row's column, and values of the type of `field` (a number by default)."""
        super().__init__(F(column), models.Value(list(values), output_field=ArrayField(field or models.BigIntegerField())))
