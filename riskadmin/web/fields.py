"""Form fields that several rooms use."""

from typing import Any

from django import forms


class LinesField(forms.CharField):
    """A text of several lines; each line's end is one character, though browsers send two and count it as one."""

    def to_python(self, value: Any) -> Any:
        """Return the text as it is kept, before its length is looked at."""
        return super().to_python(value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value)
