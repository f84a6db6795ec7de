"""The forms of access: what a person's is limited to, and which account belongs to whom."""

from typing import Any, Final, cast

from django import forms

from accounts.access.models import RelatedAccount, Relation
from accounts.access.queries import Access, visible_accounts, visible_traders
from accounts.models import Account, EnvironmentChoice, RiskCategory, Trader
from accounts.models.ids import BIGGEST_ID
from riskadmin.staff.duty.forms import PersonField
from riskadmin.staff.models import Staff
from riskadmin.staff.people.models import RightsRequest
from riskadmin.web.fields import VisibleTextField

EVERYTHING, LIMITED = "everything", "limited"
NOTE_MAX: Final = RelatedAccount.NOTE_MAX
COMMENT_MAX: Final = RightsRequest.REASON_MAX


class AccessForm(forms.Form):
    """What a person has access to: every account, or those of whole environments and of single programs."""

    scope = forms.ChoiceField(
        label="Access",
        choices=[(EVERYTHING, "Every account"), (LIMITED, "Only what is chosen below")],
        widget=forms.RadioSelect,
    )
    environments = forms.MultipleChoiceField(
        label="Whole environments",
        required=False,
        choices=[(each.value, f"All of {each.label.lower()}") for each in EnvironmentChoice],
        widget=forms.CheckboxSelectMultiple,
    )
    categories = forms.TypedMultipleChoiceField(
        label="Programs (risk categories)",
        required=False,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        help_text="An account belongs to the program of its risk category now, also if it was in another one before.",
    )
    comment = VisibleTextField(
        label="Why",
        max_length=COMMENT_MAX,
        help_text="Kept in the audit trail. If it gives more access than now, another administrator reads this and confirms.",
    )

    def __init__(self, *args: Any, present: Access | None, **kwargs: Any) -> None:
        """Offer every risk category; `present` is what the person has access to now. One query."""
        super().__init__(*args, **kwargs)
        self._present = present
        found = RiskCategory.objects.order_by("environment", "name", "pk")
        field = cast(forms.TypedMultipleChoiceField, self.fields["categories"])
        field.choices = [(each.pk, each.choice_label) for each in found]

    @classmethod
    def of(cls, access: Access | None) -> "AccessForm":
        """Return the form with what a person has access to now."""
        if access is None:
            return cls(initial={"scope": EVERYTHING}, present=access)
        lists = {"environments": sorted(access.environments), "categories": sorted(access.categories)}
        return cls(initial={"scope": LIMITED, **lists}, present=access)

    @property
    def access(self) -> Access | None:
        """The access that a valid form asks for. Categories of an environment that is chosen as a whole add nothing."""
        said = self.cleaned_data
        if said["scope"] == EVERYTHING:
            return None
        environments = frozenset(said["environments"])
        others = RiskCategory.objects.filter(pk__in=said["categories"]).exclude(environment__in=environments)
        return Access(environments=environments, categories=frozenset(others.values_list("pk", flat=True)))

    def clean(self) -> dict[str, Any]:
        """Refuse a limit to nothing: who should see no account is switched off. And every account together with a new limit.

        What is ticked because it is the present limit contradicts nothing: "Every account" is what was chosen then.
        """
        cleaned = super().clean() or self.cleaned_data
        chosen = {*cleaned.get("environments", ()), *cleaned.get("categories", ())}
        present = {*self._present.environments, *self._present.categories} if self._present else set()
        if cleaned.get("scope") == EVERYTHING and chosen and chosen != present:
            self.add_error(
                "scope", "Environments or programs are chosen below. Choose the limit here, or clear them for every account."
            )
        if cleaned.get("scope") == LIMITED and not chosen and not self.errors:
            self.add_error("environments", "Choose an environment or a program. Switch off a person who should see no account.")
        return cleaned


class MarkForm(forms.Form):
    """Which account, or which trader's accounts, belong to whom."""

    person = PersonField(label="Member of staff", queryset=Staff.objects.none(), empty_label="Choose")
    relation = forms.ChoiceField(label="It is", choices=Relation.choices)
    environment = forms.ChoiceField(label="Environment", choices=EnvironmentChoice.choices)
    unit = forms.ChoiceField(
        label="What", choices=[("account", "One account"), ("trader", "Every account of a trader, also later ones")]
    )
    name = VisibleTextField(label="Its name or Tradovate id", max_length=64)
    comment = VisibleTextField(
        label="What is known", max_length=NOTE_MAX, help_text="Such as: declared by Sam on 3 March. Kept in the audit trail."
    )

    def __init__(self, *args: Any, actor: Staff, **kwargs: Any) -> None:
        """Offer everybody but the person who marks."""
        super().__init__(*args, **kwargs)
        self.actor = actor
        field = cast(PersonField, self.fields["person"])
        field.queryset = Staff.objects.exclude(pk=actor.pk).order_by("first_name", "last_name", "username")

    def clean(self) -> dict[str, Any]:
        """Find the account or trader: by its id, else by its name, which may have to be the id if several have it."""
        cleaned = super().clean() or self.cleaned_data
        if {"environment", "unit", "name"} <= cleaned.keys():
            name, unit = cleaned["name"].strip(), cleaned["unit"]
            rows: Any = visible_accounts(Account.objects.all(), self.actor)
            rows = rows if unit == "account" else visible_traders(Trader.objects.all(), self.actor)
            rows = rows.filter(environment=cleaned["environment"])
            is_id = name.isascii() and name.isdecimal() and int(name) <= BIGGEST_ID
            found = list(rows.filter(tradovate_id=int(name))) if is_id else []
            found = found or list(rows.filter(name__iexact=name)[:2])
            if len(found) != 1:
                several = f"Several {unit}s have this name. Write the id of the one that is meant."
                self.add_error("name", several if found else f"No {unit} on {cleaned['environment']} has this name or id.")
            else:
                cleaned["target"] = found[0]
        return cleaned


class EndForm(forms.Form):
    """Why a mark should end."""

    comment = VisibleTextField(label="Why", max_length=COMMENT_MAX, help_text="Another administrator reads this and confirms.")
