"""The forms of position limits and risk parameters: one action on one record; fields left empty are not modified."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final

from django import forms

from accounts.changes.kinds.caps import hold_against_caps
from accounts.changes.kinds.pre_trade import ACTION, ACTION_WORDS
from accounts.changes.kinds.pre_trade_records import Action
from accounts.models.pre_trade import Field, PreTradeValueType, Tighter
from riskadmin.tradovate.encoding import DIGITS_MAX
from riskadmin.tradovate.pre_trade import DESCRIPTION_MAX
from riskadmin.web.number_fields import AmountField, CountField, PercentField

ID_MAX: Final = 2**63 - 1
COUNT_MAX: Final = 2**31 - 1

_LEAVE: Final = ("", "Leave as it is")


class PreTradeForm(forms.Form):
    """The action, the record, and its fields. `noun`, `key`, `owner`, `required_fields` are those of the kind."""

    noun: ClassVar[str]
    key: ClassVar[str]
    owner: ClassVar[str] = ""
    required_fields: ClassVar[tuple[str, ...]] = ()
    record_fields: ClassVar[tuple[Field, ...]]

    def clean(self) -> dict[str, Any]:
        """Check the fields against the action."""
        cleaned = super().clean() or self.cleaned_data
        given = {name for name, value in cleaned.items() if value is not None and value != ""} | set(self.errors)
        fields = [field for field in self.record_fields if field.name in given]
        match cleaned.get(ACTION):
            case Action.CREATE:
                self._check_new(given)
            case Action.UPDATE:
                self._check_number(given)
                if not fields:
                    self.add_error(None, "Nothing new was filled in. What is left empty stays as it is.")
            case Action.DELETE:
                self._check_number(given)
                for field in fields:
                    self.add_error(field.name, "Leave this empty: a removal takes no new values.")
        hold_against_caps(self)
        return cleaned

    def _check_new(self, given: set[str]) -> None:
        if self.key in given:
            self.add_error(self.key, f"Leave this empty: Tradovate gives a new {self.noun} its number.")
        if self.owner and self.owner not in given:
            self.add_error(self.owner, "Say what it belongs to. The numbers stand on the account's page.")
        for name in self.required_fields:
            if name not in given:
                self.add_error(name, f"A new {self.noun} needs this.")
        if not given & {field.name for field in self.record_fields if field.tighter in {Tighter.LOWER, Tighter.HIGHER}}:
            self.add_error(None, f"Fill in at least one of the limits: without any, a {self.noun} limits nothing.")

    def _check_number(self, given: set[str]) -> None:
        if self.key not in given:
            self.add_error(self.key, f"Say which {self.noun}. The numbers stand on the account's page.")
        if self.owner and self.owner in given:
            self.add_error(self.owner, f"Leave this empty: a {self.noun} stays where it is.")


def action_field(noun: str) -> forms.ChoiceField:
    """Return the field for the action."""
    choices = [("", "Choose"), *((action.value, words) for action, words in ACTION_WORDS.items())]
    return forms.ChoiceField(
        label="What to do",
        choices=choices,
        help_text=f"One {noun} of each account. What is left empty stays as it is, or is not set on a new one.",
    )


def number_field(label: str, help_text: str) -> CountField:
    """Return a field for Tradovate's number of a record."""
    messages = {"min_value": "Tradovate's numbers begin with 1."}
    return CountField(label=label, help_text=help_text, required=False, min_value=1, max_value=ID_MAX, error_messages=messages)


def record_form_fields(fields: Sequence[Field]) -> Mapping[str, forms.Field]:
    """Return the form's fields for a record's."""
    return {field.name: _form_field(field) for field in fields}


def _form_field(field: Field) -> forms.Field:
    shared: dict[str, Any] = {"label": field.label, "required": False, "help_text": field.help}
    match field.value_type:
        case PreTradeValueType.COUNT:
            messages = {"min_value": "Write a whole number, 0 or more.", "invalid": "Write a whole number, 0 or more."}
            return CountField(min_value=0, max_value=COUNT_MAX, error_messages=messages, **shared)
        case PreTradeValueType.NUMBER:
            shared["help_text"] = field.help or "Tradovate's number of it."
            return number_field(field.label, shared["help_text"])
        case PreTradeValueType.WORD:
            words = field.words or {}
            return forms.ChoiceField(choices=[_LEAVE, *((each, said.capitalize()) for each, said in words.items())], **shared)
        case PreTradeValueType.FLAG:
            return forms.TypedChoiceField(
                choices=[_LEAVE, ("yes", "Yes"), ("no", "No")],
                coerce=lambda answer: answer == "yes",
                empty_value=None,
                **shared,
            )
        case PreTradeValueType.PCT | PreTradeValueType.USD:
            messages = {"min_value": "Write a number, 0 or more."}
            number = PercentField if field.value_type == PreTradeValueType.PCT else AmountField
            return number(min_value=Decimal(0), max_digits=DIGITS_MAX, error_messages=messages, **shared)
        case PreTradeValueType.TEXT:
            return forms.CharField(max_length=DESCRIPTION_MAX, **shared)
