"""Forms of the policy: its rules, a request to try them on, and a verdict about a version."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from django import forms
from django.forms.formsets import BaseFormSet

from accounts.approvals.models import PolicyRule
from accounts.approvals.policy import Stage
from accounts.approvals.policy_versions import RuleDraft
from accounts.approvals.states import Direction, Hours, Verdict
from accounts.approvals.subjects import kind_in_words, kinds_in_words
from accounts.models import EnvironmentChoice
from riskadmin.staff.roles import Role
from riskadmin.web.fields import LinesField, VisibleTextField
from riskadmin.web.number_fields import AmountField, CountField

RULES_MAX: Final = 25
"""More would be more fields than Django reads of one form."""
STAGES_MAX: Final = 3
APPROVALS_MAX: Final = 9
HOURS_MAX: Final = 24 * 90
COUNT_MAX: Final = 1_000_000_000
NOTE_MAX: Final = 2000

_ANY: Final = ("", "Any")
_ROLES: Final = [(role.value, role.label) for role in Role]


def _count(label: str, *, required: bool = False, at_most: int = COUNT_MAX, at_least: int = 0, **more: Any) -> CountField:
    return CountField(label=label, required=required, min_value=at_least, max_value=at_most, **more)


def _money(label: str, **more: Any) -> AmountField:
    return AmountField(label=label, required=False, min_value=0, max_digits=16, **more)


def _role_of_stage(label: str) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, choices=[("", "Any approver"), *_ROLES])


class RuleForm(forms.Form):
    """One rule: what it matches, and what that needs."""

    kinds = forms.MultipleChoiceField(
        label="Kinds", required=False, widget=forms.CheckboxSelectMultiple, help_text="None chosen: every kind."
    )
    directions = forms.MultipleChoiceField(
        label="Direction, as the preview finds it",
        required=False,
        choices=Direction.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: any.",
    )
    environment = forms.ChoiceField(label="Environment", required=False, choices=[_ANY, *EnvironmentChoice.choices])
    requester_role = forms.ChoiceField(label="Requested by", required=False, choices=[_ANY, *_ROLES])
    hours = forms.ChoiceField(label="When it runs", required=False, choices=[_ANY, *Hours.choices])
    from_items = _count("From so many targets on")
    from_items_24h = _count(
        "From so many within 24 hours on", help_text="Of one kind, by the same person, with what is requested."
    )
    from_liquidations = _count("From so many liquidations on", help_text="Certain or possible ones.")
    from_open_positions = _count("From so many open positions on")
    from_money_usd = _money("From so much money on", help_text="The largest amount by which a figure of one account changes.")
    approvals_1 = _count("Approvals", required=True, at_most=APPROVALS_MAX, help_text="0: it runs at once.")
    role_1 = _role_of_stage("By")
    approvals_2 = _count("2nd stage", at_most=APPROVALS_MAX, at_least=1)
    role_2 = _role_of_stage("2nd stage by")
    approvals_3 = _count("3rd stage", at_most=APPROVALS_MAX, at_least=1)
    role_3 = _role_of_stage("3rd stage by")
    valid_hours = _count(
        "Expires after", required=True, at_most=HOURS_MAX, at_least=1, initial=24, help_text="Undecided that long, it ends."
    )
    review_within_hours = _count(
        "Reviewed within", at_most=HOURS_MAX, at_least=1, help_text="By another person, if it runs at once. Empty: no review."
    )
    escalate_to = forms.ChoiceField(
        label="Tell before it expires",
        required=False,
        choices=[("", "The approvers only"), *_ROLES],
        help_text="Once three quarters of the time are over: the approvers, and everyone with this role.",
    )
    note = VisibleTextField(label="Note", required=False, max_length=200)

    def __init__(self, *args: Any, kind_choices: list[tuple[str, str]], **kwargs: Any) -> None:
        """Take the kinds to offer, so that they are read once for all rules."""
        super().__init__(*args, **kwargs)
        field = self.fields["kinds"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101  (declared above; for mypy)
        field.choices = kind_choices

    @property
    def source(self) -> RuleDraft | None:
        """The rule that an unbound form begins with, if there is one."""
        found: RuleDraft | None = self.initial.get("source")
        return found

    @property
    def is_left_empty(self) -> bool:
        """Whether it is a form for one rule more in which nothing was filled in."""
        return self.empty_permitted and not (self.is_bound and self.has_changed())

    @classmethod
    def initial_of(cls, rule: RuleDraft) -> dict[str, Any]:
        """Return a rule as the initial values of a form."""
        stages = {
            f"{name}_{number}": value
            for number, stage in enumerate(rule.stages, start=1)
            for name, value in (("approvals", stage.approvals), ("role", stage.role))
        }
        columns = {name: getattr(rule, name) for name in cls.base_fields if hasattr(rule, name)}
        thresholds = {name: value or None for name, value in columns.items() if name.startswith("from_")}
        return {"source": rule, "approvals_1": 0, **columns, **thresholds, **stages}

    @property
    def draft(self) -> RuleDraft:
        """The rule that a valid form describes."""
        given = self.cleaned_data
        thresholds: dict[str, Any] = {name: value or 0 for name, value in given.items() if name.startswith("from_")}
        return RuleDraft(
            kinds=tuple(given["kinds"]),
            directions=tuple(Direction(each) for each in given["directions"]),
            environment=given["environment"],
            requester_role=given["requester_role"],
            hours=Hours(given["hours"]) if given["hours"] else "",
            stages=tuple(self._stages()),
            valid_hours=given["valid_hours"],
            review_within_hours=given["review_within_hours"],
            escalate_to=given["escalate_to"],
            note=given["note"],
            **thresholds,
        )

    def _stages(self) -> Iterator[Stage]:
        for number in range(1, STAGES_MAX + 1):
            approvals = self.cleaned_data.get(f"approvals_{number}")
            if approvals:
                yield Stage(approvals=approvals, role=self.cleaned_data[f"role_{number}"])

    def clean(self) -> dict[str, Any]:
        """Refuse stages that leave one out, a role without approvals, and a review of what is approved before."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        stages = [(cleaned[f"approvals_{number}"], cleaned[f"role_{number}"]) for number in range(1, STAGES_MAX + 1)]
        for number, (approvals, role) in enumerate(stages, start=1):
            if approvals and number > 1 and not stages[number - 2][0]:
                self.add_error(f"approvals_{number}", "Fill in the stage before this one first.")
            if role and not approvals:
                message = "Say how many approvals by this role it needs, or choose Any approver."
                self.add_error(f"approvals_{number}", message)
        if stages[0][0] and cleaned["review_within_hours"]:
            message = "Only what runs at once is reviewed afterwards. Leave this empty, or set the approvals to 0."
            self.add_error("review_within_hours", message)
        if cleaned["escalate_to"] and not stages[0][0]:
            self.add_error("escalate_to", "What runs at once does not expire. Choose The approvers only.")
        return cleaned


