"""Which events of the trail a person doesn't see: of accounts outside their access, and of whose accounts are whose."""

from typing import Final

from django.db.models import Exists, OuterRef, Q

from accounts.access.queries import access_of
from accounts.models import Account
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff

VIEWS_MARKS: Final = "related:view"
_OF_MARKS: Final = (Tag.RELATED_MARKED, Tag.RELATED_END_REQUESTED, Tag.RELATED_ENDED)


def visible_events(person: Staff) -> Q | None:
    """Return the condition on events that a person may see, as far as it depends on accounts; None for all."""
    marks = None if person.may(VIEWS_MARKS) else ~Q(tag__in=_OF_MARKS)
    access = access_of(person)
    if access is None:
        return marks
    whole = Q(environment__in=sorted(access.environments))
    named = Account.objects.filter(environment=OuterRef("environment"), tradovate_id=OuterRef("account_id"))
    # Without a number it is about a trader, or about none.
    about = Q(account_id=None, account_name="") | whole | Q(Exists(named.filter(access.accounts())))
    return about if marks is None else about & marks
