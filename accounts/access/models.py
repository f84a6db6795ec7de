"""What people's access is limited to, and which accounts belong to them or to a relative (ADR 28)."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Account, EnvironmentChoice, Trader
from riskadmin.database.privileges import kept


class AccessLimit(models.Model):
    """The limit of one person's access: whole environments, and risk categories. Who has no row has access to every account.

    With both lists empty, a person has access to no account: a limit whose categories are gone opens nothing.
    """

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.PROTECT, related_name="access_limit"
    )
    environments = ArrayField(models.CharField(max_length=8, choices=EnvironmentChoice), default=list)
    # Keys of `RiskCategory`. A category belongs to one environment; an account without one is in none of them.
    categories = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(environments__contained_by=EnvironmentChoice.values), name="access_limit_environments_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Access of {self.person_id}"


class Relation(models.TextChoices):
    """Whose an account is, in relation to the person of a mark."""

    OWN = "own", "Their own"
    RELATIVE = "relative", "A relative's"


@kept(changing=("ended_at", "ended_by_id", "ended_by_name"))
class RelatedAccount(models.Model):
    """The mark that an account, or every account of a trader, belongs to a member of staff or to a relative of theirs.

    While it is not ended, that person can neither request nor approve changes of it. A mark stays as it was made; it can only
    be ended.
    """

    NOTE_MAX = 500

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="related_accounts")
    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="related_people")
    trader = models.ForeignKey(Trader, null=True, on_delete=models.PROTECT, related_name="related_people")
    relation = models.CharField(max_length=16, choices=Relation)
    # What is known, and from where: for other administrators, and for the trail.
    note = models.CharField(max_length=NOTE_MAX)
    since = models.DateTimeField(db_default=Now())
    marked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    marked_by_name = models.CharField(max_length=150)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    ended_by_name = models.CharField(max_length=150, blank=True, db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(account__isnull=True, trader__isnull=False) | Q(account__isnull=False, trader__isnull=True),
                name="related_account_or_trader",
            ),
            models.CheckConstraint(condition=Q(relation__in=Relation.values), name="related_account_relation_known"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_by__isnull=True) | Q(ended_at__isnull=False, ended_by__isnull=False),
                name="related_account_ended_by_somebody",
            ),
            models.UniqueConstraint(
                fields=["person", "account"], condition=Q(ended_at=None, account__isnull=False), name="related_account_once"
            ),
            models.UniqueConstraint(
                fields=["person", "trader"], condition=Q(ended_at=None, trader__isnull=False), name="related_trader_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id or self.trader_id}: {self.relation} of {self.person_id}"

    @property
    def words(self) -> str:
        """Whose it is, for pages, previews and the trail. Reads `person`."""
        return f"Belongs to {self.whose}"

    @property
    def whose(self) -> str:
        """The person, or the relative of theirs. Reads `person`."""
        name = self.person.display_name
        return f"{name} (staff)" if self.relation == Relation.OWN else f"a relative of {name} (staff)"
