"""Attempts to sign in, which the throttle counts, and emergency codes."""

from django.db import models
from django.db.models.functions import Now

from riskadmin.staff.models import Staff


class Attempt(models.Model):
    """One attempt to prove who somebody is, written before it is checked, so that many at once can't evade the throttle.

    Rows older than a day are deleted; the permanent record is the trail. Usernames are kept only as a keyed digest, since
    people type their password there by mistake.
    """

    class Outcome(models.TextChoices):
        """How it ended. An attempt without an end (the server was killed) counts as failed.

        PASSED is a right password whose second factor is still to come: it is no failure, and clears none either.
        """

        PENDING = "pending"
        FAILED = "failed"
        PASSED = "passed"
        SUCCEEDED = "succeeded"
        LIFTED = "lifted"

    username_digest = models.CharField(max_length=64)
    network = models.CharField(max_length=64, blank=True)
    device = models.CharField(max_length=64, blank=True)
    attempted_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.PENDING)

    class Meta:
        indexes = [
            # The newest attempts for one username: at any place, from one network, and from one device.
            models.Index(fields=["username_digest", "-attempted_at"], name="attempt_by_username"),
            models.Index(fields=["network", "-attempted_at"], name="attempt_by_network"),  # how much the trail was written to
            models.Index(fields=["attempted_at"], name="attempt_oldest"),  # deleting old rows
        ]

    def __str__(self) -> str:
        return f"{self.attempted_at:%Y-%m-%d %H:%M:%S} {self.outcome}"


class EmergencyCode(models.Model):
    """A code that an operator gave out. Only a keyed digest of it is stored. The trail has it all, too."""

    class Stead(models.TextChoices):
        """What it stands in for."""

        SECOND_FACTOR = "second_factor", "the second factor"
        SIGN_IN = "sign_in", "single sign-on"

    person = models.ForeignKey(Staff, on_delete=models.CASCADE, related_name="+")
    stead = models.CharField(max_length=16, choices=Stead)
    digest = models.CharField(max_length=64, unique=True)
    operator = models.CharField(max_length=150)
    reason = models.TextField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"for person {self.person_id} until {self.expires_at:%Y-%m-%d %H:%M}"
