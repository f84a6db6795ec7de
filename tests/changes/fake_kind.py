"""A kind with every sort of field, for pages and files that must cope with any kind; it is never sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, NoReturn

from django import forms

from accounts.changes.kinds.effects import EffectDirection, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Irreversible, Planned, Reading, Skip
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.stored_form import StoredForm
from accounts.changes.kinds.units import AccountKind
from accounts.changes.states import Direction
from accounts.models import Account
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import Environment


class FakeForm(forms.Form):
    """An amount that every target needs, and fields of other sorts that it may have."""

    amount = forms.DecimalField(min_value=Decimal(1), max_digits=12, decimal_places=2, help_text="In dollars.")
    floor = forms.DecimalField(required=False, max_digits=12, decimal_places=2)
    mode = forms.ChoiceField(required=False, choices=[("", "Leave"), ("eod", "End of day"), ("now", "Real time")])
    sticky = forms.BooleanField(required=False)
    level = forms.ChoiceField(choices=[("firm", "The firm's"), ("own", "The trader's own")], initial="firm")

    def clean_floor(self) -> Any:
        """Have a rule of the field's own."""
        if self.cleaned_data["floor"] == 13:
            raise forms.ValidationError("13 brings bad luck.")
        return self.cleaned_data["floor"]

    def clean(self) -> dict[str, Any]:
        """Have a rule over several fields, and one about the whole."""
        cleaned = super().clean() or self.cleaned_data
        amount, floor = cleaned.get("amount"), cleaned.get("floor")
        if amount is not None and floor is not None and floor > amount:
            self.add_error("floor", "The floor is above the amount.")
        if amount == 666:
            raise forms.ValidationError("This amount is the beast's.")
        return cleaned


@dataclass(frozen=True, kw_only=True)
class FakeState(StoredForm):
    """The one thing that the fake kind depends on."""

    admin_action: str


class FakeKind(AccountKind):
    """Sets an amount on accounts of both environments."""

    spec = KindSpec(
        name="fake",
        verb="Fake",
        action_label="Fake",
        effect="Does nothing at all.",
        warning="Only a fake.",
        direction=Direction.LOOSENING,
        environments=frozenset(Environment),
        icon="scale",
        permission="ask for fakes",
    )
    batch_size = 50
    parameters_form: ClassVar[type[forms.Form] | None] = FakeForm

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        given = {name: value for name, value in cleaned.items() if value is not None and value != "" and value is not False}
        return {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in given.items()}

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        return tuple((name.capitalize(), str(value)) for name, value in parameters.items())

    def mirrored_state(self, subject: Account) -> FakeState:
        return FakeState(admin_action=subject.risk_status.admin_action)

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        if subject.risk_status.admin_action != "Normal":
            return Skip(reason=f"Not normal: {subject.risk_status.admin_action}", before=self.state(subject))
        amount = Decimal(parameters["amount"])
        warnings = (f"Costs {amount:,} dollars: a lot",) if amount >= 1000 else ()
        effects = TargetEffects(direction=EffectDirection.NEITHER, money_effect_usd=amount)
        return Planned(
            before=self.state(subject), after=dict(parameters), effects=effects, warnings=warnings, weight=float(amount)
        )

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        return tuple(Difference(label=name.capitalize(), before="—", after=str(value)) for name, value in after.items())

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        _never()

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        _never()

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        _never()

    def inverse(self, done: Done) -> Irreversible:
        return Irreversible(reason="Only a fake")


def _never() -> NoReturn:
    raise AssertionError("The fake kind was sent.")
