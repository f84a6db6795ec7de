"""What people do about their own ways of signing in, each with its event in the same transaction."""

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Who, origin_of
from riskadmin.audit.tags import Tag
from riskadmin.staff.actions import set_password
from riskadmin.staff.models import Staff
from riskadmin.staff.sign_in import codes, passkeys, recovery_codes
from riskadmin.staff.sign_in.methods import WORDS
from riskadmin.staff.sign_in.requirement import SECOND_FACTORS, is_required_of


class LastFactor(Exception):
    """The person has to have a second factor, and this is the last one."""


@sensitive_variables("password")
def change_password(request: HttpRequest, *, actor: Staff, password: str) -> None:
    """Set one's own password. Ends one's other sessions, not this one. The caller has checked both passwords."""
    with transaction.atomic():
        this = request.session.session_key
        set_password(actor.who(), origin=origin_of(request), person=actor, password=password, keep=this)
        update_session_auth_hash(request, actor)  # the session goes on, under a new key


@sensitive_variables("secret", "typed")
def add_app(request: HttpRequest, *, actor: Staff, secret: str, typed: str) -> list[str] | None:
    """Add an authenticator app if its code is right. Returns new recovery codes if there were none; None if it is wrong."""
    with transaction.atomic():
        _take_turns(actor)
        if Authenticator.objects.filter(user=actor, type=Authenticator.Type.TOTP).exists():
            return None
        added = codes.add_app(actor, secret, typed)
        return None if added is None else _added(request, actor, added, "authenticator app")


def add_passkey(request: HttpRequest, *, actor: Staff, name: str, credential: object) -> list[str] | None:
    """Add a passkey if the browser's answer is right. Returns as `add_app` does."""
    with transaction.atomic():
        _take_turns(actor)
        added = passkeys.add(actor, name=name, credential=credential)
        return None if added is None else _added(request, actor, added, f"passkey {name}")


def rename_passkey(request: HttpRequest, *, actor: Staff, passkey: Authenticator, name: str) -> None:
    """Give one of one's own passkeys another name."""
    with transaction.atomic():
        before = passkey.data["name"]
        passkey.data["name"] = name
        passkey.save(update_fields=["data"])
        _record(request, actor, Tag.STAFF_FACTOR_RENAMED, f"passkey {before}", after={"name": name})


def remove(request: HttpRequest, *, actor: Staff, factor: Authenticator) -> None:
    """Remove one of one's own second factors; with the last one go the recovery codes.

    Raises LastFactor if the person has to have one, and then nothing is removed.
    """
    with transaction.atomic():
        _take_turns(actor)
        others = Authenticator.objects.filter(user=actor, type__in=SECOND_FACTORS).exclude(pk=factor.pk)
        if not others.exists():
            if is_required_of(actor):
                raise LastFactor
            Authenticator.objects.filter(user=actor).exclude(pk=factor.pk).delete()
        _record(request, actor, Tag.STAFF_FACTOR_REMOVED, _in_words(factor))
        factor.delete()


def remove_all(actor: Who, *, origin: Origin, person: Staff, reason: str) -> None:
    """Remove a person's second factors and recovery codes in a reset, with an event each. Needs an open transaction."""
    for factor in Authenticator.objects.select_for_update().filter(user=person).order_by("pk"):
        detail = {"username": person.username, "staff_id": person.pk, "factor": _in_words(factor), "comment": reason}
        record(AuditEntry(tag=Tag.STAFF_FACTORS_RESET, actor=actor, origin=origin, detail=detail))
        factor.delete()


def make_recovery_codes(request: HttpRequest, *, actor: Staff) -> list[str]:
    """Replace one's own recovery codes and return the new ones."""
    with transaction.atomic():
        _take_turns(actor)
        made = recovery_codes.make(actor)
        _record(request, actor, Tag.STAFF_RECOVERY_CODES_MADE, "recovery codes")
        return made


def _added(request: HttpRequest, actor: Staff, added: Authenticator, words: str) -> list[str]:
    """Write the event of a new factor, take it as proven in this session, and make recovery codes with the first."""
    _record(request, actor, Tag.STAFF_FACTOR_ADDED, words)
    record_authentication(request, actor, "mfa", id=added.pk, type=added.type)
    return make_recovery_codes(request, actor=actor) if recovery_codes.left(actor) is None else []


def _record(request: HttpRequest, actor: Staff, tag: Tag, factor: str, *, after: dict[str, str] | None = None) -> None:
    detail = {"username": actor.username, "staff_id": actor.pk, "factor": factor}
    record(AuditEntry(tag=tag, actor=actor.who(), origin=origin_of(request), after=after, detail=detail))


def _in_words(factor: Authenticator) -> str:
    words = "recovery codes" if factor.type == Authenticator.Type.RECOVERY_CODES else WORDS[factor.type]
    return f"{words} {factor.data.get('name', '')}".strip()


def _take_turns(person: Staff) -> None:
    """Let only one request at a time change a person's factors, until this transaction ends."""
    Staff.objects.select_for_update().get(pk=person.pk)
