"""The time that a story tells."""

from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.utils import timezone

from accounts.story.queries import Span
from riskadmin.web.local_time import LocalTimeField

PERIODS: Final = (("7", "7 days"), ("30", "30 days"), ("", "All"))


class SpanForm(forms.Form):
    """From when to when; or the last days."""

    last = forms.ChoiceField(label="Period", choices=[("", "Any"), *PERIODS[:2]], required=False)
    since = LocalTimeField(label="From", required=False, has_seconds=True)
    before = LocalTimeField(label="Before", required=False, has_seconds=True)

    def clean(self) -> dict[str, Any]:
        """Refuse an empty time range."""
        cleaned: dict[str, Any] = super().clean() or {}
        since, before = cleaned.get("since"), cleaned.get("before")
        if since and before and since >= before:
            self.add_error("before", "This must be later than the time in From.")
        return cleaned

    @property
    def span(self) -> Span:
        """The time that a valid form names."""
        said = self.cleaned_data
        since = timezone.now() - timedelta(days=int(said["last"])) if said["last"] else None
        both = [at for at in (since, said["since"]) if at]
        return Span(since=max(both, default=None), before=said["before"])


class MomentForm(forms.Form):
    """A moment; now, if none is given."""

    at = LocalTimeField(label="At", required=False, has_seconds=True)

    def clean_at(self) -> datetime:
        """Refuse the future, of which nothing is known."""
        now = timezone.now()
        at: datetime = self.cleaned_data["at"] or now
        if at > now:
            raise forms.ValidationError("This is in the future.")
        return at
