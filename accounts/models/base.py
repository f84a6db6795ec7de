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


class NumberedRow(MirrorRow):
    """A mirror row with an id of Tradovate's own, unique within its environment."""

    environment = models.CharField(max_length=8, choices=EnvironmentChoice)
    tradovate_id = models.BigIntegerField()

    class Meta:
        abstract = True


class ListedRow(NumberedRow):
    """A row that full reads list. `left_out_at` is when one first left it out.

    It counts as missing only after a second, later full read without it or, for accounts, a 404 for its own id.
    """

    missing_since = models.DateTimeField(null=True)
    left_out_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
