"""Which rule of PostgreSQL refused a statement. Code decides by that name, never by the words, which are for people."""

from django.db import IntegrityError


def broken_rule(error: IntegrityError) -> str:
    """Return the name of the rule by which PostgreSQL refused a statement; "" for a refusal without one."""
    said = getattr(error.__cause__, "diag", None)
    return (said.constraint_name or "") if said else ""


def reason(error: IntegrityError) -> str:
    """Return PostgreSQL's words for a refusal, for people."""
    said = getattr(error.__cause__, "diag", None)
    return (said.message_primary or "") if said else str(error)
