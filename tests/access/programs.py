"""Programs and limits for tests."""

from collections.abc import Collection

from django.utils import timezone

from accounts.access.models import AccessLimit
from accounts.models import RiskCategory, Source
from riskadmin.staff.models import Staff


def make_program(number: int, environment: str = "demo") -> RiskCategory:
    """Add a risk category to the mirror."""
    return RiskCategory.objects.create(
        environment=environment, tradovate_id=number, name=f"Program {number}", fresh_at=timezone.now(), source=Source.SYNC
    )


def limit(person: Staff, *programs: RiskCategory, environments: Collection[str] = ()) -> Staff:
    """Limit a person's access, and return the person as another request loads them."""
    lists = {"environments": list(environments), "categories": [each.pk for each in programs]}
    AccessLimit.objects.update_or_create(person=person, defaults=lists)
    return Staff.objects.get(pk=person.pk)
