"""What people choose for themselves."""

from django import forms
from django.http import QueryDict

from riskadmin.staff.models import Staff
from riskadmin.staff.preferences.start_pages import start_pages
from riskadmin.staff.preferences.zones import zone_choices
from riskadmin.web.clock import firm_zone


class PreferencesForm(forms.Form):
    """A person's time zone and start page."""

    time_zone = forms.ChoiceField(
        label="Time zone",
        required=False,
        help_text="Times on pages and in files are shown in it, and what you type is read in it.",
    )
    start_page = forms.ChoiceField(label="Start page", required=False, help_text="Where you begin after signing in.")

    def __init__(self, data: QueryDict | None, *, person: Staff) -> None:
        """`person` is who chooses: only pages that they may open are offered."""
        super().__init__(data, initial={"time_zone": person.time_zone, "start_page": person.start_page})
        zones, pages = self.fields["time_zone"], self.fields["start_page"]
        zones.choices = [("", f"The firm's ({firm_zone().key})"), *zone_choices()]  # type: ignore[attr-defined]
        others = [(name, label) for name, label in start_pages(person) if name != "home"]
        pages.choices = [("", "Home"), *others]  # type: ignore[attr-defined]
