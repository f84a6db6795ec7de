"""Requests for rights, which another administrator confirms, and the one-time links with which people set a password."""

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now

from riskadmin.database.privileges import hidden_from_auditor, kept
from riskadmin.staff.roles import Role
from riskadmin.web.looks import Look


class Act(models.TextChoices):
    """What raises somebody's rights, or could give somebody else theirs. One administrator alone can do none of it."""

    ADD_ROLE = "add_role", "Give a role"
    SWITCH_ON = "switch_on", "Switch on"
    RESET = "reset", "Reset the sign-in"
    RESET_FACTORS = "reset_factors", "Reset the sign-in and remove the second factors"
    SET_EMAIL = "set_email", "Change the e-mail address"
    # What packages above this one do (`further_acts`).
    WIDEN_ACCESS = "widen_access", "Give access to more accounts"
    END_MARK = "end_mark", "End the mark of an account as theirs or a relative's"


class RightsState(models.TextChoices):
    """How far a request for rights is."""

    WAITING = "waiting", "Waiting"
    CONFIRMED = "confirmed", "Confirmed"
    DECLINED = "declined", "Declined"
    WITHDRAWN = "withdrawn", "Withdrawn"
    EXPIRED = "expired", "Expired"


RIGHTS_LOOK: Final[dict[RightsState, Look]] = {
    RightsState.WAITING: Look(tone="info", icon="hourglass", explanation="Another administrator has to confirm it."),
    RightsState.CONFIRMED: Look(tone="ok", icon="check", explanation="Another administrator confirmed it, and it was done."),
    RightsState.DECLINED: Look(tone="warn", icon="x", explanation="Another administrator declined it. Nothing was done."),
    RightsState.WITHDRAWN: Look(tone="neutral", icon="ban", explanation="It ended without a decision. Nothing was done."),
    RightsState.EXPIRED: Look(tone="neutral", icon="clock-off", explanation="No one decided in time. Nothing was done."),
}


@kept()
class RightsRequest(models.Model):
    """What an administrator wants to be done for a person, until another administrator has confirmed or declined it."""

    VALID_FOR: Final = timedelta(days=3)
    REASON_MAX: Final = 300

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="rights_requests")
    act = models.CharField(max_length=16, choices=Act)
    role = models.CharField(max_length=16, choices=Role, blank=True)
    email = models.EmailField(blank=True)
    # For a further act: what it needs, and all of it in words. `about` tells requests of one act for one person apart.
    content = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    words = models.TextField(blank=True, db_default="")
    about = models.CharField(max_length=32, blank=True, db_default="")
    reason = models.CharField(max_length=REASON_MAX)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    requested_by_name = models.CharField(max_length=150)
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=RightsState, default=RightsState.WAITING)
    # Without a person it was confirmed by a command on the server, or ended by itself; the name says by whom.
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_by_name = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(requested_by=F("person")), name="rights_not_for_oneself"),
            models.CheckConstraint(
                condition=Q(decided_by=None)
                | ~Q(state__in=["confirmed", "declined"])
                | ~(Q(decided_by=F("person")) | Q(decided_by=F("requested_by"))),
                name="rights_decided_by_another",
            ),
            models.CheckConstraint(
                condition=(Q(act="add_role") & ~Q(role="")) | (~Q(act="add_role") & Q(role="")), name="rights_name_a_role"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", decided_at=None) | Q(decided_at__isnull=False) & ~Q(state="waiting"),
                name="rights_decided_once",
            ),
            models.UniqueConstraint(
                fields=["person", "act", "role", "about"], condition=Q(state="waiting"), name="rights_requested_once"
            ),
        ]
        indexes = [
            # What waits for administrators.
            models.Index(fields=["requested_at", "id"], condition=Q(state="waiting"), name="rights_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.what} ({self.state})"

    @property
    def what(self) -> str:
        """What would be done, in words: "Give the role Supervisor"."""
        if self.act == Act.ADD_ROLE:
            return f"Give the role {Role(self.role).label}"
        if self.act == Act.SET_EMAIL:
            return f"Change the e-mail address to {self.email}"
        return self.words or Act(self.act).label


class Purpose(models.TextChoices):
    """What a one-time link is for."""

    INVITATION = "invitation", "Invitation"
    RESET = "reset", "Reset"


@hidden_from_auditor("code_digest")
@kept()
class SignInLink(models.Model):
    """A one-time link with which a person sets a password. Only a digest of its code is stored.

    A link that is sent by e-mail has no code until the e-mail is sent (`links.code_for_email`).
    """

    class End(models.TextChoices):
        """How it ended. A link that has run out has no end of its own."""

        USED = "used", "Used"
        WITHDRAWN = "withdrawn", "Withdrawn"
        REPLACED = "replaced", "Replaced"

    VALID_FOR: Final = timedelta(hours=72)

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="sign_in_links")
    purpose = models.CharField(max_length=16, choices=Purpose)
    code_digest = models.CharField(max_length=64, blank=True)
    made_by_name = models.CharField(max_length=150)
    made_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end = models.CharField(max_length=16, choices=End, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person"], condition=Q(ended_at=None), name="sign_in_link_once"),
            models.UniqueConstraint(fields=["code_digest"], condition=~Q(code_digest=""), name="sign_in_link_code"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of person {self.person_id}"
