"""What all entities share: how pydantic and the types of the fields turn a row into an entity."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType, NoneType
from typing import Any, ClassVar, Final, NamedTuple, Self, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from riskadmin.tradovate.encoding import tradovate_name
from riskadmin.tradovate.reading import Unreadable, as_json, is_sound, named
from riskadmin.tradovate.values import EXTRA, RECORD

_SHOWN: Final = 40
_NOT_IN_THE_ROW: Final = frozenset({"extra", "record"})
_ALWAYS_SOUND: Final = frozenset({NoneType, bool, str})


class Entity:
    """Base of the dataclasses that are read from JSON. Their fields have the types of ``values``, and Tradovate's names."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(alias_generator=tradovate_name)

    ignored: ClassVar[frozenset[str]] = frozenset()
    """Tradovate's names of fields that are in the row but say nothing about the entity."""

    required_with: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Tradovate's names of fields that a row must have, by the fields that they must accompany."""

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Return the entity in a parsed row. Raise ``Unreadable`` with every field that can't be read.

        These may include fields that the entity does not name: they are kept, and may be sent back.
        """
        return _read(cls, data)


E = TypeVar("E", bound=Entity)


class _Reader(NamedTuple):
    names: frozenset[str]
    validate: Callable[[object], Any]


_READERS: Final[dict[type[Entity], _Reader]] = {}


def _reader(entity: type[Entity]) -> _Reader:
    """Return the reader of an entity, created when it is first needed."""
    reader = _READERS.get(entity)
    if reader is None:
        ours = (field.name for field in fields(entity))  # type: ignore[arg-type]  # each is a dataclass
        names = {tradovate_name(name) for name in ours if name not in _NOT_IN_THE_ROW}
        reader = _Reader(entity.ignored | names, TypeAdapter(entity).validator.validate_python)
        _READERS[entity] = reader
    return reader


def _read(entity: type[E], data: object) -> E:
    if type(data) is not dict:
        raise Unreadable(f"expected an object, got {type(data).__name__}", value=data)
    names, validate = _reader(entity)
    rest = {name: value for name, value in data.items() if name not in names}
    bad = {
        name: f"{name} holds what is no number"
        for name, value in rest.items()
        if type(value) not in _ALWAYS_SOUND and not is_sound(value)
    }
    for beside, name in entity.required_with.items():
        if data.get(beside) is not None and data.get(name) is None:
            bad[name] = f"{name} is missing beside {beside}"
    try:
        read: E = validate({**data, EXTRA: MappingProxyType(rest), RECORD: MappingProxyType(data)})
    except ValidationError as error:
        raise _unreadable(bad | _wrong(error, data), data) from error
    if bad:
        raise _unreadable(bad, data)
    return read


def _wrong(error: ValidationError, data: dict[str, object]) -> dict[str, str]:
    """Return the error of each of the entity's own fields that can't be read, by Tradovate's name of the field."""
    found: dict[str, str] = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(each["loc"][0])
        value = data.get(name)
        missing = f"{name} is missing"
        found.setdefault(name, missing if value is None else f"{name} should be {each['msg']}, got {as_json(value, _SHOWN)}")
    return found


def _unreadable(bad: dict[str, str], data: dict[str, object]) -> Unreadable:
    return named({name: data.get(name) for name in bad}, "; ".join(bad.values()))
