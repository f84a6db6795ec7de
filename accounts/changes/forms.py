"""Forms of asking and deciding. What arrives is checked here, before anything is read or written."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django import forms

from accounts.changes.states import ChangeState, Verdict
from riskadmin.audit.wording import REASON_WORDS
from riskadmin.tradovate.vocabulary import REASON_TEXT_MAX, Environment, ReasonCode

TARGETS_MAX = 200
"""How many accounts may be named in one address."""

REASON_CHOICES = [("", "Choose a reason"), *((code, words) for code, words in REASON_WORDS.items())]


class BadTargets(ValueError):
    """The accounts named in the address can't be one change; the message is for people."""


def read_targets(values: Sequence[str]) -> tuple[Environment, list[int]]:
    """Return the environment and Tradovate's ids that `demo:123` values name. Raises BadTargets."""
    if not values:
        raise BadTargets("No account is chosen. Choose accounts in the list and ask again.")
    if len(values) > TARGETS_MAX:
        raise BadTargets(f"{len(values):,} accounts are chosen; one change takes at most {TARGETS_MAX} this way.")
    environments: set[Environment] = set()
    account_ids: list[int] = []
    for value in values:
        environment, _, account_id = value.partition(":")
        is_number = account_id.isascii() and account_id.isdecimal() and 0 < int(account_id[:20]) < 2**63
        if environment not in set(Environment) or not is_number or len(account_id) > 19:  # noqa: PLR2004  (digits of 2**63)
            raise BadTargets(f"{value[:40]!r} does not name an account.")
        environments.add(Environment(environment))
        account_ids.append(int(account_id))
    if len(environments) > 1:
        raise BadTargets("Demo and live accounts can't be in one change. Choose those of one environment.")
    return environments.pop(), list(dict.fromkeys(account_ids))


class LinesField(forms.CharField):
    """A text of several lines; each line's end is one character, though browsers send two and count it as one."""

    def to_python(self, value: Any) -> Any:
        """Return the text as it is kept, before its length is looked at."""
        return super().to_python(value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value)


class AskForm(forms.Form):
    """The reason for a change, the one-time key, and the digest of the plan that is shown beside it."""

    reason_code = forms.ChoiceField(label="Reason", choices=REASON_CHOICES)
    reason_text = LinesField(
        label="In words",
        required=False,
        max_length=REASON_TEXT_MAX,
        widget=forms.Textarea({"rows": 3}),
        help_text="Needed with Other. Tradovate and the audit trail keep it word for word.",
    )
    form_key = forms.UUIDField(widget=forms.HiddenInput)
    digest = forms.RegexField(r"^[0-9a-f]{64}$", widget=forms.HiddenInput)

    @classmethod
    def fresh(cls, digest: str) -> "AskForm":
        """Return an empty form with a new one-time key."""
        return cls(initial={"form_key": uuid4(), "digest": digest})

    def clean(self) -> dict[str, Any]:
        """Ask for words where the code says nothing."""
        cleaned = super().clean() or self.cleaned_data
        if (
            cleaned.get("reason_code") == ReasonCode.OTHER
            and not cleaned.get("reason_text")
            and "reason_text" not in self.errors
        ):
            self.add_error("reason_text", "Say why: with the reason Other, Tradovate asks for it in words.")
        return cleaned


class DecideForm(forms.Form):
    """One person's decision, with the digest of what they were shown."""

    verdict = forms.ChoiceField(choices=Verdict.choices, widget=forms.HiddenInput)
    comment = LinesField(label="Comment", required=False, max_length=2000, widget=forms.Textarea({"rows": 2}))
    digest = forms.RegexField(r"^[0-9a-f]{64}$", widget=forms.HiddenInput)


class FilterForm(forms.Form):
    """What the list of changes is narrowed to."""

    state = forms.ChoiceField(required=False, choices=[("", "Any state"), *ChangeState.choices])
    kind = forms.ChoiceField(required=False)
    mine = forms.BooleanField(required=False, label="Only what I asked for")

    def __init__(self, *args: Any, kinds: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"] = forms.ChoiceField(required=False, choices=[("", "Any kind"), *kinds])