class _Rules(BaseFormSet):  # type: ignore[type-arg]  # takes none where it runs
    """The rules of a version, in order; empty forms at the end are left out."""

    default_error_messages: ClassVar = {
        **BaseFormSet.default_error_messages,
        "too_many_forms": f"Keep at most {RULES_MAX} rules: one may name several kinds.",
    }

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """Read the kinds once for all rules."""
        if not hasattr(self, "_kinds"):
            self._kinds = kind_choices()
        return {**super().get_form_kwargs(index), "kind_choices": self._kinds}

    def add_fields(self, form: RuleForm, index: int | None) -> None:
        """Name the box that removes a rule."""
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            form.fields["DELETE"].label = "Remove this rule"

    def clean(self) -> None:
        """Refuse a policy without rules: nothing could be requested any more, not even a lock."""
        if not any(self.errors) and not drafts_in(self):
            raise forms.ValidationError("Keep at least one rule: what no rule covers can't be requested, not even a lock.")


def drafts_in(formset: Any) -> list[RuleDraft]:
    """Return the rules that a valid formset describes."""
    return [form.draft for form in formset.forms if not (form.is_left_empty or form.cleaned_data.get("DELETE"))]


RulesFormSet = forms.formset_factory(
    RuleForm, formset=_Rules, extra=1, can_delete=True, max_num=RULES_MAX, validate_max=True, absolute_max=RULES_MAX + 10
)


