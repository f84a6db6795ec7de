"""The page that shows a one-time link, once."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from riskadmin.staff.models import Staff
from riskadmin.staff.people.links import MadeLink


def show_link(request: HttpRequest, person: Staff, made: MadeLink) -> HttpResponse:
    """Answer the form that made a link: with the link, or where it was sent. No other page can show it."""
    crumbs = [("People", reverse("people:list")), (person.display_name, reverse("people:detail", args=[person.pk]))]
    return render(request, "people/link.html", {"person": person, "made": made, "crumbs": crumbs})
