"""Checking the rows of a file with a kind's form, as if each had been typed into it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import State
from accounts.changes.targeting.csv_columns import NO, YES, choices
from riskadmin.web.pasted_text import plain

_CHOICES_NAMED: Final = 8


class RowCheck:
    """Reads a row's parameters, with one form for all rows.

    A form for each row would cost seconds: most of a file's cells repeat, so a field's result for a text is cached.
    """

    def __init__(self, kind: Kind, columns: Sequence[str]) -> None:
        assert kind.parameters_form is not None  # noqa: S101  (a file has no parameters without; for mypy)
        self._kind = kind
        self._form = kind.parameters_form(data={})
        self._form.full_clean()  # so that it has its own errors, which are cleared for each row
        self._columns = tuple(columns)
        self._known: dict[tuple[str, str], tuple[Any, str]] = {}
        self._words = {name: choices(self._form.fields[name]) for name in columns}
        self._rules = {
            name: getattr(self._form, f"clean_{name}") for name in self._form.fields if hasattr(self._form, f"clean_{name}")
        }
        # Columns that the file leaves out have the form's initial values.
        self._rest = {
            name: _cleaned(field, _initial(field))[0] for name, field in self._form.fields.items() if name not in columns
        }

    def __call__(self, cells: Mapping[str, str]) -> tuple[State | None, list[tuple[str, str, str]]]:
        """Return a row's parameters, or its errors: column, value, reason."""
        form = self._form
        form.errors.clear()
        form.cleaned_data = dict(self._rest)
        for name in self._columns:
            value, wrong = self._value(name, cells[name])
            if wrong:
                form.add_error(name, wrong)
            else:
                form.cleaned_data[name] = value
        self._apply_own_rules()
        if form.errors:
            return None, [
                ("" if name == NON_FIELD_ERRORS else name, cells.get(name, ""), " ".join(str(each) for each in reasons))
                for name, reasons in form.errors.items()
            ]
        return self._kind.parameters(form.cleaned_data), []

    def _apply_own_rules(self) -> None:
        """Run the form's own methods, `clean_<field>` and `clean`, as `Form.full_clean` does."""
        form = self._form
        for name, rule in self._rules.items():
            if name in form.cleaned_data:
                try:
                    form.cleaned_data[name] = rule()
                except ValidationError as error:
                    form.add_error(name, error)
        try:
            cleaned = form.clean()
        except ValidationError as error:
            form.add_error(None, error)
        else:
            form.cleaned_data = form.cleaned_data if cleaned is None else cleaned

    def _value(self, name: str, text: str) -> tuple[Any, str]:
        key = name, text
        if key not in self._known:
            field = self._form.fields[name]
            if isinstance(field, forms.BooleanField):
                self._known[key] = _yes_or_no(field, plain(text))
            elif isinstance(field, forms.ChoiceField):
                self._known[key] = _choice(field, plain(text), self._words[name])
            else:
                self._known[key] = _cleaned(field, text)
        return self._known[key]


def _cleaned(field: forms.Field, value: Any) -> tuple[Any, str]:
    try:
        return field.clean(value), ""
    except ValidationError as error:
        return None, " ".join(error.messages)


def _choice(field: forms.ChoiceField, text: str, words: Mapping[str, str]) -> tuple[Any, str]:
    value, wrong = _cleaned(field, words.get(text.lower(), text))
    offered = list(dict.fromkeys(each for each in words.values() if each))
    return (
        (value, f"{wrong} Write {' or '.join(offered)}.")
        if wrong and text and len(offered) <= _CHOICES_NAMED
        else (value, wrong)
    )


def _initial(field: forms.Field) -> Any:
    initial = field.initial() if callable(field.initial) else field.initial
    return "" if initial is None else initial


def _yes_or_no(field: forms.BooleanField, text: str) -> tuple[Any, str]:
    # Django reads every text as true, with few exceptions.
    word = text.lower()
    if word and word not in YES | NO:
        return None, "Write yes or no."
    return _cleaned(field, word in YES if word else ("" if isinstance(field, forms.NullBooleanField) else False))