def kind_choices() -> list[tuple[str, str]]:
    """Return the kinds that a rule may name, with those that only rules still name; one query."""
    stored = {
        kind for kinds in PolicyRule.objects.exclude(kinds=[]).values_list("kinds", flat=True).distinct() for kind in kinds
    }
    offered = kinds_in_words()
    return [*offered.items(), *((kind, kind_in_words(kind)) for kind in sorted(stored - offered.keys()))]


class ProposalForm(forms.Form):
    """Why another policy is proposed, and the seal of the rules that were tried last."""

    note = LinesField(
        label="Why",
        max_length=NOTE_MAX,
        widget=forms.Textarea({"rows": 2}),
        help_text="For the person who approves it, and for the audit trail.",
    )
    tried = forms.CharField(required=False, widget=forms.HiddenInput)


class FactsForm(forms.Form):
    """A request that could be made, of which somebody wants to know what it would need."""

    kind = forms.ChoiceField(label="Kind")
    environment = forms.ChoiceField(label="Environment", choices=EnvironmentChoice.choices)
    requester_role = forms.ChoiceField(label="Requested by", choices=_ROLES)
    direction = forms.ChoiceField(label="Direction", required=False, choices=[("", "Not known"), *Direction.choices])
    hours = forms.ChoiceField(label="When it runs", required=False, choices=[("", "Not known"), *Hours.choices])
    items = _count("Targets", required=True, at_least=1, initial=1)
    items_24h = _count("Within 24 hours", help_text="Of this kind by the same person, these included. Empty: only these.")
    liquidations = _count("Liquidations, also possible ones", initial=0, help_text="Empty: not known.")
    open_positions = _count("Open positions", initial=0, help_text="Empty: not known.")
    money_usd = _money("Largest money effect", initial=0, help_text="Empty: not known.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["kind"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  (declared above; for mypy)
        field.choices = kind_choices()

    def clean(self) -> dict[str, Any]:
        """Refuse fewer targets within 24 hours than are requested."""
        cleaned = super().clean() or self.cleaned_data
        items, items_24h = cleaned.get("items"), cleaned.get("items_24h")
        if items is not None and items_24h is not None and items_24h < items:
            self.add_error("items_24h", f"They include what is requested, so write at least {items:,}.")
        return cleaned

    @property
    def facts(self) -> dict[str, Any]:
        """The facts that a valid form describes, as policy is asked with them."""
        given = self.cleaned_data
        return {
            **given,
            "subject": "change",
            "direction": given["direction"] or None,
            "hours": given["hours"] or None,
            "items_24h": given["items"] if given["items_24h"] is None else given["items_24h"],
        }


class VerdictForm(forms.Form):
    """One person's verdict about a version of the policy, with the digest of what they were shown."""

    verdict = forms.ChoiceField(choices=Verdict.choices, widget=forms.HiddenInput)
    comment = LinesField(
        label="Comment",
        required=False,
        max_length=NOTE_MAX,
        widget=forms.Textarea({"rows": 2}),
        help_text="Needed to reject, and to ask for edits.",
    )
    digest = forms.RegexField(r"^[0-9a-f]{64}$", widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        """Require the reason of what is not an approval."""
        cleaned = super().clean() or self.cleaned_data
        approves = cleaned.get("verdict") in {Verdict.APPROVE, None}
        if not approves and not cleaned.get("comment") and "comment" not in self.errors:
            self.add_error("comment", "Say why, or what should be edited: the person who proposed it reads this.")
        return cleaned
