"""What all rows of the mirror have in common: the environment, and when and how they were read."""

from django.db import models

from riskadmin.tradovate.vocabulary import Environment


class EnvironmentChoice(models.TextChoices):
    """Tradovate's two environments."""

    DEMO = Environment.DEMO.value, "Demo"
    LIVE = Environment.LIVE.value, "Live"


class Source(models.TextChoices):
    """The read that a mirror row comes from."""

    SYNC = "sync", "full read"
    REFRESH = "refresh", "read on demand"
    CONFIRM = "confirm", "read-back after a call"


class MirrorRow(models.Model):
    """The columns that record how fresh a mirror row is."""

    fresh_at = models.DateTimeField()
    source = models.CharField(max_length=8, choices=Source)

    class Meta:
        abstract = True
