"""Forms of requesting and following changes. Input is checked here, before anything is read or written."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.spec import Unit
from accounts.changes.reasons.request_fields import WhyForm
from accounts.changes.states import ItemState, Priority
from accounts.changes.targeting.csv_table import BYTES_MAX
from accounts.changes.targeting.name_lookup import is_id
from accounts.changes.targeting.source import NOWHERE, TargetSource
from accounts.changes.targeting.targets import TARGETS_MAX, BadTargets
from riskadmin.tradovate.vocabulary import Environment, ReasonCode
from riskadmin.web.fields import CountField, LinesField

ADDRESS_MAX = 200
"""How many accounts one URL may name."""


def read_targets(values: Sequence[str], unit: Unit = Unit.ACCOUNT) -> tuple[Environment, list[int]]:
    """Return the environment and Tradovate's ids that `demo:123` values name. Raises BadTargets."""
    if not values:
        raise BadTargets("No account is chosen. Choose accounts in the list and ask again.")
    if len(values) > ADDRESS_MAX:
        raise BadTargets(f"{len(values):,} {unit.value}s are chosen; one change takes at most {ADDRESS_MAX} this way.")
    environments: set[Environment] = set()
    target_ids: list[int] = []
    for value in values:
        environment, _, target_id = value.partition(":")
        if environment not in set(Environment) or not is_id(target_id) or int(target_id) == 0:
            raise BadTargets(f"{value[:40]!r} does not name {unit.one}.")
        environments.add(Environment(environment))
        target_ids.append(int(target_id))
    if len(environments) > 1:
        raise BadTargets(f"Demo and live {unit.value}s can't be in one change. Choose those of one environment.")
    return environments.pop(), list(dict.fromkeys(target_ids))


class AskForm(WhyForm):
    """The reason for a change, when it runs, what has to be confirmed, the one-time key, and the digest of the plan.

    `source` says what of a list is not part of the change: if anything, the person has to confirm that this is intended.
    """

    leave_out = forms.BooleanField(required=False)
    confirm_count = CountField(
        label="How many is that?",
        required=False,
        help_text="A change this large has to be confirmed: type the number of items that would be sent.",
        min_value=0,
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "off"}),
    )
    form_key = forms.UUIDField(widget=forms.HiddenInput)
    digest = forms.RegexField(r"^[0-9a-f]{64}$", widget=forms.HiddenInput)

    def __init__(self, *args: Any, source: TargetSource = NOWHERE, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.source = source
        count = source.count_left_out
        what = f"these {source.left_out_words}" if count > 1 else f"this {source.entry_noun}"
        self.fields["leave_out"].label = f"Leave {what} out, and go on without"

    @classmethod
    def fresh(cls, digest: str, typed: QueryDict, *, kind: Kind, **details: Any) -> "AskForm":
        """Return a form with a new one-time key, and what was `typed` before, if anything."""
        kept: dict[str, Any] = {name: typed[name] for name in cls.base_fields if name in typed}
        kept["attached"] = typed.getlist("attached")
        return cls(initial={**kept, "form_key": uuid4(), "digest": digest}, kind=kind, **details)

    @property
    def submission(self) -> dict[str, Any]:
        """What a valid form says, by the names of the arguments of `actions.submit`."""
        said = self.cleaned_data
        return {
            "reason_code": ReasonCode(said["reason_code"]),
            "reason_text": said["reason_text"],
            "form_key": said["form_key"],
            "shown_digest": said["digest"],
            "timing": self.timing,
            "given": self.given,
        }

    def clean(self) -> dict[str, Any]:
        """Require a confirmation if anything is left out."""
        cleaned = super().clean() or self.cleaned_data
        if self.source.left_out and not cleaned.get("leave_out"):
            correct = "Correct the rows and upload them again" if self.source.is_file else "Correct the list and write it again"
            self.add_error("leave_out", f"{correct}, or choose to leave them out.")
        return cleaned


class NamesForm(forms.Form):
    """Targets named by hand, in one of the kind's environments."""

    environment = forms.ChoiceField(label="Environment")
    text = LinesField(
        label="Ids or names",
        max_length=1_000_000,
        widget=forms.Textarea({"rows": 8, "spellcheck": "false", "autocapitalize": "off"}),
        help_text="One a line, or several between commas. Bullets, numbering and quotes around them are ignored.",
    )

    def __init__(self, *args: Any, kind: Kind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer_environments(self, kind)


class FileForm(forms.Form):
    """Targets in a CSV file, in one of the kind's environments."""

    environment = forms.ChoiceField(label="Environment")
    file = forms.FileField(
        label="CSV file",
        max_length=255,
        allow_empty_file=True,  # the parser's own message is better
        widget=forms.FileInput({"accept": ".csv,text/csv"}),
        help_text=(
            f"As spreadsheets save it, best as “CSV UTF-8”. At most {BYTES_MAX // 1024 // 1024} MiB and {TARGETS_MAX:,} rows."
        ),
    )
    ignore_unknown = forms.BooleanField(
        label="Ignore columns with other headings",
        required=False,
        help_text="Otherwise a file with a column that is not listed below is refused.",
    )

    def __init__(self, *args: Any, kind: Kind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer_environments(self, kind)

    def clean_file(self) -> "UploadedFile[Any]":
        """Refuse a file that is too large before it is read."""
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > BYTES_MAX:
            size = (file.size or 0) / 1024 / 1024
            raise forms.ValidationError(
                f"The file has {size:.1f} MiB; at most {BYTES_MAX // 1024 // 1024} MiB are taken. Split it."
            )
        return file


def _offer_environments(form: forms.Form, kind: Kind) -> None:
    offered = sorted(kind.environments)
    field = forms.ChoiceField(label="Environment", choices=[(each.value, each.value.capitalize()) for each in offered])
    if len(offered) == 1:
        field.widget = forms.HiddenInput()
        field.initial = offered[0].value
    form.fields["environment"] = field


class PriorityForm(forms.Form):
    """Which change goes first if several want the same budget."""

    priority = forms.TypedChoiceField(choices=Priority.choices, coerce=int, widget=forms.Select({"class": "form-select"}))


class ItemsForm(forms.Form):
    """The filters of a change's items. Invalid input filters nothing."""

    state = forms.ChoiceField(
        required=False, choices=[("", "Any state"), *ItemState.choices], widget=forms.Select({"class": "form-select"})
    )
    q = forms.CharField(required=False, max_length=64, widget=forms.TextInput({"type": "search", "class": "form-control"}))

    @property
    def narrowed(self) -> dict[str, str]:
        """The requested filters: `state` and `search`."""
        wanted = self.cleaned_data if self.is_valid() else {}
        return {"state": wanted.get("state", ""), "search": wanted.get("q", "")}
