"""The form that requests an export."""

from typing import Final

from django import forms

FORMATS: Final = (("jsonl", "JSON Lines"), ("csv", "CSV"))
GROUPS: Final = (
    ("staff", "names and addresses of staff"),
    ("trader", "names of accounts and traders"),
    ("text", "texts, values before and after, what was sent and answered"),
)


class ExportForm(forms.Form):
    """How the rows are written, and what is left out; `query` is the filter of the list."""

    query = forms.CharField(required=False, max_length=4000, widget=forms.HiddenInput)
    data_format = forms.ChoiceField(label="Format", choices=FORMATS, initial="jsonl")
    withheld = forms.MultipleChoiceField(
        label="Leave out",
        choices=GROUPS,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="The rows that are left can still be verified.",
    )
