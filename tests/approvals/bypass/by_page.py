"""By pages: whatever a browser, or a program with somebody's session, can send."""

from functools import partial
from uuid import uuid4

from django.urls import reverse

from accounts.approvals.models import Approval
from accounts.changes import shown
from accounts.changes.effects import ChangeEffects
from accounts.changes.models import Change, TargetList
from accounts.execution.models import Call
from riskadmin.staff.sessions.models import StaffSession
from tests.approvals.bypass import attempt
from tests.approvals.bypass.world import World, decide_by_page, post
from tests.changes.pages import listed
from tests.changes.world import planned

page = partial(attempt, "page")

HTMX = {"HX-Request": "true"}


@page()
def the_requester_approves(world: World) -> None:
    assert decide_by_page(world.client("supervisor"), world.own) == 409


@page()
def the_requester_approves_by_an_htmx_fragment(world: World) -> None:
    client = world.client("supervisor", headers=HTMX)
    assert decide_by_page(client, world.own) == 409


@page()
def the_requester_rejects_so_that_it_can_be_asked_again(world: World) -> None:
    assert decide_by_page(world.client("supervisor"), world.own, "reject") == 409


@page()
def a_person_of_support_approves(world: World) -> None:
    assert decide_by_page(world.client("support2"), world.waiting) == 403


@page()
def a_person_of_compliance_approves(world: World) -> None:
    assert decide_by_page(world.client("compliance"), world.waiting) == 403


@page()
def an_administrator_approves(world: World) -> None:
    assert decide_by_page(world.client("administrator"), world.waiting) == 403


@page()
def an_approval_of_another_digest(world: World) -> None:
    assert decide_by_page(world.client("supervisor"), world.waiting, digest="0" * 64) == 409


@page()
def an_approval_with_the_digest_of_another_change(world: World) -> None:
    assert decide_by_page(world.client("supervisor"), world.waiting, digest=world.double.digest) == 409


@page(leaves_event=False)
def an_approval_with_a_digest_that_is_none(world: World) -> None:
    assert decide_by_page(world.client("supervisor"), world.waiting, digest="x' OR '1'='1") == 422


@page(leaves_event=False)
def a_verdict_that_is_none(world: World) -> None:
    assert decide_by_page(world.client("supervisor"), world.waiting, "run") == 422


@page()
def an_approval_sent_twice_counts_once(world: World) -> None:
    assert decide_by_page(world.client("supervisor"), world.double) == 409
    assert Approval.objects.filter(request=world.double.approval_id).count() == 1


@page()
def an_approval_of_what_was_rejected(world: World) -> None:
    assert decide_by_page(world.client("supervisor2"), world.rejected) == 409


@page()
def an_approval_of_what_was_withdrawn(world: World) -> None:
    assert decide_by_page(world.client("supervisor2"), world.withdrawn) == 409


@page()
def an_approval_of_what_has_expired(world: World) -> None:
    assert decide_by_page(world.client("supervisor2"), world.expired) == 409


@page()
def an_approval_of_what_is_scheduled_already(world: World) -> None:
    assert decide_by_page(world.client("supervisor2"), world.scheduled) == 409


@page()
def an_approval_of_what_is_paused(world: World) -> None:
    assert decide_by_page(world.client("supervisor2"), world.paused) == 409


@page()
def the_effects_that_another_approver_was_shown(world: World) -> None:
    effects = ChangeEffects.from_json(world.waiting.effects)
    assert effects
    token = shown.sealed(world.waiting, world.person("supervisor2"), effects)
    assert decide_by_page(world.client("supervisor"), world.waiting, shown=token) == 409


@page()
def the_effects_that_were_shown_of_another_change(world: World) -> None:
    effects = ChangeEffects.from_json(world.double.effects)
    assert effects
    token = shown.sealed(world.double, world.person("supervisor"), effects)
    assert decide_by_page(world.client("supervisor"), world.waiting, shown=token) == 409


@page()
def a_link_that_approves_when_it_is_opened(world: World) -> None:
    client = world.client("supervisor")
    path = reverse("approvals:decide", args=[world.waiting.approval_id])
    assert client.get(path, {"verdict": "approve", "digest": world.waiting.digest}).status_code == 405


def _other_method(method: str, world: World) -> None:
    client = world.client("supervisor")
    body = f"verdict=approve&digest={world.waiting.digest}&comment="
    path = reverse("approvals:decide", args=[world.waiting.approval_id])
    response = client.generic(method, path, body, content_type="application/x-www-form-urlencoded")
    assert response.status_code == 405


@page()
def an_approval_by_put(world: World) -> None:
    _other_method("PUT", world)


@page()
def an_approval_by_patch(world: World) -> None:
    _other_method("PATCH", world)


@page()
def an_approval_by_delete(world: World) -> None:
    _other_method("DELETE", world)


@page()
def a_form_on_another_site(world: World) -> None:
    assert decide_by_page(world.client("supervisor", enforce_csrf_checks=True), world.waiting) == 403


@page(leaves_event=False)
def a_session_that_has_ended(world: World) -> None:
    client = world.client("supervisor")
    StaffSession.objects.all().delete()
    assert decide_by_page(client, world.waiting) == 302


