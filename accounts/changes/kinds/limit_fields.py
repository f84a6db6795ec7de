"""The fields of an account's auto-liq limits (seed 000): how each is named, stored, compared, displayed and sent.

A *record* is one level's limits as JSON values by the mirror's column: numbers as shortest decimal texts, times as ISO UTC.
Unset fields are not in it, as they are not in a call, so that two records are equal exactly when Tradovate holds the same.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum, StrEnum
from itertools import pairwise
from typing import Any, Final

from accounts.models import LimitLevel, Source
from accounts.sync.mapping import Reading, limits_row
from riskadmin.tradovate.auto_liq import AutoLiqFields
from riskadmin.tradovate.encoding import DIGITS_MAX, number
from riskadmin.tradovate.entities import CooldownStep, LossLimits
from riskadmin.tradovate.vocabulary import Environment, TrailingDrawdownMode
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment, money, percent

Record = Mapping[str, Any]

UNSET: Final = "—"


class Sort(StrEnum):
    """The type of a field's value."""

    USD = "usd"
    PCT = "pct"
    FLAG = "flag"
    TIME = "time"
    MODE = "mode"
    STEPS = "steps"


class Tighter(Enum):
    """Which value of a field restricts a trader more."""

    SMALLER = "smaller"  # unset is no limit at all
    LARGER = "larger"  # unset is no end
    YES = "yes"
    SET = "set"
    REAL_TIME = "real time"
    NEITHER = "neither"  # not known


@dataclass(frozen=True, kw_only=True)
class LimitField:
    """One field. `name` is the mirror's column, and its name in forms, parameters and records; `sent_as` is the client's."""

    name: str
    sent_as: str
    label: str
    sort: Sort
    tighter: Tighter = Tighter.SMALLER
    is_firm_only: bool = False
    help: str = ""

    @property
    def is_number(self) -> bool:
        """Whether it holds dollars or percent."""
        return self.sort in {Sort.USD, Sort.PCT}


_EFFECTS: Final = (("alert", "alert"), ("liq_only", "closing orders only"), ("auto_liq", "auto-liquidation"))
_THEN: Final = {
    "alert": "Tradovate raises an alert, and trading goes on",
    "liq_only": "Tradovate takes closing orders only",
    "auto_liq": "Tradovate closes every position and stops the account",
}
"""What happens at a limit, by its effect."""
_NEXT_DAY: Final = "It may trade again from the next trading day on, unless it stays locked."
_NEXT_WEEK: Final = "It may trade again when the next week opens on Sunday, unless it stays locked."


def _until(effect: str) -> str:
    return f" {_NEXT_DAY}" if effect == "auto_liq" else ""


