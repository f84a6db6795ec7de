"""Records of auto-liq limits: how the values of the registry's fields are stored, compared, displayed and sent.

A *record* is one level's limits as JSON values by the mirror's column: numbers as shortest decimal texts, times as ISO UTC.
Unset fields are not in it, as they are not in a call, so that two records are equal exactly when Tradovate holds the same.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any, Final

from accounts.models import LimitLevel, Source
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, FIELDS_OF_LEVEL, AutoLiqField, Figure, Tighter, ValueType
from accounts.sync.mapping import ReadStamp, limits_row
from riskadmin.tradovate.auto_liq import AutoLiqFields
from riskadmin.tradovate.encoding import DIGITS_MAX, number
from riskadmin.tradovate.entities import CooldownStep, LossLimits
from riskadmin.tradovate.vocabulary import Environment, TrailingDrawdownMode
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment, money, percent

Record = Mapping[str, Any]

UNSET: Final = "—"

MODE_WORDS: Final[dict[str, str]] = {
    TrailingDrawdownMode.EOD: "the end of each day",
    TrailingDrawdownMode.REAL_TIME: "every moment",
}


# --- Records ------------------------------------------------------------------------------------------------------------


def record_read(limits: LossLimits, level: LimitLevel) -> dict[str, Any]:
    """Return the record from Tradovate's response, as the mirror would hold it."""
    # The mirror's row of it: a single place maps Tradovate's fields to columns.
    nowhere = ReadStamp(Environment.DEMO, datetime.now(UTC), Source.CONFIRM)
    row = limits_row(limits, nowhere, account_id=0)
    record: dict[str, Any] = {}
    for field in FIELDS_OF_LEVEL[level]:
        value = row[field.name]
        if isinstance(value, Decimal):
            value = _as_kept(value, field.value_type)
        if value is not None and value != "":
            record[field.name] = in_json(value)
    return record


def without_falses(record: Record) -> dict[str, Any]:
    """Return a record as it is compared: Tradovate may leave out a flag that is false."""
    return {name: value for name, value in record.items() if value is not False}


