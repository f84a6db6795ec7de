"""How parameters and states of kinds are stored: a frozen dataclass of the kind's own in code, a JSON object in PostgreSQL.

Dollars are stored as shortest texts, times as ISO 8601 in UTC, everything else as it is. What was stored is never rewritten, so
a field without a default must have been there from the beginning: one that is added later, or may be left out, is `UNSET`.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, ClassVar, Final, Literal, Self, get_args, get_origin, get_type_hints

from accounts.changes.kinds.money import usd_text

VERSION: Final = "version"
"""The name that a version other than 1 is stored under."""


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"

    def __bool__(self) -> Literal[False]:
        return False


UNSET: Final = Unset.UNSET
"""The value of a field that is not stored."""


class OtherForm(LookupError):
    """What is stored is not of this form: it lacks a field that was always stored, or has another version."""


@dataclass(frozen=True, kw_only=True)
class StoredForm:
    """Parameters or a state of one kind; each subclass is a frozen dataclass.

    `rest` names the field, a mapping, that holds everything stored that has no field of its own, if a form has one.
    """

    version: ClassVar[int] = 1
    rest: ClassVar[str] = ""
    _kept_layout: ClassVar["_Layout"]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return what is stored; raises OtherForm, and ValueError or ArithmeticError for a value of another type."""
        if not cls.fits(stored):
            raise OtherForm(f"No {cls.__name__} of version {cls.version}: {sorted(stored)}")
        readers = cls._layout().readers
        values: dict[str, Any] = {name: read(stored[name]) for name, read in readers.items() if name in stored}
        if cls.rest:
            values[cls.rest] = {name: value for name, value in stored.items() if name not in readers}
        return cls(**values)

    @classmethod
    def fits(cls, stored: Mapping[str, Any]) -> bool:
        """Say whether this form can be read from what is stored, as far as its fields and its version show."""
        return stored.keys() >= cls._layout().required and stored.get(VERSION, 1) == cls.version

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        values = ((name, getattr(self, name)) for name in self._layout().readers)
        own = {name: _in_json(value) for name, value in values if value is not UNSET}
        return {**own, **getattr(self, self.rest)} if self.rest else own

    @classmethod
    def _layout(cls) -> "_Layout":
        if "_kept_layout" not in vars(cls):  # not that of the class above it
            cls._kept_layout = _layout_of(cls)
        return cls._kept_layout


@dataclass(frozen=True, kw_only=True)
class Nothing(StoredForm):
    """The parameters, or the state, of a kind that has none."""


# --- Fields -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layout:
    readers: Mapping[str, Callable[[Any], Any]]  # of each field that is stored under its own name
    required: frozenset[str]


def _layout_of(form: type[StoredForm]) -> _Layout:
    types = get_type_hints(form)
    own = [field for field in fields(form) if field.name != form.rest]
    return _Layout(
        readers={field.name: _reader(types[field.name]) for field in own},
        required=frozenset(field.name for field in own if field.default is MISSING),
    )


def _reader(declared: Any) -> Callable[[Any], Any]:
    types = {get_origin(each) or each for each in (declared, *get_args(declared))}
    read = next((read for type_, read in _READERS.items() if type_ in types), None)
    return (lambda value: None if value is None else read(value)) if read else (lambda value: value)


_READERS: Final[Mapping[type, Callable[[Any], Any]]] = {Decimal: Decimal, datetime: datetime.fromisoformat, tuple: tuple}


def _in_json(value: Any) -> Any:
    match value:
        case Decimal():
            return usd_text(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case tuple():
            return [_in_json(each) for each in value]
        case StrEnum():
            return value.value
        case _:
            return value
