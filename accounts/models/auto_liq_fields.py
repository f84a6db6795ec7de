"""The registry of auto-liq limit fields: each field of Tradovate's auto-liq records once, with all that is known about it.

The mapper, the watched columns, the form and its page, caps, effects, distances, templates and drift derive from it. The
columns of `AutoLiqLimits`, the client's request and the SQL view of drift are written out, and compared with it by tests.
Source: seed 000.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Final

from django.db import models

from accounts.models import LimitLevel
from riskadmin.tradovate.auto_liq import FIRM_ONLY


class ValueType(StrEnum):
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


class EndsBy(Enum):
    """What ends a setting without a change: an account can't be compared with a template in it."""

    TIME = "its time"
    SESSION = "the end of the session"


class FieldGroup(models.TextChoices):
    """Under which heading a form shows a field."""

    DAILY_LOSS = "daily-loss", "Daily loss"
    WEEK_AND_PROFIT = "week-and-profit", "Weekly loss, and profits"
    TRAILING = "trailing", "Trailing drawdown"
    MARGIN = "margin", "Margin in use"
    RULES = "rules", "When and for how long"


class Effect(Enum):
    """What happens when a limit is reached, from the mildest: as a noun, as a verb, and as a sentence."""

    ALERT = "alert", "alerts", "Tradovate raises an alert, and trading goes on"
    LIQ_ONLY = "closing orders only", "closing orders only", "Tradovate takes closing orders only"
    AUTO_LIQ = "auto-liquidation", "auto-liquidates", "Tradovate closes every position and stops the account"

    def __init__(self, words: str, verb: str, sentence: str) -> None:
        self.words = words
        self.verb = verb
        self.sentence = sentence


class Figure(Enum):
    """A figure of an account that limits are compared with, and the words about it."""

    DAILY_LOSS = "Daily loss", FieldGroup.DAILY_LOSS, "today"
    WEEKLY_LOSS = "Weekly loss", FieldGroup.WEEK_AND_PROFIT, "this week"
    DAILY_PROFIT = "Daily profit", FieldGroup.WEEK_AND_PROFIT, "today"
    WEEKLY_PROFIT = "Weekly profit", FieldGroup.WEEK_AND_PROFIT, "this week"
    MARGIN = "Margin in use", FieldGroup.MARGIN, "now"

    def __init__(self, label: str, group: FieldGroup, when: str) -> None:
        self.label = label
        self.group = group
        self.when = when


@dataclass(frozen=True, kw_only=True)
class AutoLiqField:
    """One field.

    `name` is the mirror's column, and the name in forms, parameters, records and the trail; `entity_name` is the client's.
    `figure` and `effect` are those of a limit that acts once a figure reaches it. `usual` holds the lowest and the highest
    usual number, in percent: of the evaluation size for dollars.
    """

    name: str
    entity_name: str
    label: str
    help: str
    value_type: ValueType
    group: FieldGroup
    tighter: Tighter
    figure: Figure | None = None
    effect: Effect | None = None
    usual: tuple[Decimal, Decimal] | None = None
    ends_by: EndsBy | None = None

    @property
    def is_number(self) -> bool:
        """Whether it holds dollars or percent."""
        return self.value_type in {ValueType.USD, ValueType.PCT}

    @property
    def is_firm_only(self) -> bool:
        """Whether only the firm's record has it."""
        return self.entity_name in FIRM_ONLY


_USD, _PCT, _FLAG = ValueType.USD, ValueType.PCT, ValueType.FLAG
_NEXT_DAY: Final = " It may trade again from the next trading day on, unless it stays locked."
_NEXT_WEEK: Final = " It may trade again when the next week opens on Sunday, unless it stays locked."

_HELP: Final[dict[tuple[Figure, ValueType], tuple[str, str]]] = {
    (Figure.DAILY_LOSS, _USD): ("Once the day's loss reaches this", _NEXT_DAY),
    (Figure.DAILY_LOSS, _PCT): ("Of the balance at the start of the day. Once the day's loss reaches it", _NEXT_DAY),
    (Figure.WEEKLY_LOSS, _USD): ("Once the week's loss reaches this", _NEXT_WEEK),
    (Figure.DAILY_PROFIT, _USD): ("Once the day's profit reaches this", _NEXT_DAY),
    (Figure.WEEKLY_PROFIT, _USD): ("Once the week's profit reaches this", _NEXT_WEEK),
    (Figure.MARGIN, _PCT): ("Once so much of the margin is in use", ""),
}
"""When a limit acts, and how long an auto-liquidation by it lasts."""


def _limit(name: str, entity_name: str, figure: Figure, effect: Effect, *, usual: tuple[str, str]) -> AutoLiqField:
    """Return a limit on a figure, in the unit with which its name ends."""
    value_type = ValueType(name.rpartition("_")[2])
    when, until = _HELP[figure, value_type]
    unit = " in percent" if value_type is _PCT and figure is not Figure.MARGIN else ""
    return AutoLiqField(
        name=name,
        entity_name=entity_name,
        label=f"{figure.label}{unit}: {effect.words}",
        help=f"{when}, {effect.sentence}.{until if effect is Effect.AUTO_LIQ else ''}",
        value_type=value_type,
        group=figure.group,
        tighter=Tighter.SMALLER,
        figure=figure,
        effect=effect,
        usual=(Decimal(usual[0]), Decimal(usual[1])),
    )


