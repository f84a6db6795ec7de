"""The fields that say when a change runs, and for a lock, how long it lasts."""

from datetime import datetime, timedelta
from typing import Any, Final, cast

from django import forms
from django.db import models
from django.utils import timezone

from accounts.changes.kinds.kind import Kind
from accounts.changes.scheduling.hours import HoursUnknown, hours
from accounts.changes.scheduling.timing import IMMEDIATELY, Timing
from accounts.changes.states import Window
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment
from riskadmin.web.local_time import LocalTimeField

AHEAD_MAX: Final = timedelta(days=90)
"""No one plans further ahead than this: a later date is a typing mistake."""

REVIEWED_WITHIN: Final = timedelta(days=1)
"""Unless someone says otherwise, a lock is to be reviewed on the next day."""


class When(models.TextChoices):
    """When a change runs."""

    NOW = "", "At once"
    AT = "at", "At a time"
    SESSION_END = "session_end", "At the end of the session"
    WINDOW = "window", "In the next window outside trading hours"


class Lasts(models.TextChoices):
    """How long a lock lasts."""

    OPEN = "", "Until somebody unlocks"
    SESSION_END = "session_end", "Until the end of the session"
    NEXT_SESSION = "next_session", "Until the next session"
    UNTIL = "until", "Until a time"


_COUNTS_WITH: Final = {
    "runs_at": (
        "when",
        (When.AT, When.WINDOW),
        "This only counts with “At a time” or a window. Choose one of them, or clear this.",
    ),
    "goes_on": ("when", (When.WINDOW,), "This only counts with a window. Choose it, or clear this."),
    "ends_at": ("lasts", (Lasts.UNTIL,), "This only counts with “Until a time”. Choose that, or clear this."),
    "review_by": (
        "lasts",
        (Lasts.OPEN,),
        "Only a lock without an end is reviewed. Choose “Until somebody unlocks”, or clear this.",
    ),
}
"""Fields that only count with some choices of another one, and what to do about one that is filled in with another choice."""


