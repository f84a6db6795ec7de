"""Form fields shared by several packages."""

from typing import Any

from django import forms

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


class CountField(forms.IntegerField):
    """A number that a person types to confirm it, with or without its commas."""

    def to_python(self, value: Any) -> int | None:
        """Return the number without commas and blanks."""
        return super().to_python(value.replace(",", "").replace(" ", "") if isinstance(value, str) else value)
