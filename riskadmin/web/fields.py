"""Form fields shared by several packages."""

from typing import Any

from django import forms
from django.utils import timezone

from riskadmin.web.clock import display_zone
from riskadmin.web.visible import is_empty


class VisibleTextField(forms.CharField):
    """A text that people read: one of invisible characters alone is empty."""

    def to_python(self, value: Any) -> Any:
        """Return the text, "" if it shows nothing."""
        text = super().to_python(value)
        return "" if isinstance(text, str) and is_empty(text) else text


class LinesField(VisibleTextField):
    """A text of several lines. Each line ending counts as one character, though browsers send two and count one."""

    def to_python(self, value: Any) -> Any:
        """Return the text as it is stored, before its length is checked."""
        return super().to_python(value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value)


class LocalTimeField(forms.DateTimeField):
    """A time in the zone of the pages. A time that a clock change skips or repeats is refused."""

    widget = forms.DateTimeInput

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        """Return the aware time."""
        with timezone.override(display_zone()):
            return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        """Return a time as the field shows it."""
        with timezone.override(display_zone()):
            return super().prepare_value(value)
