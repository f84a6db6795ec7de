"""Form fields shared by several packages."""

from typing import Any

from django import forms


class LinesField(forms.CharField):
    """A text of several lines. Each line ending counts as one character, though browsers send two and count one."""

    def to_python(self, value: Any) -> Any:
        """Return the text as it is stored, before its length is checked."""
        return super().to_python(value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value)