LIMIT_FIELDS: Final[dict[str, LimitField]] = {
    field.name: field
    for field in (
        *(
            LimitField(
                name=f"daily_loss_{name}_usd",
                sent_as=f"daily_loss_{name}",
                label=f"Daily loss: {words}",
                sort=Sort.USD,
                help=f"Once the day's loss reaches this, {_THEN[name]}.{_until(name)}",
            )
            for name, words in _EFFECTS
        ),
        *(
            LimitField(
                name=f"daily_loss_{name}_pct",
                sent_as=f"daily_loss_percentage_{name}",
                label=f"Daily loss in percent: {words}",
                sort=Sort.PCT,
                help=f"Of the balance at the start of the day. Once the day's loss reaches it, {_THEN[name]}.{_until(name)}",
            )
            for name, words in _EFFECTS
        ),
        LimitField(
            name="weekly_loss_auto_liq_usd",
            sent_as="weekly_loss_auto_liq",
            label="Weekly loss: auto-liquidation",
            sort=Sort.USD,
            help=f"Once the week's loss reaches this, {_THEN['auto_liq']}. {_NEXT_WEEK}",
        ),
        LimitField(
            name="daily_profit_auto_liq_usd",
            sent_as="daily_profit_auto_liq",
            label="Daily profit: auto-liquidation",
            sort=Sort.USD,
            help=f"Once the day's profit reaches this, {_THEN['auto_liq']}. {_NEXT_DAY}",
        ),
        LimitField(
            name="weekly_profit_auto_liq_usd",
            sent_as="weekly_profit_auto_liq",
            label="Weekly profit: auto-liquidation",
            sort=Sort.USD,
            help=f"Once the week's profit reaches this, {_THEN['auto_liq']}. {_NEXT_WEEK}",
        ),
        *(
            LimitField(
                name=f"margin_{name}_pct",
                sent_as=f"margin_percentage_{name}",
                label=f"Margin in use: {words}",
                sort=Sort.PCT,
                help=f"Once so much of the margin is in use, {_THEN[name]}.",
            )
            for name, words in _EFFECTS
        ),
        LimitField(
            name="changes_locked",
            sent_as="changes_locked",
            label="Locked against changes",
            sort=Sort.FLAG,
            tighter=Tighter.YES,
            help="No limit of this level can be changed until the session ends. It may be impossible to undo this before then.",
        ),
        LimitField(
            name="trailing_max_drawdown_usd",
            sent_as="trailing_max_drawdown",
            label="Trailing drawdown",
            sort=Sort.USD,
            is_firm_only=True,
            help=(f"The floor lies so far below the highest net liquidation value. At the floor {_THEN['auto_liq']}."),
        ),
        LimitField(
            name="trailing_max_drawdown_limit_usd",
            sent_as="trailing_max_drawdown_limit",
            label="Trailing drawdown: highest floor",
            sort=Sort.USD,
            # The floor rises with the peak up to here: the higher it may rise, the less may be lost again.
            tighter=Tighter.LARGER,
            is_firm_only=True,
            help="Here the floor stops rising. A balance, not a loss: usually a little above the starting balance.",
        ),
        LimitField(
            name="trailing_max_drawdown_mode",
            sent_as="trailing_max_drawdown_mode",
            label="Trailing drawdown: it follows",
            sort=Sort.MODE,
            tighter=Tighter.REAL_TIME,
            is_firm_only=True,
            help="When a new highest value counts: at each day's close only, or at once, open profit included.",
        ),
        LimitField(
            name="do_not_unlock",
            sent_as="do_not_unlock",
            label="Stays locked once a limit has acted",
            sort=Sort.FLAG,
            tighter=Tighter.YES,
            is_firm_only=True,
            help="With Yes, an account that a limit has stopped trades again only once somebody unlocks it.",
        ),
        LimitField(
            name="flatten_at",
            sent_as="flatten_timestamp",
            label="Flatten and cancel at",
            sort=Sort.TIME,
            tighter=Tighter.SET,
            is_firm_only=True,
            help=(
                "At this time Tradovate cancels every order and closes every position. "
                "Once; the trader may open positions again afterwards."
            ),
        ),
        LimitField(
            name="stepped_cooldown",
            sent_as="stepped_cooldown",
            label="Stepped cool-down",
            sort=Sort.STEPS,
            tighter=Tighter.SET,
            is_firm_only=True,
            help=(
                "Dollars and minutes of each step, such as 250:15, 500:60. "
                "What a step is counted from, Tradovate does not document."
            ),
        ),
        LimitField(
            name="stepped_unlimited",
            sent_as="stepped_unlimited",
            label="Stepped cool-down: unlimited",
            sort=Sort.FLAG,
            tighter=Tighter.NEITHER,
            is_firm_only=True,
            help="Tradovate does not document what it does.",
        ),
    )
}

FIELDS_OF: Final[dict[LimitLevel, tuple[LimitField, ...]]] = {
    LimitLevel.FIRM: tuple(LIMIT_FIELDS.values()),
    LimitLevel.TRADER: tuple(field for field in LIMIT_FIELDS.values() if not field.is_firm_only),
}

MODE_WORDS: Final[dict[str, str]] = {
    TrailingDrawdownMode.EOD: "the end of each day",
    TrailingDrawdownMode.REAL_TIME: "every moment",
}

_LADDERS: Final = tuple(
    tuple(f"{figure}_{name}_{unit}" for name, _ in _EFFECTS)
    for figure, unit in (("daily_loss", "usd"), ("daily_loss", "pct"), ("margin", "pct"))
)
"""Fields on the same figure, in the order in which they are meant to act."""


