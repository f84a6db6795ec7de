"""The trail: one append-only table. PostgreSQL refuses UPDATE, DELETE and TRUNCATE on it (migration 0002)."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Now, Upper
from django.db.models.lookups import Exact

from riskadmin.audit.folding import UNFOLDED
from riskadmin.audit.tags import Tag
from riskadmin.database.privileges import append_only

# Newest first: the order of every list of events. Events of one statement share their time, so the id decides.
NEWEST_FIRST = (F("occurred_at").desc(), F("id").desc())

# Details that pages filter by, as PostgreSQL has them in indexes.
OUTCOME, TICKET = KT("detail__outcome"), Upper(KT("detail__ticket"))


@append_only(stamped=("id", "occurred_at"))
class Event(models.Model):
    """Something that happened: who did it, why, before, after, and the call that proves it.

    Rows of other packages are named by plain numbers: an event outlives the row it is about, and nothing cascades into the
    trail.
    """

    occurred_at = models.DateTimeField(db_default=Now(), editable=False)
    tag = models.CharField(max_length=64, editable=False)  # a Tag; without `choices`, so that a new one needs no migration

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
        # Each filter of the audit page has an index in the page's order, so that reading the newest rows costs the same at
        # any size. Two filters together use the better index and check the other on each row; a statement timeout limits
        # that.
        indexes = [
            # Without filters, and by time range.
            models.Index(*NEWEST_FIRST, name="event_newest"),
            # By kind of event.
            models.Index(F("tag"), *NEWEST_FIRST, name="event_by_tag"),
            # By person, and for finding which people the trail names. The system's own events are not looked up this way.
            models.Index(F("staff_id"), *NEWEST_FIRST, condition=Q(staff_id__isnull=False), name="event_by_staff"),
            # By account number, and for the account's history. A number is nearly unique across environments: the rest is
            # checked.
            models.Index(F("account_id"), *NEWEST_FIRST, condition=Q(account_id__isnull=False), name="event_by_account"),
            # By account name at the time, ignoring case. It covers all rows: PostgreSQL does not use a partial index's
            # statistics for a query by number or name, and would then read the whole trail for one account.
            models.Index(Upper("account_name"), *NEWEST_FIRST, name="event_by_account_name"),
            # By environment: a firm may have very few events on one of the two.
            models.Index(F("environment"), *NEWEST_FIRST, condition=~Q(environment=""), name="event_by_environment"),
            # By change, and the change's own page.
            models.Index(F("change_id"), *NEWEST_FIRST, condition=Q(change_id__isnull=False), name="event_by_change"),
            # By request: what else one request did.
            models.Index(F("request_id"), *NEWEST_FIRST, condition=~Q(request_id=""), name="event_by_request"),
            # The indexes below leave out what a bulk change writes for each item, so they cost it nothing.
            # The page as it opens, and by reason.
            models.Index(*NEWEST_FIRST, condition=UNFOLDED, name="event_unfolded"),
            models.Index(F("reason_code"), *NEWEST_FIRST, condition=UNFOLDED & ~Q(reason_code=""), name="event_by_reason"),
            # What happened to whole changes, for the filters by account, trader and requester.
            models.Index(
                F("change_id"),
                *NEWEST_FIRST,
                condition=Q(change_id__isnull=False, item_id__isnull=True),
                name="event_of_whole_change",
            ),
            # By ticket, and by outcome. Most outcomes are "applied", so that one needs no index of its own.
            models.Index(TICKET, condition=UNFOLDED & Q(tag=Tag.CHANGE_SUBMITTED), name="event_by_ticket"),
            models.Index(
                OUTCOME,
                *NEWEST_FIRST,
                condition=Q(tag=Tag.ITEM_SETTLED) & ~Q(Exact(OUTCOME, models.Value("applied"))),
                name="event_by_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.occurred_at:%Y-%m-%d %H:%M:%S} {self.tag}"