# The usual numbers: programs commonly end a day at 2 to 5 % of the evaluation size, a week at 5 to 10 %, and trail by 3 to 6 %.
# For the margin in use, low values are unusual.
_FIELDS: Final = (
    # Limits on the same figure, from the mildest effect to the harshest.
    _limit("daily_loss_alert_usd", "daily_loss_alert", Figure.DAILY_LOSS, Effect.ALERT, usual=("0.5", "6")),
    _limit("daily_loss_liq_only_usd", "daily_loss_liq_only", Figure.DAILY_LOSS, Effect.LIQ_ONLY, usual=("0.5", "6")),
    _limit("daily_loss_auto_liq_usd", "daily_loss_auto_liq", Figure.DAILY_LOSS, Effect.AUTO_LIQ, usual=("1", "6")),
    _limit("daily_loss_alert_pct", "daily_loss_percentage_alert", Figure.DAILY_LOSS, Effect.ALERT, usual=("0.5", "6")),
    _limit("daily_loss_liq_only_pct", "daily_loss_percentage_liq_only", Figure.DAILY_LOSS, Effect.LIQ_ONLY, usual=("0.5", "6")),
    _limit("daily_loss_auto_liq_pct", "daily_loss_percentage_auto_liq", Figure.DAILY_LOSS, Effect.AUTO_LIQ, usual=("1", "6")),
    _limit("weekly_loss_auto_liq_usd", "weekly_loss_auto_liq", Figure.WEEKLY_LOSS, Effect.AUTO_LIQ, usual=("2", "12")),
    _limit("daily_profit_auto_liq_usd", "daily_profit_auto_liq", Figure.DAILY_PROFIT, Effect.AUTO_LIQ, usual=("0.5", "25")),
    _limit("weekly_profit_auto_liq_usd", "weekly_profit_auto_liq", Figure.WEEKLY_PROFIT, Effect.AUTO_LIQ, usual=("1", "50")),
    _limit("margin_alert_pct", "margin_percentage_alert", Figure.MARGIN, Effect.ALERT, usual=("25", "100")),
    _limit("margin_liq_only_pct", "margin_percentage_liq_only", Figure.MARGIN, Effect.LIQ_ONLY, usual=("25", "100")),
    _limit("margin_auto_liq_pct", "margin_percentage_auto_liq", Figure.MARGIN, Effect.AUTO_LIQ, usual=("25", "100")),
    AutoLiqField(
        name="changes_locked",
        entity_name="changes_locked",
        label="Locked against changes",
        help="No limit of this level can be changed until the session ends. It may be impossible to undo this before then.",
        value_type=_FLAG,
        group=FieldGroup.RULES,
        tighter=Tighter.YES,
        ends_by=EndsBy.SESSION,
    ),
    AutoLiqField(
        name="trailing_max_drawdown_usd",
        entity_name="trailing_max_drawdown",
        label="Trailing drawdown",
        help=f"The floor lies so far below the highest net liquidation value. At the floor {Effect.AUTO_LIQ.sentence}.",
        value_type=_USD,
        group=FieldGroup.TRAILING,
        tighter=Tighter.SMALLER,
        usual=(Decimal(2), Decimal(12)),
    ),
    AutoLiqField(
        name="trailing_max_drawdown_limit_usd",
        entity_name="trailing_max_drawdown_limit",
        label="Trailing drawdown: highest floor",
        help="Here the floor stops rising. A balance, not a loss: usually a little above the starting balance.",
        value_type=_USD,
        group=FieldGroup.TRAILING,
        # The floor rises with the peak up to here: the higher it may rise, the less may be lost again.
        tighter=Tighter.LARGER,
        usual=(Decimal(95), Decimal(115)),
    ),
    AutoLiqField(
        name="trailing_max_drawdown_mode",
        entity_name="trailing_max_drawdown_mode",
        label="Trailing drawdown: it follows",
        help="When a new highest value counts: at each day's close only, or at once, open profit included.",
        value_type=ValueType.MODE,
        group=FieldGroup.TRAILING,
        tighter=Tighter.REAL_TIME,
    ),
    AutoLiqField(
        name="do_not_unlock",
        entity_name="do_not_unlock",
        label="Stays locked once a limit has acted",
        help="With Yes, an account that a limit has stopped trades again only once somebody unlocks it.",
        value_type=_FLAG,
        group=FieldGroup.RULES,
        tighter=Tighter.YES,
    ),
    AutoLiqField(
        name="flatten_at",
        entity_name="flatten_timestamp",
        label="Flatten and cancel at",
        help=(
            "At this time Tradovate cancels every order and closes every position. "
            "Once; the trader may open positions again afterwards."
        ),
        value_type=ValueType.TIME,
        group=FieldGroup.RULES,
        tighter=Tighter.SET,
        ends_by=EndsBy.TIME,
    ),
    AutoLiqField(
        name="stepped_cooldown",
        entity_name="stepped_cooldown",
        label="Stepped cool-down",
        help=(
            "Dollars and minutes of each step, such as 250:15, 500:60. "
            "What a step is counted from, Tradovate does not document."
        ),
        value_type=ValueType.STEPS,
        group=FieldGroup.RULES,
        tighter=Tighter.SET,
    ),
    AutoLiqField(
        name="stepped_unlimited",
        entity_name="stepped_unlimited",
        label="Stepped cool-down: unlimited",
        help="Tradovate does not document what it does.",
        value_type=_FLAG,
        group=FieldGroup.RULES,
        tighter=Tighter.NEITHER,
    ),
)

AUTO_LIQ_FIELDS: Final[dict[str, AutoLiqField]] = {field.name: field for field in _FIELDS}

FIELDS_OF_LEVEL: Final[dict[LimitLevel, tuple[AutoLiqField, ...]]] = {
    LimitLevel.FIRM: _FIELDS,
    LimitLevel.TRADER: tuple(field for field in _FIELDS if not field.is_firm_only),
}
