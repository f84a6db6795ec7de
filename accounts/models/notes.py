"""Notes that staff write about accounts."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from riskadmin.database.privileges import append_only


@append_only()
class AccountNote(models.Model):
    """A staff member's note about an account. Kept here, never sent to Tradovate, and never edited."""

    TEXT_MAX = 2000

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="notes", db_index=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    author_name = models.CharField(max_length=150)
    written_at = models.DateTimeField(db_default=Now())
    text = models.TextField()
    # The one-time key of the form: a double click or a repeated POST creates one note.
    form_key = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["author", "form_key"], name="note_once_per_form"),
            models.CheckConstraint(condition=~models.Q(text=""), name="note_says_something"),
        ]
        indexes = [models.Index(fields=["account", "-id"], name="note_newest")]  # the account's page

    def __str__(self) -> str:
        return f"{self.account_id}, {self.author_name}"
