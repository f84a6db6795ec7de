"""Form fields that several packages use."""

from typing import Any

from django import forms
from django.utils import timezone

from riskadmin.web.clock import display_zone


class LinesField(forms.CharField):
    """A text of several lines; each line's end is one character, though browsers send two and count it as one."""

    def to_python(self, value: Any) -> Any:
        """Return the text as it is kept, before its length is looked at."""
        return super().to_python(value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value)


class LocalTimeField(forms.DateTimeField):
    """A time as the clocks of the pages show it. One that they skip or show twice, when they are put on or back, is refused."""

    widget = forms.DateTimeInput

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        """Return the time, aware."""
        with timezone.override(display_zone()):
            return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        """Return a time as it is shown in the field."""
        with timezone.override(display_zone()):
            return super().prepare_value(value)
