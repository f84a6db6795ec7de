"""Forms about people, and the form behind a one-time link."""

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError

from riskadmin.staff.models import USERNAME_MAX, Staff, plain_username
from riskadmin.staff.people.links import person_of
from riskadmin.staff.people.models import RightsRequest
from riskadmin.staff.roles import Role
from riskadmin.staff.sign_in.forms import PASSWORD_MAX
from riskadmin.web.fields import VisibleTextField

CODE_MAX: Final = 100
COMMENT_MAX: Final = 300
NO_LINK: Final = (
    "This link doesn't work any more: it was used, withdrawn or replaced, or is older than 72 hours. "
    "Ask an administrator for a new one."
)
TAKEN: Final = "Somebody has this username already."


class NamesForm(forms.Form):
    """A person's name and e-mail address."""

    first_name = VisibleTextField(label="First name", max_length=60, required=False)
    last_name = VisibleTextField(label="Last name", max_length=60, required=False)
    email = forms.EmailField(
        label="E-mail", required=False, help_text="Notifications and one-time links go there. Only the person should read it."
    )


class ReasonForm(forms.Form):
    """Why something is done: others read it, and the trail keeps it."""

    reason = VisibleTextField(label="Reason", max_length=RightsRequest.REASON_MAX)


class ResetForm(forms.Form):
    """Whether a reset removes a person's second factors too, and why it is done."""

    factors = forms.BooleanField(
        label="Remove the second factors too",
        required=False,
        help_text="Authenticator app, passkeys and recovery codes, such as when a phone is lost.",
    )
    reason = VisibleTextField(label="Reason", max_length=RightsRequest.REASON_MAX, required=False)

    def __init__(self, data: Any = None, *, needs_reason: bool, has_factors: bool) -> None:
        """A reason is needed if another administrator confirms it, or if factors are removed."""
        super().__init__(data, auto_id="reset_%s")
        self._needs_reason = needs_reason
        if not has_factors:
            del self.fields["factors"]
        if not needs_reason and not has_factors:
            del self.fields["reason"]

    def clean(self) -> dict[str, Any]:
        """Ask for the reason where there has to be one."""
        cleaned: dict[str, Any] = super().clean() or {}
        if (self._needs_reason or cleaned.get("factors")) and not cleaned.get("reason") and "reason" not in self.errors:
            self.add_error("reason", "Say why. It stays in the trail.")
        if not self._needs_reason and cleaned.get("reason") and not cleaned.get("factors"):
            self.add_error("factors", "Tick this, or clear the reason: it is only kept if they are removed.")
        return cleaned


class InviteForm(NamesForm):
    """A new person."""

    username = forms.CharField(
        label="Username",
        max_length=USERNAME_MAX,
        widget=forms.TextInput({"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
        help_text="What they sign in with; it can't be changed. With single sign-on, the name at the identity provider.",
    )
    role = forms.ChoiceField(
        label="Role",
        choices=[("", "None for now"), *Role.choices],
        required=False,
        help_text="It holds once another administrator has confirmed it. Further roles are added on the person's page.",
    )
    reason = VisibleTextField(
        label="Reason", max_length=RightsRequest.REASON_MAX, help_text="The administrator who confirms reads this."
    )
    sign_in = forms.ChoiceField(
        label="Signs in with",
        choices=[("password", "A password, set with a one-time link"), ("sso", "Single sign-on only: no link is made")],
        initial="password",
        widget=forms.RadioSelect,
    )
    field_order = ("username", "first_name", "last_name", "email", "role", "reason", "sign_in")

    def clean_username(self) -> str:
        """Normalise it as it is stored, and refuse one that is taken."""
        username = plain_username(self.cleaned_data["username"])
        Staff._meta.get_field("username").clean(username, None)
        if Staff.objects.filter(username=username).exists():
            raise ValidationError(TAKEN)
        return username


class DetailsForm(NamesForm):
    """A person's name and e-mail address, changed."""

    reason = VisibleTextField(
        label="Reason",
        max_length=RightsRequest.REASON_MAX,
        required=False,
        help_text="Needed for another address of somebody who decides: another administrator confirms that.",
    )

    def __init__(self, data: Any = None, *, person: Staff, needs_reason: bool) -> None:
        """Show what is known; `needs_reason` if another address has to be confirmed."""
        names = ("first_name", "last_name", "email")
        super().__init__(data, auto_id="details_%s", initial={name: getattr(person, name) for name in names})
        self._person, self._needs_reason = person, needs_reason

    def clean(self) -> dict[str, Any]:
        """Ask for a reason where another administrator has to read one."""
        cleaned: dict[str, Any] = super().clean() or {}
        moved = cleaned.get("email") != self._person.email
        if self._needs_reason and moved and not cleaned.get("reason"):
            self.add_error("reason", "Say why the address changes: another administrator has to confirm it.")
        if self._needs_reason and not moved and cleaned.get("reason"):
            self.add_error("reason", "Clear this, or change the address: it is only kept with a new address.")
        return cleaned


class RoleForm(ReasonForm):
    """A role that a person does not have."""

    role = forms.ChoiceField(label="Role")
    field_order = ("role", "reason")

    def __init__(self, data: Any = None, *, person: Staff) -> None:
        """Offer the roles that the person lacks."""
        super().__init__(data, auto_id="role_%s")
        missing = [(role.value, role.label) for role in Role if role.value not in person.role_names]
        self.fields["role"].choices = missing  # type: ignore[attr-defined]  # of this field, not of every one


class SwitchOffForm(forms.Form):
    """Why a person is switched off, and who takes over what they have open."""

    comment = VisibleTextField(label="Reason", max_length=COMMENT_MAX, help_text="Shown in the audit trail.")
    to = forms.ChoiceField(
        label="Open requests go to",
        required=False,
        help_text="Requests that wait for approval end. This person can ask for them again, with everything filled in.",
    )

    def __init__(self, data: Any = None, *, heirs: Sequence[Staff]) -> None:
        """Offer those who could take over."""
        super().__init__(data)
        self._heirs = {str(each.pk): each for each in heirs}
        choices = [("", "No one: they are withdrawn"), *((pk, each.display_name) for pk, each in self._heirs.items())]
        self.fields["to"].choices = choices  # type: ignore[attr-defined]  # likewise

    @property
    def heir(self) -> Staff | None:
        """Who was chosen, once the form is valid."""
        return self._heirs.get(self.cleaned_data["to"])


class WelcomeForm(forms.Form):
    """The code of a one-time link, and a new password twice."""

    code = forms.CharField(
        label="Code",
        max_length=CODE_MAX,
        widget=forms.TextInput(
            {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "data-code-from-link": True}
        ),
        help_text="The part of the link after the # sign. It is filled in by the link itself.",
    )
    password = forms.CharField(
        label="New password",
        max_length=PASSWORD_MAX,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=" ".join(password_validators_help_texts()),
    )
    again = forms.CharField(
        label="New password again",
        max_length=PASSWORD_MAX,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        """Check the code first: without one that works, nothing is said about a password."""
        cleaned: dict[str, Any] = super().clean() or {}
        if "code" not in cleaned:
            return cleaned
        person = person_of(cleaned["code"])
        if person is None:
            self.add_error("code", NO_LINK)
            return cleaned
        if "password" in cleaned:
            try:
                validate_password(cleaned["password"], user=person)
            except ValidationError as error:
                self.add_error("password", error)
        if {"password", "again"} <= cleaned.keys() and cleaned["password"] != cleaned["again"]:
            self.add_error("again", "The two passwords differ. Type the same one twice.")
        return cleaned
