"""The pages of unknown outcomes: the list, reading many again, and resolving many with the same evidence."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.changes import queries
from accounts.changes.models import Item
from accounts.changes.states import ChangeState, ItemState
from accounts.execution import resolving
from accounts.execution.forms import ResolveManyForm, SeenField, UnknownFilterForm, named_items
from accounts.execution.resolving import RESOLVED_TOGETHER, Resolution, Resolved, Seen
from accounts.execution.unknown_item import Question, Shown
from accounts.execution.unknown_items import (
    EXAMINED_MAX,
    Filters,
    Group,
    TargetSelection,
    chosen,
    chosen_by,
    examine,
    ids_to_read,
    rows_of,
)
from riskadmin.audit.origin import origin_of
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import person
from riskadmin.web.access import may, requires
from riskadmin.web.errors import conflict
from riskadmin.web.formats import counted
from riskadmin.web.htmx import HttpResponseSeeOther, redirect, render_page_or_fragment
from riskadmin.web.statuses import UNPROCESSABLE
from riskadmin.web.visible import isolated

SAMPLE: Final = 10
"""Items, differences and notes of a group that its page names."""

READ_AGAIN: Final = "read_again"
CONTRADICTED_BY: Final = {
    Resolution.APPLIED: Shown.AS_BEFORE,
    Resolution.CANCELLED: Shown.AS_INTENDED,
    Resolution.QUEUED: Shown.AS_INTENDED,
}
"""Last readings that contradict a resolution."""


@requires("changes:view")
@require_GET
def unresolved(request: HttpRequest) -> HttpResponse:
    """The items whose outcome is unknown, oldest first, filtered by the URL."""
    form = UnknownFilterForm(request.GET)
    context: dict[str, Any] = {"form": form, "resolves": may(request, "changes:resolve"), "examined_max": EXAMINED_MAX}
    status = 200
    if form.is_valid():
        filters = form.filters()
        examined = examine(filters, person(request))
        form.offer(examined.groups)
        page, rows = examined.page(person(request), request.GET.get("cursor"))
        context |= {"examined": examined, "page": page, "rows": rows, "is_filtered": filters != Filters()}
    else:
        form.offer([])
        status = UNPROCESSABLE
    return render_page_or_fragment(request, "execution/unresolved.html", "execution/_unresolved.html", context, status=status)


@requires("changes:view")
@require_GET
def unresolved_count(request: HttpRequest) -> HttpResponse:
    """The number next to Unknown outcomes in the navigation."""
    return render(request, "execution/_unresolved_count.html", {"count": queries.unknown_items(person(request)).count()})


@requires("changes:resolve")
@require_POST
def selection(request: HttpRequest) -> HttpResponse:
    """Have the chosen items read again, or redirect to the page where they are resolved together.

    Takes the numbers of items, or `all` with the list's filters; and in `do` the action.
    """
    form, wanted = _filters_form(request.POST), request.POST.get("do", "")
    filters = form.filters()
    item_ids = None if request.POST.get("all") else named_items(request.POST.getlist("item"))
    if wanted == READ_AGAIN:
        ids = ids_to_read(filters, person(request)) if item_ids is None else item_ids
        count = resolving.read_again_many(actor=person(request), origin=origin_of(request), item_ids=ids)
        words = "1 item is" if count == 1 else f"{count:,} items are"
        if count:
            messages.success(request, f"{words} read from Tradovate again within seconds. The list updates itself.")
        else:
            messages.info(request, "Nothing was left to read: each is to be read already, is settled, or can't be read.")
        return HttpResponseSeeOther(_list_url(filters))
    if wanted not in Resolution.values:
        raise BadRequest("The form does not say what is to be done.")
    named = [("resolution", wanted), *(("item", item_id) for item_id in item_ids or ())]
    rest = "" if item_ids else f"&all=1&{filters.query}"
    return HttpResponseSeeOther(f"{reverse('execution:resolve_many')}?{urlencode(named)}{rest}")


@requires("changes:resolve", recent_proof=True)
@require_http_methods(["GET", "POST"])
def resolve_many(request: HttpRequest) -> HttpResponse:
    """The page to resolve many items together: their evidence and the form; POST resolves them.

    Items with different evidence are refused with 422, and each group is offered separately.
    """
    if request.method == "POST":
        return _decide(request)
    if request.GET.get("resolution") not in Resolution.values:
        raise BadRequest("The address does not say what is to be decided.")
    filters = _filters_form(request.GET).filters()
    item_ids = None if request.GET.get("all") else named_items(request.GET.getlist("item"))
    selection = _Selection(
        viewer=person(request),
        resolution=Resolution(request.GET["resolution"]),
        chosen=chosen_by(filters, person(request)) if item_ids is None else chosen(item_ids, person(request)),
    )
    if len(selection.groups) > 1:
        return _one_group_at_a_time(request, selection, filters if item_ids is None else None)
    if not selection.right:
        return _nothing_left(request, selection.left_out)
    form = ResolveManyForm(initial={"resolution": selection.resolution.value, "seen": SeenField.signed(selection.seen)})
    return _page(request, selection, form)


def _filters_form(typed: QueryDict) -> UnknownFilterForm:
    form = UnknownFilterForm(typed)
    if not form.is_valid():
        raise BadRequest("The filters are none that the list of unknown outcomes knows.")
    return form


def _list_url(filters: Filters) -> str:
    query = filters.query
    return reverse("execution:unresolved") + (f"?{query}" if query else "")


@dataclass(frozen=True, kw_only=True)
class _Selection:
    """The items that one resolution would be about: those chosen, those it can settle, and those left out, with reasons."""

    viewer: Staff
    resolution: Resolution
    chosen: TargetSelection

    def _reason(self, asked: Question) -> str:
        item = asked.item
        if not asked.is_open:
            return f"Settled already: {ItemState(item.state).label.lower()}."
        if self.resolution == Resolution.QUEUED and item.change.state != ChangeState.RUNNING:
            return f"Nothing is sent for change {item.change_id}: it is {item.change.get_state_display().lower()}."
        return asked.refuses(self.viewer)

    @cached_property
    def left_out(self) -> list[tuple[Item, str]]:
        """The items that it leaves out, each with the reason."""
        return [(asked.item, reason) for asked in self.chosen.asked if (reason := self._reason(asked))]

    @cached_property
    def right(self) -> list[Question]:
        """The items that it is about."""
        return [asked for asked in self.chosen.asked if not self._reason(asked)]

    @cached_property
    def groups(self) -> list[Group]:
        """Those by their evidence, largest group first; a resolution is made for one of them."""
        counts = Counter(asked.evidence for asked in self.right)
        return [Group(evidence=evidence, count=count) for evidence, count in counts.most_common()]

    @property
    def seen(self) -> Seen:
        """What the page shows, to be sent back with the resolution."""
        calls = {asked.item.pk: asked.calls.last for asked in self.right}
        return Seen(evidence_key=self.right[0].evidence.key, calls=calls)


def _page(request: HttpRequest, selection: _Selection, form: ResolveManyForm, *, status: int = 200) -> HttpResponse:
    first = selection.right[0]
    if any(asked.is_typed for asked in selection.right):
        form.ask_for_count(len(selection.right) if not form.is_bound else len(_seen_of(form).calls))
    else:
        del form.fields["count"]
    moved = Counter((each.label, each.before, each.after, each.direction) for asked in selection.right for each in asked.moved)
    context: dict[str, Any] = {
        "form": form,
        "resolution": selection.resolution,
        "kind": first.kind,
        "step": first.kind.step_words(first.item.step),
        "evidence": first.evidence,
        "environment": first.item.environment,
        "count": len(selection.right),
        "is_contradicted": CONTRADICTED_BY[selection.resolution] == first.shown,
        "rows": rows_of(selection.right[:SAMPLE], selection.viewer),
        "moved": moved.most_common(SAMPLE),
        "moved_more": max(len(moved) - SAMPLE, 0),
        "notes": Counter(asked.why for asked in selection.right).most_common(SAMPLE),
        "changes": sorted(Counter(asked.item.change_id for asked in selection.right).items()),
        "requesters": sorted({asked.item.change.requested_by_name for asked in selection.right}),
        "left_out": _by_reason(selection.left_out),
        "is_cut": selection.chosen.is_cut,
        "resolved_together": RESOLVED_TOGETHER,
    }
    return render(request, "execution/resolve_many.html", context, status=status)


def _one_group_at_a_time(request: HttpRequest, selection: _Selection, filters: Filters | None) -> HttpResponse:
    """Refuse items with different evidence, and offer each group: as item numbers, or as the filters with its evidence."""
    offers = []
    for group in selection.groups:
        named: list[tuple[str, Any]] = [("resolution", selection.resolution.value)]
        if filters is None:
            named += [("item", asked.item.pk) for asked in selection.right if asked.evidence == group.evidence]
        else:
            narrowed = {"change": filters.change_id, "kind": filters.kind_name, "environment": filters.environment}
            named += [("all", 1), *((name, value) for name, value in narrowed.items() if value)]
            named += [("evidence", group.evidence.key)]
        offers.append((group, f"{reverse('execution:resolve_many')}?{urlencode(named)}"))
    context = {"resolution": selection.resolution, "offers": offers}
    return render(request, "execution/resolve_groups.html", context, status=UNPROCESSABLE)


def _seen_of(form: ResolveManyForm) -> Seen:
    """Return what a submitted form says was shown. Raises BadRequest if it was damaged."""
    form.is_valid()
    seen = form.cleaned_data.get("seen")
    if not isinstance(seen, Seen):
        raise BadRequest("The list of items in this form is damaged. Nothing was decided. Choose the items again.")
    return seen


def _decide(request: HttpRequest) -> HttpResponse:
    form = ResolveManyForm(request.POST)
    seen = _seen_of(form)
    if "resolution" in form.errors:
        raise BadRequest("The form does not say what is to be decided.")
    resolution = Resolution(form.cleaned_data["resolution"])
    actor = person(request)
    if form.is_valid():
        try:
            resolved = resolving.resolve_many(
                actor=actor,
                origin=origin_of(request),
                seen=seen,
                resolution=resolution,
                comment=form.cleaned_data["comment"],
                typed_count=form.cleaned_data["count"],
            )
        except resolving.WrongCount as error:
            form.add_error("count", str(error))
        else:
            return _report(request, resolved, resolution)
    selection = _Selection(viewer=actor, resolution=resolution, chosen=chosen(seen.calls, actor))
    if not selection.right:
        return _nothing_left(request, selection.left_out)
    return _page(request, selection, form, status=UNPROCESSABLE)


def _report(request: HttpRequest, resolved: Resolved, resolution: Resolution) -> HttpResponse:
    """Report the result of a resolution, with the names of the items that were left out."""
    if not resolved.items:
        return _nothing_left(request, resolved.left_out)
    messages.success(request, f"{counted(len(resolved.items), 'item')}: {resolution.label.lower()}. It is on record.")
    for reason, names in _by_reason(resolved.left_out):
        messages.warning(request, f"Left out: {names}. {reason}")
    changes = {item.change_id for item in resolved.items}
    return redirect(request, _list_url(Filters(change_id=changes.pop()) if len(changes) == 1 else Filters()))


def _nothing_left(request: HttpRequest, left_out: Sequence[tuple[Item, str]]) -> HttpResponse:
    reasons = " ".join(f"{names}: {reason}" for reason, names in _by_reason(left_out))
    return conflict(
        request,
        meaning=f"Nothing was decided. {reasons or 'None of these items is unknown any more.'}",
        next_step="Look at what is still unknown.",
        link_label="Unknown outcomes",
        link_url=reverse("execution:unresolved"),
    )


def _by_reason(left_out: Sequence[tuple[Item, str]]) -> list[tuple[str, str]]:
    """Return each reason with the names of its items, or of the first few."""
    names: dict[str, list[str]] = {}
    for item, reason in left_out:
        names.setdefault(reason, []).append(isolated(item.target_name))
    return [
        (reason, ", ".join(each[:SAMPLE]) + (f" and {len(each) - SAMPLE:,} more" if len(each) > SAMPLE else ""))
        for reason, each in names.items()
    ]
