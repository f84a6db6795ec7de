"""Which limits a template may set. Its record is one of `kinds.limit_fields`: fields that it leaves out are not governed."""

from collections.abc import Mapping
from typing import Any, Final

from accounts.changes.kinds.auto_liq_limits import LimitsParameters
from accounts.changes.kinds.limit_fields import Record, in_words
from accounts.models import LimitLevel
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, FIELDS_OF_LEVEL, AutoLiqField

TEMPLATE_FIELDS: Final[dict[str, AutoLiqField]] = {
    name: field for name, field in AUTO_LIQ_FIELDS.items() if field.ends_by is None
}


def fields_of(level: str) -> tuple[AutoLiqField, ...]:
    """Return the fields that a template of this level may set, in order."""
    return tuple(field for field in FIELDS_OF_LEVEL[LimitLevel(level)] if field.name in TEMPLATE_FIELDS)


def governed(record: Record, level: str) -> dict[str, Any]:
    """Return the part of an account's record that a template of its level may set."""
    return {field.name: record[field.name] for field in fields_of(level) if field.name in record}


def parameters_of(*, limits: Record, level: str, words: str, version_id: int) -> dict[str, Any]:
    """Return the parameters of a change that applies a version."""
    return LimitsParameters(level=level, limits=limits, template=words, template_version=version_id).to_json()


def value_words(limits: Mapping[str, Any], level: str) -> list[tuple[AutoLiqField, str]]:
    """Return what a record sets, each field with its value in words, in the fields' order."""
    return [(field, in_words(field, limits[field.name])) for field in fields_of(level) if field.name in limits]
