"""Forms of templates: what one sets, what it is assigned to, and the filters of the drift list."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, cast

from django import forms

from accounts.access.queries import access_of
from accounts.changes.kinds.limit_fields import Record, in_json
from accounts.changes.kinds.limit_form import LEVEL_CHOICES, LimitsForm
from accounts.limit_templates.fields import TEMPLATE_FIELDS, fields_of
from accounts.limit_templates.models import LimitTemplate
from accounts.models import Account, EnvironmentChoice, LimitLevel, RiskCategory
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS
from accounts.pages.queries import categories
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.fields import LinesField, VisibleTextField
from riskadmin.web.formats import money

NOTE_MAX: Final = 1000


class VersionForm(LimitsForm):
    """What a template sets. An empty field is not governed: each account keeps its own value."""

    note = LinesField(
        label="Why",
        required=False,
        max_length=NOTE_MAX,
        widget=forms.Textarea({"rows": 2}),
        help_text="For the approvers, and for the audit trail.",
    )

    def __init__(self, *args: Any, level: str = "", **kwargs: Any) -> None:
        """Take the level if it is already fixed; then only that level's fields are offered."""
        super().__init__(*args, **kwargs)
        self.settled_level = level
        for name in AUTO_LIQ_FIELDS.keys() - TEMPLATE_FIELDS.keys():
            del self.fields[name]
        if level:
            del self.fields["level"]
            for field in AUTO_LIQ_FIELDS.values():
                if field.is_firm_only and level == LimitLevel.TRADER:
                    self.fields.pop(field.name, None)
        for name in TEMPLATE_FIELDS:
            offered = self.fields.get(name)
            if isinstance(offered, forms.ChoiceField):
                _, *others = cast("list[tuple[str, str]]", offered.choices)
                offered.choices = [("", "Not governed"), *others]

    @property
    def whose(self) -> str:
        """The level that a valid form is about."""
        return str(self.settled_level or self.cleaned_data.get("level") or LimitLevel.FIRM.value)

    @property
    def limits(self) -> dict[str, Any]:
        """The limits that a valid form sets, as a record."""
        given = {field.name: in_json(self.cleaned_data.get(field.name)) for field in fields_of(self.whose)}
        return {name: value for name, value in given.items() if value is not None and value != ""}

    def clean(self) -> dict[str, Any]:
        """Require at least one limit."""
        cleaned = super().clean()
        if not self.errors and not self.limits:
            self.add_error(None, "Fill in at least one limit: a template that sets none governs nothing.")
        return cleaned


class TemplateForm(VersionForm):
    """A new template: its name, its level, and what its first version sets."""

    name = VisibleTextField(label="Name", max_length=64, help_text="Such as 50K evaluation. It stays.")
    description = LinesField(
        label="What it is for",
        required=False,
        max_length=NOTE_MAX,
        widget=forms.Textarea({"rows": 2}),
    )

    field_order = ("name", "description", "level")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["level"].required = True
        self.fields["level"].help_text = "An account may have one template for the firm's limits and one for the trader's own."

    def clean_name(self) -> str:
        """Refuse a name that is taken, whatever its case; one query."""
        name: str = self.cleaned_data["name"]
        if LimitTemplate.objects.filter(name__iexact=name).exists():
            raise forms.ValidationError(f"There is a template called {name} already.")
        return name


def as_typed(record: Record) -> dict[str, Any]:
    """Return a record as a form's initial values."""
    return {
        name: ("yes" if value else "no") if isinstance(value, bool) else value
        for name, value in record.items()
        if name in TEMPLATE_FIELDS
    }


class AssignForm(forms.Form):
    """What a template is assigned to: one risk category, or one account size, in one environment."""

    to = forms.ChoiceField(label="Accounts of")

    def __init__(self, *args: Any, viewer: Staff, **kwargs: Any) -> None:
        """Offer the categories and sizes of which `viewer` has access to every account; two queries."""
        super().__init__(*args, **kwargs)
        self.categories = {f"category {each.pk}": each for each in categories(viewer)}
        access = access_of(viewer)
        sizes = Account.objects.filter(archived=False, evaluation_size_usd__isnull=False).order_by(
            "environment", "evaluation_size_usd"
        )
        self.sizes = {
            f"size {environment} {size}": (Environment(environment), size)
            for environment, size in sizes.values_list("environment", "evaluation_size_usd").distinct()
            if size is not None and (access is None or environment in access.environments)
        }
        field = self.fields["to"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  (declared above; for mypy)
        field.choices = [("", "Choose"), *self._choices()]

    def _choices(self) -> Iterator[tuple[str, str]]:
        for value, category in self.categories.items():
            yield value, f"{EnvironmentChoice(category.environment).label}: category {category.label}"
        for value, (environment, size) in self.sizes.items():
            yield value, f"{EnvironmentChoice(environment.value).label}: size {money(size)}"

    @property
    def chosen(self) -> tuple[Environment, RiskCategory | None, Decimal | None]:
        """The selection of a valid form: the environment, and a category or a size."""
        to = self.cleaned_data["to"]
        if to in self.categories:
            return Environment(self.categories[to].environment), self.categories[to], None
        environment, size = self.sizes[to]
        return environment, None, size


class DriftForm(forms.Form):
    """The filters of the drift list."""

    template = forms.TypedChoiceField(label="Template", required=False, coerce=int, empty_value=None)
    environment = forms.ChoiceField(label="Environment", required=False, choices=[("", "Any"), *EnvironmentChoice.choices])
    field = forms.ChoiceField(
        label="Differs in",
        required=False,
        choices=[("", "Any field"), *((name, field.label) for name, field in TEMPLATE_FIELDS.items())],
    )

    def __init__(self, *args: Any, templates: Sequence[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["template"]
        assert isinstance(field, forms.TypedChoiceField)  # noqa: S101  (declared above; for mypy)
        field.choices = [("", "Any"), *templates]


class LevelForm(forms.Form):
    """Which level of an account a template is created from."""

    level = forms.ChoiceField(choices=LEVEL_CHOICES)


class CorrectForm(forms.Form):
    """Which accounts of a template to select: those of one environment, or only those that differ in one field."""

    environment = forms.ChoiceField(choices=EnvironmentChoice.choices)
    field = forms.ChoiceField(required=False, choices=[("", ""), *((name, name) for name in TEMPLATE_FIELDS)])
