"""The filters of the list of people."""

from typing import Any

from django.db.models import Exists, QuerySet

from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.staff.sign_in.requirement import people_with_second_factor
from riskadmin.web.lists.filters import ListFilters, SelectFilter

NO_ROLE = "none"
NO_FACTOR = "none"


class PeopleFilters(ListFilters):
    """Each is a parameter of the page's address."""

    role = SelectFilter(label="Role", method="of_role", choices=[("", "Any"), *Role.choices, (NO_ROLE, "No role")])
    account = SelectFilter(
        label="Account", method="of_account", choices=[("", "Any"), ("active", "Active"), ("off", "Switched off")]
    )
    signed_in = SelectFilter(
        label="Signed in", method="of_sign_in", choices=[("", "Any"), ("never", "Never"), ("once", "At least once")]
    )
    second_factor = SelectFilter(
        label="Second factor", method="of_factor", choices=[("", "Any"), ("has", "Has one"), (NO_FACTOR, "None")]
    )

    class Meta:
        model = Staff
        fields: list[str] = []

    def of_role(self, rows: QuerySet[Staff], _: str, value: Any) -> QuerySet[Staff]:
        """Return those who have a role, or none of them."""
        if value == NO_ROLE:
            return rows.exclude(groups__name__in=Role.values)
        return rows.filter(groups__name=value)

    def of_account(self, rows: QuerySet[Staff], _: str, value: Any) -> QuerySet[Staff]:
        """Return those who may sign in, or those who may not."""
        return rows.filter(is_active=value == "active")

    def of_sign_in(self, rows: QuerySet[Staff], _: str, value: Any) -> QuerySet[Staff]:
        """Return those who have never signed in, or those who have."""
        return rows.filter(last_login__isnull=value == "never")

    def of_factor(self, rows: QuerySet[Staff], _: str, value: Any) -> QuerySet[Staff]:
        """Return those who have set up a second factor here, or those who have none."""
        has_one = Exists(people_with_second_factor())
        return rows.filter(~has_one if value == NO_FACTOR else has_one)
