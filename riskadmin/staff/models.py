"""The people who sign in here. Traders are not among them."""

import unicodedata
from functools import cached_property
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now

from riskadmin.audit.access import sees_everything
from riskadmin.audit.origin import Who
from riskadmin.database.privileges import hidden_from_auditor, kept
from riskadmin.staff.roles import OF_EVERY_ACCOUNT, Role, capabilities_of

USERNAME_MAX = 64


def plain_username(username: str) -> str:
    """Return the normalised form in which a username is stored and looked up."""
    return unicodedata.normalize("NFKC", username).strip().lower()


class StaffManager(BaseUserManager["Staff"]):
    """Creates people without permissions. `staff.actions` assigns roles."""

    def create_user(self, username: str, email: str = "", password: str | None = None, **extra: Any) -> "Staff":
        """Save a person without roles. Without a password they can't sign in."""
        person = self.model(username=plain_username(username), email=self.normalize_email(email), **extra)
        person.set_password(password)
        person.save(using=self._db)
        return person

    def create_superuser(self, **_: object) -> "Staff":
        """Refuse Django's `createsuperuser`: no one here has every permission."""
        raise ValidationError("There are no superusers here. Use: manage.py create_person USERNAME --role administrator")

    def get_by_natural_key(self, username: str | None) -> "Staff":
        """Return the person with this username, ignoring case."""
        return self.get(username=plain_username(username or ""))


@kept()
@hidden_from_auditor("password")
class Staff(AbstractBaseUser):
    """A person who signs in to riskadmin. Their permissions come from their groups alone (`staff/roles.py`).

    Not Django's AbstractUser: with no superuser flag and no personal permissions, none can be left on a person by mistake.
    """

    username = models.CharField(
        max_length=USERNAME_MAX,
        unique=True,
        validators=[RegexValidator(r"\A[a-z0-9][a-z0-9@.+_-]*\Z", "Use small letters, digits and @ . + - _ only.")],
    )
    first_name = models.CharField(max_length=60, blank=True)
    last_name = models.CharField(max_length=60, blank=True)
    email = models.EmailField(blank=True)
    is_active = models.BooleanField(default=True)  # deactivated instead of deleted: the trail keeps naming them
    date_joined = models.DateTimeField(db_default=Now())
    time_zone = models.CharField(max_length=64, blank=True, default="", db_default="")  # a key of the IANA database
    start_page = models.CharField(max_length=64, blank=True, default="", db_default="")  # the name of its address; "" is Home
    groups = models.ManyToManyField(Group, blank=True, related_name="staff")

    objects: ClassVar[StaffManager] = StaffManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "staff"
        constraints = [
            # Two people whose names differ only in case could not be told apart in the trail.
            models.CheckConstraint(condition=models.Q(username=Lower("username")), name="staff_username_lower"),
        ]

    def __str__(self) -> str:
        return self.username

    def get_full_name(self) -> str:
        """Return first and last name; empty when neither is known."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def display_name(self) -> str:
        """The person's name on pages and in events."""
        return self.get_full_name() or self.username

    @property
    def zone(self) -> ZoneInfo | None:
        """The time zone that the person chose; None for the firm's, also if theirs is no longer known."""
        try:
            return ZoneInfo(self.time_zone) if self.time_zone else None
        except (ValueError, OSError, KeyError):
            return None

    @cached_property
    def role_names(self) -> tuple[str, ...]:
        """The names of this person's roles, sorted. Costs one query, once per loaded person; none when prefetched."""
        return tuple(sorted({group.name for group in self.groups.all()} & set(Role.values)))

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """What this person may do. Nothing while they are deactivated."""
        return capabilities_of(self.role_names) if self.is_active else frozenset()

    def may(self, capability: str) -> bool:
        """Return whether this person has `capability`. There is no superuser who bypasses this."""
        if capability not in self.capabilities:
            return False
        # Last, because it asks the database, and every page asks for the navigation.
        return capability not in OF_EVERY_ACCOUNT or sees_everything(self)

    def who(self) -> Who:
        """Return the snapshot of this person that events carry."""
        return Who(id=self.pk, name=self.display_name, role=", ".join(self.role_names))