@page(leaves_event=False)
def a_person_who_was_switched_off_after_signing_in(world: World) -> None:
    client, person = world.client("supervisor"), world.person("supervisor")
    person.is_active = False
    person.save(update_fields=["is_active"])
    assert decide_by_page(client, world.waiting) == 302


@page()
def a_person_who_lost_the_role_after_opening_the_page(world: World) -> None:
    client = world.client("supervisor")
    world.person("supervisor").groups.clear()
    assert decide_by_page(client, world.waiting) == 403


@page()
def withdrawing_what_somebody_else_asked_for(world: World) -> None:
    assert post(world.client("support2"), "withdraw", world.waiting) == 409


@page()
def resuming_what_a_supervisor_paused(world: World) -> None:
    assert post(world.client("support"), "resume", world.paused) == 409


@page()
def resuming_what_waits_for_approval(world: World) -> None:
    assert post(world.client("supervisor"), "resume", world.waiting) == 409


@page()
def pausing_and_then_resuming_what_waits(world: World) -> None:
    client = world.client("support")
    assert post(client, "pause", world.waiting) == 409
    assert post(client, "resume", world.waiting) == 409


@page()
def a_priority_by_the_requester(world: World) -> None:
    assert post(world.client("support"), "prioritise", world.waiting, priority="10") == 403


@page()
def retrying_what_waits(world: World) -> None:
    assert post(world.client("support"), "retry", world.waiting) == 409


@page(leaves_event=False)
def retrying_what_was_rejected_is_a_new_request(world: World) -> None:
    assert post(world.client("support"), "retry", world.rejected) == 303
    made = TargetList.objects.get()
    assert made.of_change_id == world.rejected.pk


@page()
def undoing_what_has_not_run(world: World) -> None:
    assert post(world.client("support"), "undo", world.waiting, part="1") == 409


@page()
def taking_over_what_is_not_suspended(world: World) -> None:
    assert post(world.client("support"), "take_over", world.scheduled) == 409


def _resolve(world: World, name: str) -> int:
    fields = {"resolution": "queued", "comment": "x", "seen_call": Call.objects.get().pk, "name": world.unknown.target_name}
    return int(world.client(name).post(reverse("execution:resolve", args=[world.unknown.pk]), fields).status_code)


@page()
def the_requester_sends_an_unknown_item_again(world: World) -> None:
    assert _resolve(world, "support") == 403


@page()
def an_administrator_sends_an_unknown_item_again(world: World) -> None:
    assert _resolve(world, "administrator") == 403


def _asks(world: World, name: str, **fields: str) -> int:
    """Send the form of an unlock of account 110."""
    asked = {
        "account": "demo:110",
        "reason_code": "Other",
        "reason_text": "A test",
        "form_key": str(uuid4()),
        "digest": planned("unlock", 110).digest,
        **fields,
    }
    path = reverse("changes:new", args=["unlock"])
    return int(world.client(name).post(path, asked).status_code)


@page()
def a_request_by_compliance(world: World) -> None:
    assert _asks(world, "compliance") == 403


@page(leaves_event=False)
def a_request_with_the_form_key_of_somebody_else(world: World) -> None:
    assert _asks(world, "support2", form_key=str(world.scheduled.form_key)) == 303
    made = Change.objects.latest("pk")
    assert (made.state, made.requested_by.username) == ("pending", "support2")


@page(leaves_event=False)
def a_request_with_the_form_key_of_an_approved_change(world: World) -> None:
    before = Change.objects.count()
    assert _asks(world, "support", form_key=str(world.scheduled.form_key)) == 303
    assert Change.objects.count() == before


@page()
def a_request_of_another_plan_than_was_shown(world: World) -> None:
    assert _asks(world, "support", digest=planned("unlock", 111).digest) == 409


@page()
def a_request_for_another_account_than_was_shown(world: World) -> None:
    assert _asks(world, "support", account="demo:111") == 409


@page(leaves_event=False)
def a_request_for_accounts_that_somebody_else_chose(world: World) -> None:
    text = listed(world.person("support2"), "KTR50K-000110")
    path = f"{reverse('changes:new', args=['unlock'])}?targets={text}"
    assert world.client("support").get(path).status_code == 404


@page()
def pasting_accounts_without_a_role_that_may_ask(world: World) -> None:
    path = reverse("changes:name_targets", args=["unlock"])
    fields = {"environment": "demo", "names": "KTR50K-000110"}
    assert world.client("compliance").post(path, fields).status_code == 403


@page()
def a_file_of_accounts_without_a_role_that_may_ask(world: World) -> None:
    path = reverse("changes:name_targets", args=["unlock"])
    assert world.client("administrator").post(path, {"environment": "demo", "file": "account\n110"}).status_code == 403


@page()
def a_limit_template_approved_by_its_proposer_or_support(world: World) -> None:
    path = reverse("approvals:decide", args=[world.template.approval_id])
    fields = {"verdict": "approve", "digest": world.template.digest, "comment": ""}
    for name in ("support", "support2"):
        assert world.client(name).post(path, fields).status_code == 403


@page()
def applying_a_limit_template_that_waits(world: World) -> None:
    path = reverse("limit_templates:apply", args=[world.template.template_id])
    assert world.client("support").post(path, {"how": "names", "environment": "demo", "text": "110"}).status_code in {404, 409}
