"""Full reads of an environment."""

from django.db import models

from accounts.models.base import EnvironmentChoice


class SyncRun(models.Model):
    """One full read of an environment: when, how many calls and rows, and why it failed if it did.

    A run without an end is also the lease that keeps a second run out; `seen_at` separates a running process from a killed one.
    """

    environment = models.CharField(max_length=8, choices=EnvironmentChoice)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    calls = models.IntegerField(default=0)
    rows = models.IntegerField(default=0)
    # Accounts whose risk status was in no response.
    untold = models.IntegerField(default=0, db_default=0)
    failure = models.TextField(blank=True)
    # How many records could not be read, and a description of the first few.
    unreadable = models.IntegerField(default=0)
    unreadable_examples: "models.JSONField[list[str], list[str]]" = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment"], condition=models.Q(ended_at__isnull=True), name="sync_one_at_a_time"
            ),
        ]
        indexes = [models.Index(fields=["environment", "-started_at"], name="sync_newest")]  # freshness on every page

    def __str__(self) -> str:
        return f"{self.environment} {self.started_at:%Y-%m-%d %H:%M:%S}"
