"""The people who sign in here. A trader is never one of them."""

from functools import cached_property

from django.contrib.auth.models import AbstractUser

from riskadmin.audit.origin import Who
from riskadmin.staff.roles import Role, capabilities_of


class Staff(AbstractUser):
    """A person who signs in to riskadmin; what they may do follows from their groups alone (`staff/roles.py`)."""

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "staff"

    @cached_property
    def role_names(self) -> tuple[str, ...]:
        """The names of this person's roles, sorted. Costs one query, once per loaded person."""
        return tuple(sorted(self.groups.filter(name__in=Role.values).values_list("name", flat=True)))

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """What this person may do; nothing while the account is switched off."""
        return capabilities_of(self.role_names) if self.is_active else frozenset()

    def may(self, capability: str) -> bool:
        """Say whether this person holds `capability`. There is no superuser way around it."""
        return capability in self.capabilities

    def who(self) -> Who:
        """Return the snapshot of this person that events carry."""
        return Who(id=self.pk, name=self.get_full_name() or self.username, role=", ".join(self.role_names))
