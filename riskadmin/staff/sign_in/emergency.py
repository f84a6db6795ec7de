"""Emergency codes: what an operator with a shell gives out when a second factor or the identity provider is not to be had."""

import secrets
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.sign_in.models import EmergencyCode
from riskadmin.staff.sign_in.recovery_codes import ALPHABET

VALID_FOR: Final = timedelta(minutes=15)
LENGTH: Final = 30  # 150 random bits, so that a digest is enough to keep it
GROUP: Final = 5

Stead = EmergencyCode.Stead


def give(operator: Who, *, origin: Origin, person: Staff, stead: EmergencyCode.Stead, reason: str) -> str:
    """Make a code that works once within VALID_FOR, write the event with the operator's name, and return the code."""
    plain = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    with transaction.atomic():
        EmergencyCode.objects.create(
            person=person,
            stead=stead,
            digest=_digest(plain),
            operator=operator.name,
            reason=reason,
            expires_at=timezone.now() + VALID_FOR,
        )
        entry = AuditEntry(
            tag=Tag.STAFF_EMERGENCY_GIVEN,
            actor=operator,
            origin=origin,
            reason_text=reason,
            detail={**_who(person), "operator": operator.name, "stead": stead.label},
        )
        record(entry)
    return "-".join(plain[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def use(person: Staff, typed: str, *, stead: EmergencyCode.Stead, origin: Origin) -> bool:
    """Return whether this is an emergency code of the person, and use it up, with its event, in the caller's transaction."""
    plain = "".join(character for character in typed.upper() if character.isalnum())
    fitting = EmergencyCode.objects.filter(
        person=person, stead=stead, digest=_digest(plain), used_at=None, expires_at__gt=Now()
    )
    code = fitting.first()
    if code is None or not fitting.update(used_at=Now()):
        return False
    detail = {**_who(person), "operator": code.operator, "stead": stead.label}
    record(AuditEntry(tag=Tag.STAFF_EMERGENCY_USED, actor=SYSTEM, origin=origin, reason_text=code.reason, detail=detail))
    return True


def _digest(plain: str) -> str:
    return salted_hmac("riskadmin.staff.sign_in.emergency", plain, algorithm="sha256").hexdigest()


def _who(person: Staff) -> dict[str, object]:
    return {"username": person.username, "staff_id": person.pk}
