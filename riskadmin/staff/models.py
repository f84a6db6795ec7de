"""The people who sign in here, and their attempts to. A trader is never one of them."""

import unicodedata
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now

from riskadmin.audit.origin import Who
from riskadmin.staff.roles import Role, capabilities_of

USERNAME_MAX = 64


def plain_username(username: str) -> str:
    """Return the one spelling under which a username is kept and looked up."""
    return unicodedata.normalize("NFKC", username).strip().lower()


class StaffManager(BaseUserManager["Staff"]):
    """Makes people without powers; roles are given by `staff.actions`."""

    def create_user(self, username: str, email: str = "", password: str | None = None, **extra: Any) -> "Staff":
        """Save a person without roles; without a password they can't sign in."""
        person = self.model(username=plain_username(username), email=self.normalize_email(email), **extra)
        person.set_password(password)
        person.save(using=self._db)
        return person

    def create_superuser(self, **_: object) -> "Staff":
        """Refuse Django's `createsuperuser`: nobody here may do everything."""
        raise ValidationError("There are no superusers here. Use: manage.py create_person USERNAME --role administrator")

    def get_by_natural_key(self, username: str | None) -> "Staff":
        """Return the person who signs in under this username, however it is typed."""
        return self.get(username=plain_username(username or ""))


class Staff(AbstractBaseUser):
    """A person who signs in to riskadmin; what they may do follows from their groups alone (`staff/roles.py`).

    Not Django's AbstractUser: there is no superuser flag and no permission of one's own to be forgotten on somebody.
    """

    username = models.CharField(
        max_length=USERNAME_MAX,
        unique=True,
        validators=[RegexValidator(r"\A[a-z0-9][a-z0-9@.+_-]*\Z", "Use small letters, digits and @ . + - _ only.")],
    )
    first_name = models.CharField(max_length=60, blank=True)
    last_name = models.CharField(max_length=60, blank=True)
    email = models.EmailField(blank=True)
    is_active = models.BooleanField(default=True)  # switched off instead of deleted: the trail keeps naming them
    date_joined = models.DateTimeField(db_default=Now())
    groups = models.ManyToManyField(Group, blank=True, related_name="staff")

    objects: ClassVar[StaffManager] = StaffManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "staff"
        constraints = [
            # Two people whose names differ in case alone could not be told apart in the trail.
            models.CheckConstraint(condition=models.Q(username=Lower("username")), name="staff_username_lower"),
        ]

    def __str__(self) -> str:
        return self.username

    def get_full_name(self) -> str:
        """Return first and last name; empty when neither is known."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def display_name(self) -> str:
        """What pages and events call this person."""
        return self.get_full_name() or self.username

    @cached_property
    def role_names(self) -> tuple[str, ...]:
        """The names of this person's roles, sorted. Costs one query, once per loaded person; none when prefetched."""
        return tuple(sorted({group.name for group in self.groups.all()} & set(Role.values)))

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """What this person may do; nothing while the account is switched off."""
        return capabilities_of(self.role_names) if self.is_active else frozenset()

    def may(self, capability: str) -> bool:
        """Say whether this person holds `capability`. There is no superuser way around it."""
        return capability in self.capabilities

    def who(self) -> Who:
        """Return the snapshot of this person that events carry."""
        return Who(id=self.pk, name=self.display_name, role=", ".join(self.role_names))


class SignInAttempt(models.Model):
    """One try to sign in, written before the password is looked at: many at once can't outrun the lock-out.

    Rows older than a day are deleted; the lasting record is the trail. Usernames that nobody has are kept only as a
    keyed digest, since people type their password there by mistake.
    """

    class Outcome(models.TextChoices):
        """How it ended. A try that never ended (a killed server) counts as failed."""

        PENDING = "pending"
        FAILED = "failed"
        SUCCEEDED = "succeeded"

    username_digest = models.CharField(max_length=64)
    address = models.GenericIPAddressField(null=True)
    attempted_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.PENDING)

    class Meta:
        indexes = [
            # The newest tries for one username, and from one address.
            models.Index(fields=["username_digest", "-attempted_at"], name="sign_in_by_username"),
            models.Index(fields=["address", "-attempted_at"], name="sign_in_by_address"),
            models.Index(fields=["attempted_at"], name="sign_in_oldest"),  # deleting old rows
        ]

    def __str__(self) -> str:
        return f"{self.attempted_at:%Y-%m-%d %H:%M:%S} {self.outcome}"
