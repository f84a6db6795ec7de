"""Who is on duty when, and who stands in for whom. None of it gives a person a right."""

from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class Weekday(models.IntegerChoices):
    """The days of a week, as Python numbers them."""

    MONDAY = 0, "Monday"
    TUESDAY = 1, "Tuesday"
    WEDNESDAY = 2, "Wednesday"
    THURSDAY = 3, "Thursday"
    FRIDAY = 4, "Friday"
    SATURDAY = 5, "Saturday"
    SUNDAY = 6, "Sunday"


class DutyHours(models.Model):
    """Hours of every week in which a person is on duty, in the zone of the pages.

    Those that end at or before the hour of their begin end on the next day.
    """

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="duty_hours", db_index=False)
    weekday = models.PositiveSmallIntegerField(choices=Weekday)
    begins = models.TimeField()
    ends = models.TimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "weekday", "begins", "ends"], name="duty_hours_once"),
            models.CheckConstraint(condition=Q(weekday__in=Weekday.values), name="duty_hours_weekday_known"),
        ]
        ordering = ("weekday", "begins", "pk")

    def __str__(self) -> str:
        return f"{Weekday(self.weekday).label} {self.begins:%H:%M} to {self.ends:%H:%M}"

    def covers(self, local: datetime) -> bool:
        """Whether a time, in the zone of the pages, is within these hours."""
        today, at = local.weekday(), local.time()
        if self.begins < self.ends:
            return self.weekday == today and self.begins <= at < self.ends
        yesterday = (today - 1) % len(Weekday)
        return (self.weekday == today and at >= self.begins) or (self.weekday == yesterday and at < self.ends)


class DutySwitch(models.Model):
    """What a person has said about being on duty; until its end it counts instead of the hours."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="duty_switch")
    is_on = models.BooleanField()
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{'on' if self.is_on else 'off'} duty until {self.until:%Y-%m-%d %H:%M}"


class Delegation(models.Model):
    """For a time, one person stands in for another one: gets what waits for them, and decides with rights of their own."""

    NOTE_MAX: Final = 200

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="delegations", db_index=False)
    stand_in = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    note = models.CharField(max_length=NOTE_MAX, blank=True)
    made_at = models.DateTimeField(db_default=Now())
    # When it was ended early, or called off before it began.
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(person=F("stand_in")), name="delegation_to_somebody_else"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("begins_at")), name="delegation_ends_after_it_begins"),
        ]
        indexes = [
            # What still holds or is to come, of one person.
            models.Index(fields=["person", "ends_at"], condition=Q(ended_at=None), name="delegation_of_person"),
            models.Index(fields=["stand_in", "ends_at"], condition=Q(ended_at=None), name="delegation_to_stand_in"),
        ]
        ordering = ("begins_at", "pk")

    def __str__(self) -> str:
        return f"{self.stand_in_id} for {self.person_id}"
