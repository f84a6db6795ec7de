"""What people write here about accounts and risk categories. It is never sent to Tradovate.

Tradovate's own operation for notes has no documented field.
"""

from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.access.queries import visible_accounts, visible_categories
from accounts.models import Account, AccountNote, RiskCategory
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Subject
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff


class NotAllowed(Exception):
    """The person may not do this."""


def mark_category(*, actor: Staff, origin: Origin, category_id: int, is_halting: bool) -> RiskCategory:
    """Mark a risk category as halting, or remove the mark, with an audit event; return it. Marking it again writes nothing.

    Switches into it are requested like locks from then on. Raises NotAllowed, RiskCategory.DoesNotExist.
    """
    if not actor.may("categories:mark"):
        raise NotAllowed("Only administrators mark risk categories as halting.")
    with transaction.atomic():
        categories = visible_categories(RiskCategory.objects.all(), actor)
        category = categories.select_for_update(of=("self",)).get(pk=category_id)
        if category.is_halting == is_halting:
            return category
        category.is_halting = is_halting
        category.save(update_fields=["is_halting"])
        record(
            AuditEntry(
                tag=Tag.CATEGORY_MARKED if is_halting else Tag.CATEGORY_UNMARKED,
                actor=actor.who(),
                origin=origin,
                detail={
                    "category": category.name,
                    "category_id": category.tradovate_id,
                    "environment": category.environment,
                },
            )
        )
    return category


def add_note(*, actor: Staff, origin: Origin, account: Account, text: str, form_key: UUID) -> AccountNote:
    """Write a note about an account, with its audit event, and return it; the same form key returns the first one.

    `text` has 1 to `AccountNote.TEXT_MAX` characters. A note stays as it was written: nothing edits or removes one. Raises
    NotAllowed; then nothing is written.
    """
    if not actor.may("accounts:note"):
        raise NotAllowed("You may not write notes about accounts.")
    if not visible_accounts(Account.objects.filter(pk=account.pk), actor).exists():
        raise NotAllowed("You have no access to this account.")
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
