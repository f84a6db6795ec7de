"""The pages on which administrators manage access: a person's limits, and the accounts of staff and their relatives."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import actions, queries
from accounts.access.forms import AccessForm, EndForm, MarkForm
from accounts.access.models import Relation
from riskadmin.audit.origin import origin_of
from riskadmin.staff.models import Staff
from riskadmin.staff.people import rights
from riskadmin.staff.people.models import Act, RightsRequest
from riskadmin.staff.people.rights import NotAllowed
from riskadmin.staff.queries import person
from riskadmin.web.access import may, requires
from riskadmin.web.errors import conflict
from riskadmin.web.htmx import redirect, render_page_or_fragment
from riskadmin.web.statuses import UNPROCESSABLE
from riskadmin.web.visible import isolated


@requires("access:manage", recent_proof=True)
@require_http_methods(["GET", "POST"])
def limits(request: HttpRequest, pk: int) -> HttpResponse:
    """What a person has access to: a panel of the person's page, and a page of its own, whose form changes it."""
    whom = get_object_or_404(Staff, pk=pk)
    if request.method == "GET":
        return _limits(request, whom, AccessForm.of(queries.limit_of(whom)))
    form = AccessForm(request.POST, present=queries.limit_of(whom))
    if not form.is_valid():
        return _limits(request, whom, form, status=UNPROCESSABLE)
    try:
        asked = actions.limit_access(
            actor=person(request),
            origin=origin_of(request),
            person=whom,
            access=form.access,
            comment=form.cleaned_data["comment"],
        )
    except NotAllowed as error:
        return _refused(request, str(error))
    if asked:
        messages.success(request, f"{asked.what}: another administrator has to confirm it. Nothing has changed yet.")
    else:
        name = isolated(whom.display_name)
        messages.success(request, f"{name} has access to {queries.access_words(form.access)}.")
    return redirect(request, "access:limits", pk)


def _limits(request: HttpRequest, whom: Staff, form: AccessForm, *, status: int = 200) -> HttpResponse:
    context = {
        "whom": whom,
        "form": form,
        "words": queries.access_words(queries.limit_of(whom)),
        "is_own": whom.pk == person(request).pk,
        "asked": _asked(request, Act.WIDEN_ACCESS, whom),
        "marks": [each for each in queries.visible_marks(person(request)) if each.person_id == whom.pk],
    }
    return render_page_or_fragment(request, "access/limits.html", "access/_limits.html", context, status=status)


@requires("related:view")
@require_GET
def related(request: HttpRequest) -> HttpResponse:
    """The accounts that belong to staff or their relatives; the marks that were ended below."""
    return _related(request)


@requires("access:manage", recent_proof=True)
@require_POST
def mark(request: HttpRequest) -> HttpResponse:
    """Mark an account, or a trader's accounts, as belonging to a member of staff or to a relative."""
    form = MarkForm(request.POST, actor=person(request))
    if form.is_valid():
        said = form.cleaned_data
        try:
            made = actions.mark(
                actor=person(request),
                origin=origin_of(request),
                person=said["person"],
                target=said["target"],
                relation=Relation(said["relation"]),
                comment=said["comment"],
            )
        except actions.MarkedAlready:
            form.add_error("name", f"It is marked for {said['person'].display_name} already.")
        except NotAllowed as error:
            return _refused(request, str(error))
        else:
            messages.success(request, f"{isolated(said['target'].name)}: {made.words}.")
            return redirect(request, "access:related")
    return _related(request, form=form, status=UNPROCESSABLE)


@requires("access:manage", recent_proof=True)
@require_POST
def end_mark(request: HttpRequest, pk: int) -> HttpResponse:
    """Request that a mark ends; another administrator confirms it."""
    if pk not in {each.pk for each in queries.visible_marks(person(request))}:
        raise Http404("There is no such mark in force.")
    form = EndForm(request.POST)
    if not form.is_valid():
        return _related(request, ending=(pk, form), status=UNPROCESSABLE)
    try:
        actions.request_end(actor=person(request), origin=origin_of(request), mark_id=pk, comment=form.cleaned_data["comment"])
    except NotAllowed as error:
        return _refused(request, str(error))
    messages.success(request, "Another administrator has to confirm that the mark ends. Until then it counts.")
    return redirect(request, "access:related")


def _related(
    request: HttpRequest, *, form: MarkForm | None = None, ending: tuple[int, EndForm] | None = None, status: int = 200
) -> HttpResponse:
    viewer, may_manage = person(request), may(request, "access:manage")
    ended_form = {ending[0]: ending[1]} if ending else {}
    asked = {each.content["mark"]: (each, why) for each, why in _asked(request, Act.END_MARK)}
    context = {
        "rows": [
            (
                each,
                ended_form.get(each.pk) or EndForm(auto_id=f"end_{each.pk}_%s"),
                may_manage and each.person_id != viewer.pk,
                *asked.get(each.pk, (None, "")),
            )
            for each in queries.visible_marks(viewer)
        ],
        "ended": queries.visible_marks(viewer, ended=True),
        "form": (form or MarkForm(actor=viewer)) if may_manage else None,
        "end_form": ending[1] if ending else None,
    }
    return render(request, "access/related.html", context, status=status)


def _asked(request: HttpRequest, act: Act, whom: Staff | None = None) -> list[tuple[RightsRequest, str]]:
    """Return what waits for another administrator, each with why the viewer can't decide about it."""
    viewer, waiting = person(request), rights.waiting().filter(act=act)
    waiting = waiting.filter(person=whom) if whom else waiting
    return [(each, rights.refusal(each, viewer)) for each in rights.visible(waiting, viewer)]


def _refused(request: HttpRequest, why: str) -> HttpResponse:
    return conflict(
        request,
        meaning=f"{why} Nothing was done.",
        next_step="Ask another administrator.",
        link_label="Accounts of staff",
        link_url=reverse("access:related"),
    )
