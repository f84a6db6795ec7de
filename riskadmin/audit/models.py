"""The trail: one append-only table. PostgreSQL refuses UPDATE, DELETE and TRUNCATE on it (migration 0002)."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F
from django.db.models.functions import Now

from riskadmin.audit.tags import Tag


class Event(models.Model):
    """Something that happened, with who, why, before, after, and the call that proves it.

    Other rooms' rows are named by plain numbers: an event outlives what it tells of, and nothing cascades into the trail.
    """

    occurred_at = models.DateTimeField(db_default=Now(), editable=False)
    tag = models.CharField(max_length=64, choices=Tag, editable=False)

    staff_id = models.BigIntegerField(null=True, editable=False)
    staff_name = models.CharField(max_length=150, blank=True, editable=False)
    staff_role = models.CharField(max_length=64, blank=True, editable=False)
    job = models.CharField(max_length=64, blank=True, editable=False)
    request_id = models.CharField(max_length=32, blank=True, editable=False)
    address = models.GenericIPAddressField(null=True, editable=False)

    environment = models.CharField(max_length=8, blank=True, editable=False)
    account_id = models.BigIntegerField(null=True, editable=False)
    account_name = models.CharField(max_length=64, blank=True, editable=False)
    change_id = models.BigIntegerField(null=True, editable=False)
    item_id = models.BigIntegerField(null=True, editable=False)
    call_id = models.BigIntegerField(null=True, editable=False)

    reason_code = models.CharField(max_length=64, blank=True, editable=False)
    reason_text = models.TextField(blank=True, editable=False)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder, editable=False)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder, editable=False)
    detail = models.JSONField(default=dict, encoder=DjangoJSONEncoder, editable=False)

    class Meta:
        indexes = [
            # The audit page without filters, and by time range.
            models.Index(F("occurred_at").desc(), F("id").desc(), name="event_newest"),
            # The audit page by kind of event.
            models.Index(F("tag"), F("occurred_at").desc(), F("id").desc(), name="event_by_tag"),
            # The audit page by person; system events are not looked up this way.
            models.Index(
                F("staff_id"),
                F("occurred_at").desc(),
                F("id").desc(),
                condition=models.Q(staff_id__isnull=False),
                name="event_by_staff",
            ),
            # The audit page and the account's history by account. The id alone is not unique over environments, but nearly.
            models.Index(
                F("account_id"),
                F("occurred_at").desc(),
                F("id").desc(),
                condition=models.Q(account_id__isnull=False),
                name="event_by_account",
            ),
            # The change's own page.
            models.Index(
                F("change_id"),
                F("occurred_at").desc(),
                F("id").desc(),
                condition=models.Q(change_id__isnull=False),
                name="event_by_change",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.occurred_at:%Y-%m-%d %H:%M:%S} {self.tag}"
