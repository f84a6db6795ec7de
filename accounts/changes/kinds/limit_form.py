"""The form for new auto-liq limits: fields left empty are not modified, account by account."""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.utils import timezone

from accounts.changes.kinds.caps import hold_against_caps
from accounts.changes.kinds.limit_fields import MODE_WORDS, digits, in_words, out_of_order
from accounts.models import LimitLevel
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, AutoLiqField, FieldGroup, ValueType
from riskadmin.tradovate.encoding import DIGITS_MAX
from riskadmin.web.clock import display_zone
from riskadmin.web.local_time import LocalTimeField
from riskadmin.web.number_fields import AmountField, NumberUnit, PercentField, plain_number

LEVEL_CHOICES: Final = [
    (LimitLevel.FIRM.value, "The firm's"),
    (LimitLevel.TRADER.value, "The trader's own"),
]
STEPS_MAX: Final = 20
MINUTES_MAX: Final = 10_080  # a week

_AROUND: Final = {ValueType.USD: ("$", ""), ValueType.PCT: ("", "%")}
_LEAVE: Final = ("", "Leave as it is")
_STEP: Final = re.compile(r"([^:]*[0-9])\s*:\s*([0-9]+)")


class StepsField(forms.CharField):
    """Steps of a cool-down, "distance:minutes, distance:minutes", as the mirror stores them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=400, **kwargs)

    def to_python(self, value: Any) -> Any:
        """Return a list of steps, or None if nothing was typed."""
        text = super().to_python(value)
        if not text:
            return None
        parts = [part.strip() for part in text.split(",")]
        if len(parts) > STEPS_MAX:
            raise ValidationError(f"There are {len(parts)} steps; at most {STEPS_MAX} are taken.")
        return [_step(number, part) for number, part in enumerate(parts, start=1)]

    def run_validators(self, value: Any) -> None:
        """The text field's own rules apply to the text; `to_python` has parsed it."""

    def prepare_value(self, value: Any) -> Any:
        """Show steps as they are typed."""
        if isinstance(value, list):
            return ", ".join(f"{step['distance_usd']}:{step['cooldown_minutes']}" for step in value)
        return value


def _step(number: int, text: str) -> dict[str, Any]:
    if not text:
        raise ValidationError(f"Step {number} is empty: there is a comma too many.")
    found = _STEP.fullmatch(text)
    if found is None:
        raise ValidationError(f"Step {number} is {text!r}. Write dollars, a colon and whole minutes, such as 250:15.")
    distance, minutes = _distance(number, found[1]), int(found[2])
    if not 1 <= minutes <= MINUTES_MAX:
        raise ValidationError(f"Step {number}: a cool-down takes 1 to {MINUTES_MAX:,} minutes, not {minutes:,}.")
    return {"step": number, "distance_usd": digits(distance), "cooldown_minutes": minutes}


def _distance(number: int, text: str) -> Decimal:
    try:
        amount = plain_number(text, NumberUnit.USD)
    except ValidationError as error:
        raise ValidationError(f"Step {number}: {error.message}") from error
    distance = Decimal(amount)
    if distance <= 0 or distance != distance.quantize(Decimal("0.01")) or len(amount) > DIGITS_MAX:
        raise ValidationError(f"Step {number}: {text} is no amount above 0 in dollars and cents.")
    return distance


class LimitsForm(forms.Form):
    """New limits of one level. An empty field leaves each account its own value; nothing can be cleared."""

    level = forms.ChoiceField(
        label="Whose limits",
        choices=LEVEL_CHOICES,
        initial=LimitLevel.FIRM.value,
        required=False,
        help_text=(
            "Empty fields stay as they are, account by account. A limit can be altered but not taken away: "
            "how Tradovate clears one is not documented."
        ),
    )

    @property
    def groups(self) -> Iterator[tuple[FieldGroup, list[tuple[BoundField, str, str]]]]:
        """The limits as pages show them: under each heading, its fields, with the text before and after each."""
        for group in FieldGroup:
            fields = [field for field in AUTO_LIQ_FIELDS.values() if field.group is group and field.name in self.fields]
            if fields:
                yield group, [(self[field.name], *_AROUND.get(field.value_type, ("", ""))) for field in fields]

    def clean(self) -> dict[str, Any]:
        """Check the fields against the level and each other."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("level") == LimitLevel.TRADER:
            for field in AUTO_LIQ_FIELDS.values():
                is_left = cleaned.get(field.name) is None or cleaned[field.name] == ""
                if field.is_firm_only and not is_left:
                    self.add_error(field.name, "Only the firm's limits have this. Leave it as it is, or choose the firm's.")
        given = {name: cleaned[name] for name in AUTO_LIQ_FIELDS if isinstance(cleaned.get(name), Decimal)}
        for milder, harsher in out_of_order(given, given):
            at = in_words(milder, given[milder.name])
            self.add_error(harsher.name, f"This has to be more than the {at} of “{milder.label}”, which comes first.")
        hold_against_caps(self)
        return cleaned


def _form_field(field: AutoLiqField) -> forms.Field:
    shared: dict[str, Any] = {"label": field.label, "required": False, "help_text": field.help}
    match field.value_type:
        case ValueType.USD:
            return _money(shared)
        case ValueType.PCT:
            return _percent(shared)
        case ValueType.FLAG:
            return forms.TypedChoiceField(
                choices=[_LEAVE, ("yes", "Yes"), ("no", "No")],
                coerce=lambda answer: answer == "yes",
                empty_value=None,
                **shared,
            )
        case ValueType.MODE:
            return forms.ChoiceField(
                choices=[_LEAVE, *((mode, words.capitalize()) for mode, words in MODE_WORDS.items())], **shared
            )
        case ValueType.TIME:
            zoned = {**shared, "help_text": f"{field.help} In the zone {display_zone().key}."}
            return LocalTimeField(validators=[_demand_future], **zoned)
        case ValueType.STEPS:
            return StepsField(**shared)


def _demand_future(at: datetime) -> None:
    """Refuse a time in the past: at best it does nothing."""
    if at <= timezone.now():
        raise ValidationError("This time has passed. Choose one that is still to come.")


def _money(shared: dict[str, Any]) -> forms.Field:
    # 0 does not clear a limit: a loss limit of 0 would liquidate every account that is not in profit.
    messages = {"min_value": "Write an amount above 0. A limit can't be taken away here."}
    return AmountField(min_value=Decimal("0.01"), max_digits=DIGITS_MAX, error_messages=messages, **shared)


def _percent(shared: dict[str, Any]) -> forms.Field:
    messages = {"min_value": "Write a percentage above 0. A limit can't be taken away here."}
    return PercentField(min_value=Decimal("0.0001"), max_value=Decimal(100), error_messages=messages, **shared)


# Django reads a form's fields from its class; these are defined in the table already.
LimitsForm.base_fields.update({field.name: _form_field(field) for field in AUTO_LIQ_FIELDS.values()})