# --- Records ------------------------------------------------------------------------------------------------------------


def record_read(limits: LossLimits, level: LimitLevel) -> dict[str, Any]:
    """Return the record from Tradovate's response, as the mirror would hold it."""
    # The mirror's row of it: a single place maps Tradovate's fields to columns.
    nowhere = Reading(Environment.DEMO, datetime.now(UTC), Source.CONFIRM)
    row = limits_row(limits, nowhere, account_id=0)
    record: dict[str, Any] = {}
    for field in FIELDS_OF[level]:
        value = row[field.name]
        if isinstance(value, Decimal):
            value = _as_kept(value, field.sort)
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


_PLACES: Final = {Sort.USD: Decimal("0.01"), Sort.PCT: Decimal("0.0001")}
_WHOLE_DIGITS_MAX: Final = 20  # more than any column holds, fewer than can't be rounded


def _as_kept(value: Decimal, sort: Sort) -> Decimal:
    """Round as PostgreSQL does when it writes the value into its column."""
    if value.adjusted() > _WHOLE_DIGITS_MAX:
        return value
    return value.quantize(_PLACES[sort], rounding=ROUND_HALF_UP)


# --- Sending ------------------------------------------------------------------------------------------------------------


def fields_to_send(record: Record) -> AutoLiqFields:
    """Return a record as the client takes it."""
    sent = {LIMIT_FIELDS[name].sent_as: _to_send(LIMIT_FIELDS[name].sort, value) for name, value in record.items()}
    return AutoLiqFields(**sent)


def _to_send(sort: Sort, value: Any) -> Any:
    match sort:
        case Sort.USD | Sort.PCT:
            return Decimal(value)
        case Sort.TIME:
            return datetime.fromisoformat(value)
        case Sort.STEPS:
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
        texts = [step["distance_usd"] for step in value] if isinstance(value, list) else [value]
        for text in texts:
            if isinstance(text, str) and len(text) > DIGITS_MAX and not _can_be_sent(LIMIT_FIELDS[name], text):
                return (
                    f"Can't be sent again: {LIMIT_FIELDS[name].label} is {text}, too many digits; set another with this change"
                )
    return ""


def _can_be_sent(field: LimitField, text: str) -> bool:
    if not field.is_number and field.sort is not Sort.STEPS:
        return True
    try:
        number(field.name, Decimal(text))
    except ValueError:
        return False
    return True


# --- Comparing and describing -------------------------------------------------------------------------------------------


def direction(field: LimitField, before: Any, after: Any) -> str:
    """Return "looser", "tighter", or "" if neither is known; None is unset."""
    was, becomes = _tightness(field, before), _tightness(field, after)
    if was is None or becomes is None or was == becomes:
        return ""
    return "tighter" if becomes > was else "looser"


def _tightness(field: LimitField, value: Any) -> Decimal | None:
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


def in_words(field: LimitField, value: Any) -> str:
    """Return a field's value in words; None is unset."""
    if value is None:
        return UNSET
    match field.sort:
        case Sort.USD:
            return money(Decimal(value))
        case Sort.PCT:
            return percent(Decimal(value))
        case Sort.FLAG:
            return "Yes" if value else "No"
        case Sort.TIME:
            return moment(datetime.fromisoformat(value), display_zone())
        case Sort.MODE:
            return MODE_WORDS.get(value, str(value)).capitalize()
        case Sort.STEPS:
            return (
                ", ".join(f"{money(Decimal(step['distance_usd']))}: {step['cooldown_minutes']} min" for step in value) or UNSET
            )


def out_of_order(record: Record, names: Collection[str]) -> Iterator[tuple[LimitField, LimitField]]:
    """Yield pairs on the same figure, one of them among `names`, whose milder effect would not come before the harsher."""
    for ladder in _LADDERS:
        if not any(name in names for name in ladder):
            continue
        for milder, harsher in pairwise(name for name in ladder if name in record):
            if Decimal(record[milder]) >= Decimal(record[harsher]):
                yield LIMIT_FIELDS[milder], LIMIT_FIELDS[harsher]
