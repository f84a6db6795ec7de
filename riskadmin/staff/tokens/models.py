"""Access tokens: with one, a program uses the API in the name of the person who made it, and with less than their rights."""

from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from riskadmin.database.privileges import hidden_from_auditor


class Scope(models.TextChoices):
    """What a token is for. None lets a program approve anything; `scopes` says what each allows."""

    READ = "read", "Read"
    REQUEST = "request", "Read, and request changes"


@hidden_from_auditor("digest")
class AccessToken(models.Model):
    """A token. The token itself is shown once; only its SHA-256 is kept, which is enough for 256 random bits."""

    NAME_MAX: Final = 60
    HINT_LENGTH: Final = 8

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="access_tokens")
    name = models.CharField(max_length=NAME_MAX)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=HINT_LENGTH)  # its first letters, to tell tokens apart
    scope = models.CharField(max_length=16, choices=Scope)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.GenericIPAddressField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(scope__in=Scope.values), name="access_token_scope_known"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="access_token_expires_later"),
        ]
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"
