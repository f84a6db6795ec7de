"""The fields of the request form that say why: the firm's reason, Tradovate's code, the text and a ticket."""

import re
from typing import Any, Final, cast

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.http import QueryDict
from django.template.defaultfilters import filesizeformat

from accounts.changes.kinds.kind import Kind
from accounts.changes.reasons.background import Given
from accounts.changes.reasons.choices import CODE_CHOICES
from accounts.changes.reasons.file_check import ACCEPTED, ACCEPTED_WORDS
from accounts.changes.reasons.models import FirmReason, Upload
from accounts.changes.reasons.queries import offered
from accounts.changes.scheduling.timing_form import TimingForm
from riskadmin.tradovate.vocabulary import REASON_TEXT_MAX, ReasonCode
from riskadmin.web.address_number import number_in
from riskadmin.web.fields import LinesField
from riskadmin.web.tickets import TicketField

GAP: Final = re.compile(r"\[[^\[\]\n]+\]")
"""What a reason's text leaves to the person who chooses it: "[what was agreed]"."""


GONE: Final = "A file is no longer here. Attach it again, or go on without it."


class FilesInput(forms.ClearableFileInput):
    """A choice of several files."""

    allow_multiple_selected = True


class FirmReasonSelect(forms.Select):
    """A choice of the firm's reasons; each option carries what it fills in, for the script of the page."""

    def create_option(self, name: str, value: Any, label: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return an option with the code and the text of its reason."""
        option = super().create_option(name, value, label, *args, **kwargs)
        reason = getattr(value, "instance", None)
        if isinstance(reason, FirmReason):
            option["attrs"] |= {"data-code": reason.code, "data-text": reason.text}
        return option


class CodeSelect(forms.Select):
    """A choice that a browser may send empty: without scripts, the chosen firm's reason fills it in."""

    def use_required_attribute(self, initial: Any) -> bool:  # noqa: ARG002  (Django passes it)
        """Leave the check to the server."""
        return False


class WhyForm(TimingForm):
    """Why a change is requested, and when it runs. One of the firm's reasons fills in code and text, which can be edited."""

    firm_reason = forms.ModelChoiceField(
        label="Fill in from",
        queryset=FirmReason.objects.none(),
        required=False,
        empty_label="No prepared reason",
        widget=FirmReasonSelect({"data-fills": ""}),
        error_messages={"invalid_choice": "This reason is no longer offered. Choose another one."},
        help_text="A reason that your firm prepared fills in the two fields below, which you can edit.",
    )
    reason_code = forms.ChoiceField(label="Reason", choices=[("", "Choose a reason"), *CODE_CHOICES], widget=CodeSelect)
    reason_text = LinesField(
        label="In words",
        required=False,
        max_length=REASON_TEXT_MAX,
        widget=forms.Textarea({"rows": 3}),
        help_text="Needed with Other. Tradovate and the audit trail keep it word for word.",
    )
    ticket = TicketField(label="Ticket", required=False)
    # The files that came before: unchecking one removes it. New ones are kept by `uploads.receive`, and then are among these.
    attached = forms.ModelMultipleChoiceField(
        label="Attached",
        queryset=Upload.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": GONE, "invalid_pk_value": GONE},
    )
    new_files = forms.FileField(
        label="Attach files",
        required=False,
        widget=FilesInput({"accept": ",".join(ACCEPTED)}),
    )

    def __init__(self, *args: Any, kind: Kind, uploads: QuerySet[Upload] | None = None, **kwargs: Any) -> None:
        """Take the uploads among which the form may name some."""
        super().__init__(*args, kind=kind, **kwargs)
        firm_reason = cast("forms.ModelChoiceField[FirmReason]", self.fields["firm_reason"])
        firm_reason.queryset = offered(kind.name)
        attached = cast("forms.ModelMultipleChoiceField[Upload]", self.fields["attached"])
        attached.queryset = Upload.objects.none() if uploads is None else uploads
        most = filesizeformat(settings.ATTACHMENT_MAX_BYTES)
        most_of_them = f"at most {settings.ATTACHMENTS_MAX} files of {most} each"
        self.fields["new_files"].help_text = f"Such as the trader's request. {ACCEPTED_WORDS}, {most_of_them}."
        if self.is_bound:
            self.data = _filled_in(cast(QueryDict, self.data), kind)

    @property
    def given(self) -> Given:
        """What a valid form says besides code and text."""
        said = self.cleaned_data
        return Given.of(said["firm_reason"], said["ticket"], said["attached"])

    def clean(self) -> dict[str, Any]:
        """Require a text if the code alone says nothing, and that what a reason's text leaves open is filled in."""
        cleaned = super().clean() or self.cleaned_data
        if len(cleaned.get("attached", ())) > settings.ATTACHMENTS_MAX:
            self.add_error("attached", f"A request has at most {settings.ATTACHMENTS_MAX} files. Remove some.")
        text, firm_reason = cleaned.get("reason_text", ""), cleaned.get("firm_reason")
        if "reason_text" in self.errors:
            return cleaned
        if cleaned.get("reason_code") == ReasonCode.OTHER and not text:
            self.add_error("reason_text", "Say why: with the reason Other, Tradovate asks for it in words.")
        open_gaps = [gap for gap in GAP.findall(firm_reason.text) if gap in text] if firm_reason else []
        if open_gaps:
            self.add_error("reason_text", f"Replace {' and '.join(open_gaps)} with what applies here.")
        return cleaned


def _filled_in(typed: QueryDict, kind: Kind) -> QueryDict:
    """Return what was typed, completed by the chosen firm's reason if no script has done that: then the code is empty."""
    chosen = number_in(str(typed.get("firm_reason", "")))
    if typed.get("reason_code") or chosen is None:
        return typed
    reason = offered(kind.name).filter(pk=chosen).first()
    if reason is None:
        return typed
    filled = typed.copy()
    filled["reason_code"] = reason.code
    filled["reason_text"] = typed.get("reason_text") or reason.text
    return filled