class TimingForm(forms.Form):
    """When a change runs and how long it lasts; `timing` returns it once the form is valid."""

    when = forms.ChoiceField(label="When", required=False, choices=When.choices)
    runs_at = LocalTimeField(label="Not before", required=False, help_text="With “At a time”, or for the window after it.")
    goes_on = forms.BooleanField(
        label="If the window closes first, go on in the next one; else cancel what is left", required=False
    )
    lasts = forms.ChoiceField(label="How long", required=False, choices=Lasts.choices)
    ends_at = LocalTimeField(label="Until", required=False, help_text="With “Until a time”.")
    review_by = forms.DateField(
        label="Review by",
        required=False,
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text="For a lock without an end. Left empty: tomorrow.",
    )

    def __init__(self, *args: Any, kind: Kind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timing: Timing = IMMEDIATELY
        if not kind.spec.ended_by:
            for name in ("lasts", "ends_at", "review_by"):
                del self.fields[name]
        self._at = timezone.now()
        self._describe_times()

    @property
    def is_timed(self) -> bool:
        """Whether anything was typed about when it runs, or has an error."""
        names = ("when", "runs_at", "goes_on")
        return any(self[name].value() or (self.is_bound and self[name].errors) for name in names)

    def _describe_times(self) -> None:
        """Show next to each choice the time it means now; without the exchange's hours, there is none to offer."""
        try:
            known = hours()
            ends, begins, window = known.session_end(self._at), known.next_session(self._at), known.window(self._at)
        except HoursUnknown as error:
            self._offer("when", {When.NOW, When.AT})
            self._offer("lasts", {Lasts.OPEN, Lasts.UNTIL})
            self.fields["when"].help_text = f"Sessions and windows can't be offered: {error}"
            return
        self.fields[
            "when"
        ].help_text = f"Trading hours are known until {moment(known.known_until, display_zone(), seconds=False)}."
        opens = "open now" if window.begins_at <= self._at else f"from {_short(window.begins_at)}"
        words = {
            When.SESSION_END: f"At the end of the session ({_short(ends)})",
            When.WINDOW: f"In the next window outside trading hours ({opens} until {_short(window.ends_at)})",
        }
        self._name("when", words)
        self._name(
            "lasts",
            {
                Lasts.SESSION_END: f"Until the end of the session ({_short(ends)})",
                Lasts.NEXT_SESSION: f"Until the next session ({_short(begins)})",
            },
        )

    def _offer(self, field: str, offered: set[Any]) -> None:
        if field in self.fields:
            _choice_field(self, field).choices = [(value, words) for value, words in _choices(self, field) if value in offered]

    def _name(self, field: str, words: dict[Any, str]) -> None:
        if field in self.fields:
            _choice_field(self, field).choices = [(value, words.get(value, label)) for value, label in _choices(self, field)]

    def clean(self) -> dict[str, Any]:
        """Compute the times that were chosen; refuse what was filled in and would not count."""
        cleaned = super().clean() or self.cleaned_data
        for name, (choice, counts_with, what_to_do) in _COUNTS_WITH.items():
            if cleaned.get(name) and choice in cleaned and cleaned[choice] not in counts_with:
                self.add_error(name, what_to_do)
        runs_at, window = self._runs(cleaned)
        ends_at = self._ends(cleaned, runs_at)
        review_by = None
        if "review_by" in self.fields and ends_at is None:
            local = (runs_at or self._at).astimezone(display_zone()).date()
            review_by = cleaned.get("review_by") or local + REVIEWED_WITHIN
            if review_by < local:
                self.add_error("review_by", "That day is over.")
        goes_on = window != Window.ANY and bool(cleaned.get("goes_on"))
        self.timing = Timing(runs_at=runs_at, window=window, goes_on=goes_on, ends_at=ends_at, review_by=review_by)
        return cleaned

    def _runs(self, cleaned: dict[str, Any]) -> tuple[datetime | None, Window]:
        when, typed = cleaned.get("when", When.NOW), cleaned.get("runs_at")
        if when == When.SESSION_END:
            return self._session_end(), Window.ANY
        if when == When.NOW or "runs_at" in self.errors:
            return None, Window.ANY
        if when == When.AT and typed is None:
            self.add_error("runs_at", "Say at what time.")
        if typed is not None:
            self._demand_ahead("runs_at", typed, self._at)
        if when == When.WINDOW:
            self._demand_window(typed)
            return typed, Window.OUTSIDE_TRADING
        return typed, Window.ANY

    def _session_end(self) -> datetime | None:
        try:
            return hours().session_end(self._at)
        except HoursUnknown as error:
            self.add_error("when", str(error))
            return None

    def _demand_window(self, typed: datetime | None) -> None:
        try:
            hours().window(typed or self._at)
        except HoursUnknown as error:
            self.add_error("runs_at", str(error))

    def _ends(self, cleaned: dict[str, Any], runs_at: datetime | None) -> datetime | None:
        """Return when a lock is to end; the end of the session is computed from when the lock begins."""
        lasts, begins = cleaned.get("lasts", Lasts.OPEN), runs_at or self._at
        try:
            if lasts == Lasts.SESSION_END:
                return hours().session_end(begins)
            if lasts == Lasts.NEXT_SESSION:
                return hours().next_session(begins)
        except HoursUnknown as error:
            self.add_error("lasts", str(error))
        if lasts != Lasts.UNTIL or "ends_at" in self.errors:
            return None
        ends_at: datetime | None = cleaned.get("ends_at")
        if ends_at is None:
            self.add_error("ends_at", "Say until when.")
        else:
            self._demand_ahead("ends_at", ends_at, begins)
        return ends_at

    def _demand_ahead(self, field: str, at: datetime, begins: datetime) -> None:
        if at <= begins:
            self.add_error(field, "That is over already." if begins == self._at else "That is before it begins.")
        elif at > self._at + AHEAD_MAX:
            self.add_error(field, f"That is more than {AHEAD_MAX.days} days ahead.")


def _choice_field(form: forms.Form, name: str) -> forms.ChoiceField:
    return cast(forms.ChoiceField, form.fields[name])


def _choices(form: forms.Form, name: str) -> list[tuple[Any, str]]:
    choices: Any = _choice_field(form, name).choices
    return list(choices)


def _short(at: datetime) -> str:
    return f"{at.astimezone(display_zone()):%a} {moment(at, display_zone(), seconds=False)}"