def in_json(value: object) -> Any:
    """Return a field's value as JSON, the same for every way of writing it."""
    match value:
        case Decimal():
            return digits(value)
        case datetime():
            # Tradovate takes milliseconds.
            at = value.astimezone(UTC)
            return at.replace(microsecond=at.microsecond // 1000 * 1000).isoformat()
        case list():
            return [{**step, "distance_usd": digits(Decimal(step["distance_usd"]))} for step in value]
        case _:
            return value


def digits(value: Decimal) -> str:
    """Return a number as its shortest text: 1000.00 is "1000"."""
    return format(value.normalize(), "f") if value else "0"


_PLACES: Final = {ValueType.USD: Decimal("0.01"), ValueType.PCT: Decimal("0.0001")}
_WHOLE_DIGITS_MAX: Final = 20  # more than any column holds, fewer than can't be rounded


def _as_kept(value: Decimal, value_type: ValueType) -> Decimal:
    """Round as PostgreSQL does when it writes the value into its column."""
    if value.adjusted() > _WHOLE_DIGITS_MAX:
        return value
    return value.quantize(_PLACES[value_type], rounding=ROUND_HALF_UP)


# --- Sending ------------------------------------------------------------------------------------------------------------


def fields_to_send(record: Record) -> AutoLiqFields:
    """Return a record as the client takes it."""
    sent = {
        AUTO_LIQ_FIELDS[name].entity_name: _to_send(AUTO_LIQ_FIELDS[name].value_type, value) for name, value in record.items()
    }
    return AutoLiqFields(**sent)


def _to_send(value_type: ValueType, value: Any) -> Any:
    match value_type:
        case ValueType.USD | ValueType.PCT:
            return Decimal(value)
        case ValueType.TIME:
            return datetime.fromisoformat(value)
        case ValueType.STEPS:
            return tuple(
                CooldownStep(
                    step_number=step["step"],
                    step_distance=Decimal(step["distance_usd"]),
                    cooldown_minutes=step["cooldown_minutes"],
                )
                for step in value
            )
        case _:
            return value


def unsendable(record: Record) -> str:
    """Return why the client would refuse to send a record, or "": Tradovate's own data may be invalid."""
    mode = record.get("trailing_max_drawdown_mode")
    if mode is not None and mode not in MODE_WORDS:
        return f"Can't be sent again: its drawdown follows {mode!r}; choose what it follows with this change"
    for name, value in record.items():
        field = AUTO_LIQ_FIELDS[name]
        texts = [step["distance_usd"] for step in value] if isinstance(value, list) else [value]
        for text in texts:
            if isinstance(text, str) and len(text) > DIGITS_MAX and not _can_be_sent(field, text):
                return f"Can't be sent again: {field.label} is {text}, too many digits; set another with this change"
    return ""


def _can_be_sent(field: AutoLiqField, text: str) -> bool:
    if not field.is_number and field.value_type is not ValueType.STEPS:
        return True
    try:
        number(field.name, Decimal(text))
    except ValueError:
        return False
    return True


# --- Comparing and describing -------------------------------------------------------------------------------------------


def direction(field: AutoLiqField, before: Any, after: Any) -> str:
    """Return "looser", "tighter", or "" if neither is known; None is unset."""
    was, becomes = _tightness(field, before), _tightness(field, after)
    if was is None or becomes is None or was == becomes:
        return ""
    return "tighter" if becomes > was else "looser"


def _tightness(field: AutoLiqField, value: Any) -> Decimal | None:
    """Return a number that is larger the tighter the value is."""
    match field.tighter:
        case Tighter.SMALLER:
            return Decimal("-Infinity") if value is None else -Decimal(value)
        case Tighter.LARGER:
            return Decimal("Infinity") if value is None else Decimal(value)
        case Tighter.YES:
            return Decimal(bool(value))
        case Tighter.SET:
            return Decimal(value is not None)
        case Tighter.REAL_TIME:
            return {TrailingDrawdownMode.EOD: Decimal(0), TrailingDrawdownMode.REAL_TIME: Decimal(1)}.get(value)
        case Tighter.NEITHER:
            return None


def in_words(field: AutoLiqField, value: Any) -> str:
    """Return a field's value in words; None is unset."""
    if value is None:
        return UNSET
    match field.value_type:
        case ValueType.USD:
            return money(Decimal(value))
        case ValueType.PCT:
            return percent(Decimal(value))
        case ValueType.FLAG:
            return "Yes" if value else "No"
        case ValueType.TIME:
            return moment(datetime.fromisoformat(value), display_zone())
        case ValueType.MODE:
            return MODE_WORDS.get(value, str(value)).capitalize()
        case ValueType.STEPS:
            return (
                ", ".join(f"{money(Decimal(step['distance_usd']))}: {step['cooldown_minutes']} min" for step in value) or UNSET
            )


def out_of_order(record: Record, names: Collection[str]) -> Iterator[tuple[AutoLiqField, AutoLiqField]]:
    """Yield pairs on the same figure, one of them among `names`, whose milder effect would not come before the harsher."""
    for ladder in _LADDERS:
        if not any(field.name in names for field in ladder):
            continue
        for milder, harsher in pairwise(field for field in ladder if field.name in record):
            if Decimal(record[milder.name]) >= Decimal(record[harsher.name]):
                yield milder, harsher


def _ladders() -> Iterable[Sequence[AutoLiqField]]:
    """Return the limits on the same figure and in the same unit, from the mildest effect to the harshest."""
    found: dict[tuple[Figure, ValueType], list[AutoLiqField]] = {}
    for field in AUTO_LIQ_FIELDS.values():
        if field.figure:
            found.setdefault((field.figure, field.value_type), []).append(field)
    return found.values()


_LADDERS: Final = tuple(_ladders())
