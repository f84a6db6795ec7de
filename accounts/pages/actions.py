"""What people write about accounts here. It is never sent to Tradovate, whose operation for notes has no documented field."""

from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import Account, AccountNote
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Subject
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff


class NotAllowed(Exception):
    """The person may not do this."""


def add_note(*, actor: Staff, origin: Origin, account: Account, text: str, form_key: UUID) -> AccountNote:
    """Write a note about an account, with its audit event, and return it; the same form key returns the first one.

    `text` has 1 to `AccountNote.TEXT_MAX` characters. A note stays as it was written: nothing edits or removes one. Raises
    NotAllowed; then nothing is written.
    """
    if not actor.may("accounts:note"):
        raise NotAllowed("You may not write notes about accounts.")
    who = actor.who()
    try:
        with transaction.atomic():
            note = AccountNote.objects.create(account=account, author=actor, author_name=who.name, text=text, form_key=form_key)
            subject = Subject(environment=account.environment, account_id=account.tradovate_id, account_name=account.name)
            record(
                AuditEntry(
                    tag=Tag.ACCOUNT_NOTED,
                    actor=who,
                    origin=origin,
                    subject=subject,
                    detail={"note": note.pk, "text": text},
                ),
            )
    except IntegrityError:
        earlier = AccountNote.objects.filter(author=actor, form_key=form_key).first()
        if earlier is None:
            raise
        return earlier
    return note
